"""Losses of quality: they shrink with size, add up with an interaction, and are checked at their pessimistic end."""

import pytest

from app.guide.accuracy import INTERACTION, Loss, of_technique_alone, together
from app.guide.evidence import Measured
from app.guide.priors import Setting
from app.guide.techniques import by_word
from tests.app.guide.scenes import DECODING_ON_4090, LLAMA_1B, LLAMA_8B, LLAMA_65B


def loss(word: str, model: object = LLAMA_8B) -> Loss:
    return of_technique_alone(by_word()[word], DECODING_ON_4090.model_copy(update={"model": model}), ())


def test_int4_loses_several_hundredths_with_8b_and_about_one_with_65b() -> None:
    large, small = loss("int4_weight_only", LLAMA_65B), loss("int4_weight_only")
    assert 0.02 < small.mid < 0.06
    assert small.high > 0.05
    assert 0.002 < large.mid < 0.02
    assert loss("int4_weight_only", LLAMA_1B).mid > 2 * small.mid


def test_fewer_bits_lose_more() -> None:
    order = ("gguf_q8_0", "int8_weight_only", "gguf_q4_k_m", "int4_weight_only")
    found = [loss(word).mid for word in order]
    assert found == sorted(found)
    assert loss("fp8").high < loss("w8a8_int8").high


def test_what_changes_no_number_loses_nothing() -> None:
    assert loss("flash_attention").high == 0
    assert loss("torch_compile").high == 0


def test_what_nobody_scored_is_unknown() -> None:
    assert loss("nvfp4").unknown
    assert together([loss("nvfp4"), loss("int8_weight_only")]).unknown


def test_losses_together_are_more_than_their_sum() -> None:
    first = Loss(low=0.01, mid=0.02, high=0.03, kind="literature", grade="A")
    second = Loss(low=0.0, mid=0.01, high=0.02, kind="literature", grade="B")
    both = together([first, second])
    assert both.mid == pytest.approx(INTERACTION * 0.03)
    assert both.high > both.mid
    assert both.grade == "B"
    assert together([first]) == first.model_copy(update={"cited": ()})
    assert together([]).high == 0


def test_a_score_of_this_model_narrows_the_loss() -> None:
    row = Measured(
        id="run", stack=("bf16", "int4_weight_only"), baseline=("bf16",), metric="quality", ratio=0.03, low=0.025, high=0.035,
        setting=Setting(task="chat"),
    )  # fmt: skip
    before = loss("int4_weight_only")
    after = of_technique_alone(by_word()["int4_weight_only"], DECODING_ON_4090, [row])
    assert after.kind == "measured"
    assert after.grade == "A"
    assert after.high - after.low < before.high - before.low
    assert after.cited[0].id == "run"


def test_a_score_of_another_model_counts_less() -> None:
    row = Measured(
        id="run", stack=("bf16", "int4_weight_only"), baseline=("bf16",), metric="quality", ratio=0.0, low=0.0, high=0.001,
        setting=Setting(task="chat", model="another"),
    )  # fmt: skip
    own = row.model_copy(update={"setting": Setting(task="chat", model=DECODING_ON_4090.model.name)})
    technique = by_word()["int4_weight_only"]
    other, same = (of_technique_alone(technique, DECODING_ON_4090, [one]) for one in (row, own))
    assert same.high < other.high
    assert same.grade == "A"
    assert other.grade != "A"


def test_what_is_known_of_an_unknown_loss_still_counts() -> None:
    mixed = together([loss("nvfp4"), loss("int4_weight_only")])
    assert mixed.unknown
    assert mixed.known > 0.05


@pytest.mark.parametrize(
    "baseline", [("fp16",), ("bf16", "kv_cache_8bit"), ("bf16", "int4_weight_only", "torch_compile")]
)
def test_a_score_of_two_changes_says_nothing_of_one(baseline: tuple[str, ...]) -> None:
    row = Measured(
        id="run", stack=("bf16", "int4_weight_only"), baseline=baseline, metric="quality", ratio=0.3, low=0.29, high=0.31,
        setting=Setting(task="chat"),
    )  # fmt: skip
    assert of_technique_alone(by_word()["int4_weight_only"], DECODING_ON_4090, [row]) == loss("int4_weight_only")
