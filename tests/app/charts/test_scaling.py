"""Scaling: lines over a swept field, and cross-overs at the length where they are known to be."""

import json

import pytest

from app.charts.chart import Choice, NotSwept
from app.charts.drawing import Drawing, draw
from app.charts.scaling import CHART, crossings
from app.study.comparison import Comparison
from tests.app.charts.handmade import over, read, run, study

LENGTHS = (128, 512, 2048)
TIME = "latency@prefill"


def swept(*, spread: float = 0.01, better_from: float = 512.0) -> Comparison:
    """The variant's time grows as the square root of the length, the baseline's with it; they are equal at a length."""
    runs = []
    for length in LENGTHS:
        baseline, ratio = 1e-4 * length, (better_from / length) ** 0.5
        here = {"sequence_length": length, "batch_size": 1}
        runs.append(run("fp32", readings={TIME: read(baseline)}, effects={TIME: over(1.0, spread)}, point=here))
        runs.append(
            run(
                "bf16",
                ("precision bf16",),
                readings={TIME: read(baseline * ratio)},
                effects={TIME: over(ratio, spread)},
                point=here,
            )
        )
    return study(runs)


def drawn(comparison: Comparison, **choice: object) -> Drawing:
    return draw(CHART, comparison, Choice(**choice))


def test_a_crossing_lies_where_the_power_laws_meet() -> None:
    figure = drawn(swept(better_from=800.0)).figure
    assert figure is not None
    mark = next(trace for trace in figure["data"] if trace["name"] == "cross-over")
    assert mark["x"] == [pytest.approx(800.0)]
    # On the variant's line, which at 800 is the baseline's 0.08 s.
    assert mark["y"] == [pytest.approx(80.0)]
    assert mark["marker"]["symbol"] == ["circle-x-open"]
    assert "better above" in drawn(swept(better_from=800.0)).caption


def test_a_measured_point_that_is_equal_is_the_crossing_itself() -> None:
    assert [one.at for one in crossings([(128, read(2.0)), (512, read(1.0)), (2048, read(0.5))])] == [
        pytest.approx(512)
    ]
    assert [one.at for one in crossings([(128, read(0.5)), (512, read(1.0)), (2048, read(2.0))])] == [
        pytest.approx(512)
    ]
    assert list(crossings([(128, read(2.0)), (512, read(1.0)), (2048, read(2.0))])) == []


def test_ratios_that_waver_around_one_cross_nothing() -> None:
    wavering = [(float(at), read(ratio, 0.01)) for at, ratio in ((1, 1.002), (2, 0.998), (4, 1.001), (8, 0.999))]
    assert list(crossings(wavering)) == []
    found = list(crossings([(0.5, read(1.5, 0.01)), *wavering, (16.0, read(0.7, 0.01))]))
    assert [(one.decided, one.rises) for one in found] == [(True, False)]
    assert 0.5 < found[0].low < 1.01 < 7.9 < found[0].high < 16


def test_intervals_give_the_crossing_a_range_or_leave_it_undecided() -> None:
    found = next(iter(crossings([(100, read(2.0, 0.1)), (400, read(0.5, 0.1))])))
    assert found.at == pytest.approx(200.0)
    assert (found.decided, found.rises) == (True, False)
    assert 100 < found.low < 200 < found.high < 400
    loose = next(iter(crossings([(100, read(1.02, 0.1)), (400, read(0.5, 0.1))])))
    assert (loose.decided, loose.low, loose.high) == (False, 100, 400)
    assert "undecided between 128 and 2,048" in drawn(swept(spread=1.0, better_from=800.0)).caption


def test_every_point_has_its_interval_and_wide_sweeps_are_logarithmic() -> None:
    figure = drawn(swept()).figure
    assert figure is not None
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines+markers"]
    assert [line["name"] for line in lines] == ["fp32", "bf16"]
    assert all(len(line["error_y"]["array"]) == len(line["x"]) == 3 for line in lines)
    assert all("n\u202f=\u202f40" in text for line in lines for text in line["hovertext"])
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["ticktext"] == ["128", "512", "2,048"]
    json.dumps(drawn(swept()).model_dump(), allow_nan=False)


def test_other_swept_fields_are_held_at_the_chosen_point() -> None:
    runs = [
        run(
            name,
            parts,
            readings={TIME: read(1e-3 * length * batch)},
            point={"sequence_length": length, "batch_size": batch},
        )
        for length in LENGTHS
        for batch in (1, 8)
        for name, parts in (("fp32", ()), ("bf16", ("precision bf16",)))
    ]
    eight = drawn(study(runs), point=1, x="latency")
    assert eight.figure is not None
    assert eight.figure["data"][0]["y"] == pytest.approx([1.024, 4.096, 16.384])
    assert "At batch size 8." in eight.caption
    batches = drawn(study(runs), over="batch_size", x="latency").figure
    assert batches is not None
    assert batches["data"][0]["x"] == [1, 8]


def test_without_a_sweep_it_says_what_to_order_and_an_unswept_field_is_refused() -> None:
    single = study(
        [run("fp32", readings={TIME: read(1.0)}), run("bf16", ("precision bf16",), readings={TIME: read(0.5)})]
    )
    assert "Sweep a field" in (drawn(single, x="latency").reason or "")
    with pytest.raises(NotSwept) as refused:
        drawn(swept(), over="batch_size")
    assert refused.value.known == ("sequence_length",)


def test_a_run_without_figures_is_named_with_its_outcome() -> None:
    found = swept()
    last = found.runs[-1].model_copy(update={"outcome": "oom_device", "outcome_phase": "measure", "readings": {}})
    told = drawn(found.model_copy(update={"runs": (*found.runs[:-1], last)}))
    assert "Without figures: bf16 (out of device memory in measure) at 2,048." in told.caption
