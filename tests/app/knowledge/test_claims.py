"""What is said about techniques: the file names only what exists, and every statement can be judged or says why not."""

import json
from collections import Counter

import pytest

from app.knowledge import claims
from app.knowledge.cases import RATIOS, word_of
from app.knowledge.claims import GRADES, Setting, Statement
from workers.catalog.techniques import BY_WORD, TECHNIQUES
from workers.catalog.workloads import BY_WORD as WORKLOADS

EXPECTED = tuple(one for technique in TECHNIQUES for one in claims.expected(technique))


def labels(setting: Setting) -> tuple[str, ...]:
    return (*setting.variant, *setting.baseline, *setting.lacks, *setting.also)


@pytest.mark.parametrize("one", [*claims.claims(), *EXPECTED], ids=lambda one: one.word)
def test_a_statement_names_only_what_exists(one: Statement) -> None:
    assert one.stack
    assert set(one.stack) <= set(BY_WORD)
    assert list(one.stack) == sorted(one.stack)
    assert one.figure in RATIOS
    assert one.low > 0
    assert one.high is None or one.low <= one.high
    assert one.says.endswith(".")
    assert one.source.title
    assert set(one.setting.workloads) <= set(WORKLOADS)
    assert {word_of(label) for label in labels(one.setting)} <= set(BY_WORD)
    assert one.setting.model is None or one.setting.model.islower()


def test_claims_have_a_grade_and_a_name_of_their_own() -> None:
    sections = (claims.claims(), claims.null_tests(), claims.reckoned(), claims.bounds(), claims.unmeasurable())
    words = [one.word for section in sections for one in section]
    assert [word for word, count in Counter(words).items() if count > 1] == []
    assert {one.grade for section in sections for one in section} <= set(GRADES)
    assert {one.topic for section in sections for one in section} == set(claims.topics())


def test_what_is_said_to_bind_is_of_workloads_that_exist() -> None:
    for one in claims.bounds():
        assert one.workloads
        assert set(one.workloads) <= set(WORKLOADS)


def test_attention_by_length_is_of_16_bits() -> None:
    """In fp32 the same kernels are another thing, so that no run of it may decide."""
    of_length = [one for one in claims.claims() if one.topic == "attention"]
    assert len(of_length) == 10
    assert {one.setting.baseline for one in of_length} == {("precision fp16", "precision bf16")}


def test_every_technique_that_articles_speak_of_has_its_claims() -> None:
    spoken = {word for one in claims.claims() for word in one.stack}
    assert {
        "attention", "autocast", "gradient_checkpointing", "int8_weight_only", "kv_cache", "llm_int8", "nf4", "precision",
        "torch_compile",
    } <= spoken  # fmt: skip


def test_conditions_are_of_literature_that_techniques_name() -> None:
    urls = {one.source.url for one in EXPECTED}
    assert set(claims.conditions()) <= urls


def test_contrasts_are_labels_of_the_techniques_they_are_of() -> None:
    held = json.loads(claims.FILE.read_text(encoding="utf-8"))["contrasts"]
    for word in held:
        contrast = claims.contrast(word)
        assert contrast is not None
        stacks = {technique(**{name: value}).label() for technique in (BY_WORD[word],) for name, value in choices(word)}
        assert set(contrast.variant) | set(contrast.against) <= stacks


def choices(word: str) -> list[tuple[str, str]]:
    properties = BY_WORD[word].model_json_schema()["properties"]
    return [(name, value) for name, field in properties.items() for value in field.get("enum", ())]


def test_ranges_reach_a_little_further_than_written() -> None:
    said = {one.word: one for one in (*claims.claims(), *EXPECTED)}
    assert list(said["bf16-speed"].reach) == pytest.approx([0.333 / 1.01, 0.505])
    assert list(said["flash-512-speed"].reach) == pytest.approx([0.378 / 1.1, 0.378 * 1.1])
    assert said["bf16-accuracy"].reach[0] > 0.997
    assert said["cache-memory"].reach[1] == float("inf")
    assert not said["precision-expected-1"].single, "bytes of weights are counted"
    assert said["llm_int8-expected-1"].single
