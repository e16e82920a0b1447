"""Studies that test claims: each can be queued, and what it measures is comparable with the claim it is for."""

from typing import cast

import pytest

from app.errors import Invalid
from app.knowledge import claim_study, claims, evidence
from app.knowledge.cases import Cases, Stack, parts_of
from app.knowledge.claims import QUALITY, Statement
from app.results.figures import LENGTHS
from app.study.stacks import apart, label
from workers.catalog.applicability import problems
from workers.catalog.metrics import BY_NAME
from workers.catalog.spec import StudySpec


def refusal(statement: Statement) -> str | None:
    try:
        claim_study.study(statement)
    except Invalid as error:
        return error.problems[0].message
    return None


MEASURABLE = [one for one in claims.claims() if refusal(one) is None]


class OneCase:
    """What the only case of a study is, as ``Cases`` would tell."""

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec

    def stack(self, case: int) -> Stack:
        variant, baseline = parts_of(label(self.spec.variants[0])), parts_of(label(self.spec.baseline))
        return Stack(variant - baseline, baseline - variant, variant & baseline)

    def word(self, name: str, case: int) -> str:
        spec = self.spec
        return {
            "techniques": "+".join(apart(spec.variants[0], spec.baseline)),
            "ran": "as_asked",
            "device": spec.device,
            "model": spec.model.label,
            "workload": spec.workload.word,
        }[name]

    def size(self, name: str, case: int) -> int | None:
        sizes = self.spec.workload.parameters
        names = LENGTHS if name == "length" else (name,)
        return next((int(sizes[one]) for one in names if one in sizes), None)


@pytest.mark.parametrize("statement", MEASURABLE, ids=lambda one: one.word)
def test_what_the_study_measures_is_comparable_with_the_claim(statement: Statement) -> None:
    spec = StudySpec.model_validate(claim_study.study(statement))
    assert problems(spec) == []
    assert evidence.comparable(cast(Cases, OneCase(spec)), 0, statement)
    if statement.figure in QUALITY:
        assert spec.evaluation is not None
        brings = {scoring.metric.name for scoring in spec.evaluation.scorings}
        assert any(claims.figure_of(name) == statement.figure for name in brings & set(BY_NAME) if name in brings)


def test_claims_without_a_study_say_why() -> None:
    refused = {one.word: refusal(one) for one in claims.claims() if one not in MEASURABLE}
    assert set(refused) == {
        f"8b-{stack}-{figure}"
        for stack in ("flash", "flash-compile", "int8", "nf4")
        for figure in ("accuracy", "perplexity")
    }
    assert set(refused.values()) == {"Llama decoder comes with no held-out text."}


def test_a_study_takes_the_sizes_and_the_device_that_the_claim_names() -> None:
    said = next(one for one in claims.claims() if one.word == "flash-2048-speed")
    found = claim_study.study(said)
    assert found["workload"] == {"name": "attention", "batch_size": 4, "sequence_length": 2048, "causal": True}
    assert (found["device"], found["model"]) == ("cuda", {"name": "llama", "preset": "125m"})
    assert found["baseline"]["stack"][0] == {"technique": "precision", "dtype": "fp16"}
