"""Steps on another device: known answers, bounds that hold, and no claim where the datasheet says nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from app.devices import what_if
from app.devices.datasheets import datasheets, processors
from app.devices.what_if import NoEstimate, Nominal, Work
from app.errors import Invalid
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.report import BottleneckClass
from workers.catalog.techniques import TECHNIQUES

THERE = Nominal("a card", 1e3, {"float32": 1e4, "bfloat16": 2e4})
PEAK, BANDWIDTH = 200.0, 15.0
"""Of the measured device, for working sets beyond its cache."""
LARGE = 1 << 40
"""Bytes that lie beyond every cache."""


def test_the_measured_device_is_what_the_answers_below_take_it_for() -> None:
    assert (MEASURED.peak("float32"), MEASURED.bandwidth(LARGE)) == (PEAK, BANDWIDTH)


def test_a_step_bound_by_bandwidth_keeps_the_share_of_its_roof() -> None:
    seconds = 2 * LARGE / BANDWIDTH
    found = what_if.estimate(Work(1.0, LARGE, seconds, "float32", "bandwidth"), MEASURED, THERE)
    assert found.reached == pytest.approx(0.5)
    assert found.low == pytest.approx(LARGE / 1e3)
    assert found.high == pytest.approx(2 * LARGE / 1e3)
    assert (found.binds, found.host) == ("bandwidth", None)


def test_another_roof_may_bind_there() -> None:
    work = Work(1e15, LARGE, 1e13, "bfloat16", None)
    found = what_if.estimate(work, None, Nominal("slow at products", 1e12, {"bfloat16": 1e6}))
    assert (found.binds, found.high) == ("compute", None)
    assert found.low == pytest.approx(1e9)


def test_seconds_of_the_host_are_kept_where_overhead_binds() -> None:
    roof = 1e6 / PEAK
    found = what_if.estimate(Work(1e6, 1.0, 10 * roof, "float32", "overhead"), MEASURED, THERE)
    assert found.host == pytest.approx(9 * roof)
    assert found.high == pytest.approx(9 * roof + 1e6 / 1e4)
    assert found.low == pytest.approx(1e6 / 1e4)


def test_without_a_peak_for_the_format_nothing_is_claimed() -> None:
    with pytest.raises(NoEstimate, match="the datasheet of a card has no peak in int8"):
        what_if.estimate(Work(1.0, 1.0, 1.0, "int8", None), MEASURED, THERE)


def test_without_ceilings_here_only_the_least_is_known() -> None:
    work = Work(1e6, 1.0, 1e6, "float32", "overhead")
    assert what_if.estimate(work, None, THERE).high is None
    no_peak_here = Work(1e6, 1.0, 1e6, "bfloat16", None)
    assert MEASURED.peak("bfloat16") is None
    assert what_if.estimate(no_peak_here, MEASURED, THERE).reached is None


@pytest.mark.parametrize(
    ("label", "dtype"),
    [
        ("as built", "float32"),
        ("precision bf16 + attention flash", "bfloat16"),
        ("precision tf32", "tf32"),
        ("precision fp32 + autocast fp16", "float16"),
        ("precision bf16 + int8_weight_only row", "bfloat16"),
        ("precision bf16 + nf4 fp16, double quantization", "float16"),
        ("precision bf16 + llm_int8 6.0", "int8"),
        ("torch_compile default, auto", "float32"),
    ],
)
def test_the_format_of_products_is_read_from_the_stack(label: str, dtype: str) -> None:
    assert what_if.product_format(label) == dtype


def test_every_label_of_the_catalogue_has_a_format_that_ceilings_know() -> None:
    for technique in TECHNIQUES:
        field = technique.model_json_schema()["properties"].get("dtype", {})
        for value in field.get("enum", [None]):
            label = technique(**({"dtype": value} if value else {})).label()
            assert what_if.product_format(label) in {"float32", "tf32", "bfloat16", "float16", "int8"}


def test_every_datasheet_is_offered_once_and_found() -> None:
    titles = [title for _, group in what_if.offered() for title in group]
    assert sorted(titles) == sorted([*(one.title for one in datasheets()), *(one.title for one in processors())])
    for title in titles:
        assert what_if.nominal(title).bandwidth > 0
    with pytest.raises(Invalid) as refused:
        what_if.nominal("H100 PCI")
    (problem,) = refused.value.problems
    assert "Did you mean 'H100 PCIe'?" in problem.message
    assert "A10" in problem.hint


sizes = some.floats(1.0, 1e15)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(sizes, sizes, some.floats(1e-6, 1e12), some.sampled_from([None, "overhead", "compute"]), some.floats(1.0, 1e4))
def test_a_range_holds_and_a_faster_device_never_takes_longer(
    operations: float, moved: float, seconds: float, binds: BottleneckClass | None, faster: float
) -> None:
    work = Work(operations, moved, seconds, "float32", binds)
    found = what_if.estimate(work, MEASURED, THERE)
    assert found.high is not None
    assert 0 < found.low <= found.high * (1 + 1e-12)
    better = what_if.estimate(work, MEASURED, Nominal("faster", 1e3 * faster, {"float32": 1e4 * faster}))
    assert better.high is not None
    assert better.low <= found.low * (1 + 1e-12)
    assert better.high <= found.high * (1 + 1e-12)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(sizes, some.floats(1.0, 1e6), some.sampled_from([None, "overhead"]))
def test_on_a_device_just_like_this_one_the_range_ends_at_what_was_measured(
    operations: float, times: float, binds: BottleneckClass | None
) -> None:
    seconds = times * max(operations / PEAK, LARGE / BANDWIDTH)
    alike = Nominal("alike", BANDWIDTH, {"float32": PEAK})
    found = what_if.estimate(Work(operations, LARGE, seconds, "float32", binds), MEASURED, alike)
    assert found.high == pytest.approx(seconds)
