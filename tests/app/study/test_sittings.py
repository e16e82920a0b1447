"""One run by itself: the parts of its peaks, its series, and when it has paid back."""

from app.study import sittings
from app.study.comparison import compare
from app.study.sittings import Series, sitting
from tests import demo

FULL = compare(*demo.rows(demo.order()))


def test_parts_add_up_to_the_peak() -> None:
    found = sitting(FULL, FULL.runs[1])
    assert [(stack.phase, stack.arm) for stack in found.stacks] == [("prefill", "baseline"), ("prefill", "variant")]
    for stack in found.stacks:
        readings = found.run.beside if stack.arm == "baseline" else found.run.readings
        assert tuple(stack.parts) == sittings.PARTS
        assert abs(stack.total / readings["memory.peak_allocated@prefill"].value - 1) < 0.05


def test_a_run_without_parts_has_no_stacks() -> None:
    failed = next(run for run in FULL.runs if run.failed)
    assert sitting(FULL, failed).stacks == ()


def test_arms_are_named_as_the_reader_knows_them() -> None:
    assert sitting(FULL, FULL.runs[0]).arm_name("variant") == "fp32 again"
    assert sitting(FULL, FULL.runs[1]).arm_name("variant") == "bf16"
    assert sitting(FULL, FULL.runs[1]).arm_name("baseline") == "fp32"


def test_calls_to_break_even_are_read() -> None:
    run = FULL.runs[1]
    reading = next(iter(run.readings.values())).model_copy(update={"value": 412.0})
    told = run.model_copy(update={"readings": run.readings | {"break_even.calls@prefill": reading}})
    assert sitting(FULL, told).calls_to_break_even == 412.0
    assert sitting(FULL, run).calls_to_break_even is None


def test_series_are_carried() -> None:
    series = Series(metric="memory.allocated", phase="prefill", arm="variant", at_s=(0.0,), values=(1.0,))
    assert sitting(FULL, FULL.runs[1], (series,)).series == (series,)
