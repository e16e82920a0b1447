"""Devices: what of a datasheet is reached, what was measured, and the names that people give them."""

import pytest

from app.devices.datasheets import datasheets
from app.errors import Invalid
from app.planner.machines import BANDWIDTH_SHARE, MATRIX_SHARE, of_ceilings, of_title
from app.planner.plan import plan
from app.planner.question import Question, of_body
from workers.catalog.ceilings import Bandwidth, Ceilings, Products


def ceilings(**peaks: float) -> Ceilings:
    def rate(value: float) -> dict[str, float]:
        return {"value": value, "low": value, "high": value, "n": 9, "seconds": 0.1}

    return Ceilings(
        device="cuda", name="NVIDIA T4", environment="0123456789abcdef", threads=2, measured_at="2026-01-01T00:00:00+00:00",
        seconds=8.0, contention=0.0, dispatch_s=1e-6,
        bandwidths=(Bandwidth.model_validate({"stream": "copy", "working_set": 10**9, **rate(2.4e11)}),),
        products=tuple(Products.model_validate({"dtype": dtype, "size": 4_096, **rate(peak)}) for dtype, peak in peaks.items()),
    )  # fmt: skip


def test_of_a_datasheet_so_much_is_reached() -> None:
    card, computer = of_title("GeForce RTX 4090"), of_title("Raspberry Pi 5 8GB")
    assert card.reads == BANDWIDTH_SHARE["cuda"] * card.bandwidth
    assert card.peak("bfloat16") == MATRIX_SHARE["cuda"] * card.peaks["bfloat16"]
    assert computer.reads == BANDWIDTH_SHARE["cpu"] * computer.bandwidth
    assert card.gpu
    assert not computer.gpu
    assert computer.free == 0.8 * computer.memory


def test_what_was_measured_is_reached_and_the_rest_is_the_datasheets() -> None:
    sheet = next(one for one in datasheets() if one.title == "T4")
    found = of_ceilings("Tesla T4", 16 * 2**30, ceilings(float32=7e12), sheet)
    assert found.measured
    assert found.reads == 2.4e11
    assert found.peak("float32") == 7e12
    assert found.peak("float16") == MATRIX_SHARE["cuda"] * sheet.peaks["float16"]
    assert found.capability == (7, 5)
    with pytest.raises(Invalid):
        of_ceilings("Tesla T4", 16 * 2**30, ceilings(float16=5e13))


def test_processors_of_one_name_are_told_apart_by_what_they_can_do() -> None:
    one = of_title("Server CPU, AMX, 32 cores", 2**36)
    assert one.alike(one.model_copy(update={"bandwidth": 1.1 * one.bandwidth}))
    assert not one.alike(one.model_copy(update={"bandwidth": 1.5 * one.bandwidth}))
    assert not one.alike(one.model_copy(update={"flags": ("avx512_vnni",)}))
    assert not one.alike(one.model_copy(update={"title": "another"}))


@pytest.mark.parametrize("name", ["RTX 4060", "geforce rtx 4060", "NVIDIA GeForce RTX 4060", "RTX 4060 8 GB"])
def test_people_may_leave_out_makers_words_and_memory(name: str) -> None:
    assert of_title(name).title == "GeForce RTX 4060"


def test_machines_of_a_class_differ_in_memory() -> None:
    with pytest.raises(Invalid) as refused:
        of_title("server cpu, amx, 32 cores")
    assert refused.value.problems[0].field == "memory"
    assert of_title("Server CPU, AMX, 32 cores", 2**36).memory == 2**36


@pytest.mark.parametrize(
    ("title", "seen"), [("T4", 14.56 * 2**30), ("L4", 23_034 * 2**20), ("L40S", 44.53 * 2**30), ("GeForce RTX 4090", 23.64 * 2**30)]
)  # fmt: skip
def test_no_more_is_free_than_programs_have_seen(title: str, seen: float) -> None:
    """Totals that torch and nvidia-smi print, error correction taken off where it is on from the factory."""
    assert 0.9 * seen < of_title(title).free <= seen


def test_a_slow_format_that_was_measured_is_as_slow_as_it_was() -> None:
    """A processor that emulates short formats: products in them take what was measured, and it is said to lack them."""
    rates = {"float32": 3.2e11, "bfloat16": 6.1e10, "float16": 2.0e9}
    found = of_ceilings("Intel(R) Xeon(R) Processor", 2**34, ceilings(**rates).model_copy(update={"device": "cpu"}))
    assert {dtype: found.peak(dtype) for dtype in rates} == rates
    question = Question(model="GPT-2", computing="bf16", device=found.title)
    answer = plan(of_body(question, (found,)))
    assert answer.fit is not None
    assert answer.fit.lacks == "bf16"
    assert any("no units for bf16" in remark and "what was measured" in remark for remark in answer.remarks)
    whole = plan(of_body(question.model_copy(update={"computing": "fp32"}), (found,)))
    assert whole.fit is not None
    assert whole.fit.lacks is None
    assert answer.fit.speeds[0].seconds > whole.fit.speeds[0].seconds


def test_the_teams_devices_come_before_those_of_a_class() -> None:
    own = of_title("Server CPU, AMX, 32 cores", 2**36)
    assert of_title("server cpu, amx, 32 cores", own=(own,)) is own
    with pytest.raises(Invalid, match="Did you mean"):
        of_title("my card 1", own=(own.model_copy(update={"title": "My card 2"}),))
