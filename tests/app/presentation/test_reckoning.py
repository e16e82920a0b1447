"""Claims worked out: known answers, ranges of number formats against numpy's, and claims that name only what exists."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from app.devices.datasheets import datasheets
from app.knowledge import claims
from app.knowledge.reckoned import Bound, Reckoned, Sharded, Weights
from app.knowledge.sources import Source
from app.presentation import reckoning
from app.presentation.number_formats import BY_WORD as NUMBERS
from app.presentation.reckoning import Worked
from workers.catalog.techniques import BY_WORD as TECHNIQUES

CLAIMS = {one.word: one for one in claims.reckoned()}
WRONG = {
    "8b-flash-takes",
    "8b-compile-takes",
    "8b-nf4-takes",
    "8b-gptq-takes",
    "8b-awq-takes",
    "adamw-states",
    "adamw-all",
    "adamw-8bit-states",
    "adamw-8bit-all",
    "adamw-8bit-saves",
    "h100-tensor",
}


def worked(word: str) -> Worked:
    return reckoning.work_out(CLAIMS[word])


@pytest.mark.parametrize("word", CLAIMS)
def test_every_claim_is_decided_with_its_derivation(word: str) -> None:
    found = worked(word)
    assert found.verdict == ("wrong" if word in WRONG else "right")
    assert found.readings
    assert all(reading.shown and reading.formula and reading.source for reading in found.readings)
    assert set(CLAIMS[word].techniques) <= set(TECHNIQUES)
    assert CLAIMS[word].within > 0


def test_states_of_adamw_are_56_gigabytes_and_not_112() -> None:
    assert worked("adamw-states").said == "112 GB"
    (reading,) = worked("adamw-states").readings
    assert (reading.low, reading.shown, reading.formula) == (56e9, "56 GB", "7 billion × 8 bytes")
    assert worked("adamw-formula").verdict == "right"
    (small,) = worked("adamw-8bit-states").readings
    assert small.low == pytest.approx(7e9 * (2 + 2 * 4 / 256))


def test_no_attention_kernel_makes_a_model_smaller_than_its_weights() -> None:
    (reading,) = worked("8b-flash-takes").readings
    assert reading.low * reckoning.BINARY == pytest.approx(2 * 8_030_261_248)
    assert reading.high is None
    assert worked("8b-bf16-takes").verdict == "right", "16.0 in units of 2³⁰ bytes, or all but rounding"


def test_limits_of_sharding_say_how_they_are_approached() -> None:
    (reading,) = worked("zero1").readings
    assert reading.low == 4
    assert "2.91 times at 8" in reading.formula
    assert worked("ddp").readings[0].low == 1


def test_ridge_and_peaks_are_of_the_datasheets() -> None:
    assert worked("a10-ridge").readings[0].low == pytest.approx(125e12 / 600e9)
    assert worked("h100-tensor").readings[0].shown == "756\u202fTFLOP/s"


@pytest.mark.parametrize(("word", "dtype"), [("fp32", np.float32), ("fp16", np.float16)])
def test_ends_of_floating_point_formats_are_those_of_numpy(word: str, dtype: type[np.floating]) -> None:
    info = np.finfo(dtype)
    assert NUMBERS[word].end("largest")[0] == float(info.max)
    assert NUMBERS[word].end("smallest")[0] == float(info.tiny)
    assert NUMBERS[word].end("lowest")[0] == float(info.min)


@pytest.mark.parametrize(
    ("word", "lowest", "largest"),
    [("int8", -128, 127), ("int4", -8, 7), ("fp4_e2m1", -6, 6), ("fp8_e4m3", -448, 448), ("fp8_e5m2", -57_344, 57_344)],
)
def test_ends_of_short_formats(word: str, lowest: int, largest: int) -> None:
    assert (NUMBERS[word].end("lowest")[0], NUMBERS[word].end("largest")[0]) == (lowest, largest)


def test_what_binds_is_counted_over_the_datasheets() -> None:
    found = {one.word: reckoning.binds(one) for one in claims.bounds()}
    assert {one.verdict for one in found.values()} == {"right"}
    with_ridge = [sheet for sheet in datasheets() if sheet.ridge("bfloat16") or sheet.ridge("float16")]
    assert found["decoding-bandwidth"].readings[0].shown == f"{len(with_ridge)} of {len(with_ridge)} devices"
    between = Bound.model_validate(
        {name: getattr(claims.bounds()[0], name) for name in Bound.model_fields} | {"tokens": 150}
    )
    assert reckoning.binds(between).verdict == "wrong", "at 150 tokens some devices are bound by arithmetic already"


def claim(said: float, within: float, rule: Weights | Sharded) -> Reckoned:
    source = Source(title="somebody", url=None)
    return Reckoned(
        word="x", topic="weights", says="X.", said=said, within=within, unit="B", rule=rule, source=source, grade="D"
    )


@settings(deadline=None, derandomize=True, max_examples=100)
@given(some.integers(1, 10**12), some.sampled_from([4, 8, 16, 32]), some.floats(0.5, 2.0))
def test_a_claim_is_right_exactly_within_its_rounding(parameters: int, bits: int, factor: float) -> None:
    size, within = parameters * bits / 8, parameters * bits / 800
    found = reckoning.work_out(claim(size * factor, within, Weights(kind="weights", parameters=parameters, bits=bits)))
    if not math.isclose(abs(size * factor - size), within, rel_tol=1e-9):
        assert found.verdict == ("right" if abs(size * factor - size) < within else "wrong")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(some.integers(1, 4096))
def test_more_sharding_never_keeps_more(devices: int) -> None:
    times = [
        reckoning.work_out(claim(1, 1, Sharded(kind="sharding", strategy=strategy, devices=devices))).readings[0].low
        for strategy in ("ddp", "zero1", "zero2", "zero3")
    ]
    assert times == sorted(times)
    assert times[0] == 1
    assert times[3] == pytest.approx(devices)
