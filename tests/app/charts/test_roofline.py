"""Roofline: points below measured roofs, the ridge where they meet, and points alone where nothing was measured."""

import json
import math

import pytest

from app.charts.chart import Choice, Figure, NotDrawn
from app.charts.roofline import figure
from app.errors import Invalid
from app.study.comparison import Comparison
from tests.app.charts.handmade import read, run, study
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.report import Bottleneck, BottleneckClass

BOUND = Bottleneck(arm="variant", phase="prefill", kind="bandwidth", headroom=1.7, sentence="Moving bytes binds.")


def counted() -> Comparison:
    return study(
        run(
            name,
            parts,
            readings={
                "compute.intensity@prefill": read(4.0, n=1),
                "compute.intensity.compulsory@prefill": read(9.0, n=1),
                "compute.rate@prefill": read(rate, 0.05),
                "compute.mbu@prefill": read(0.59, 0.05),
            },
            bottlenecks=(BOUND,) if parts else (),
        )
        for name, parts, rate in (("fp32", (), 30.0), ("bf16", ("precision bf16",), 45.0))
    )


def test_roofs_meet_where_the_peak_over_the_bandwidth_is() -> None:
    found = counted()
    drawn = figure(found, Choice(), {one.run: MEASURED for one in found.runs})
    roofs = [trace for trace in drawn["data"] if trace["mode"] == "lines"]
    assert [roof["name"] for roof in roofs] == [
        "memory 15.0\u202fB/s",
        "cache 60.0\u202fB/s",
        "float32 200\u202fFLOP/s",
    ]
    slope, cache, level = roofs
    assert slope["x"][1] == pytest.approx(200 / 15)
    assert slope["y"][1] == pytest.approx(200.0)
    assert slope["y"][0] == pytest.approx(slope["x"][0] * 15)
    assert level["x"][0] == pytest.approx(200 / 60) == cache["x"][1]
    low, high = drawn["layout"]["xaxis"]["range"]
    assert low < math.log10(4.0) < math.log10(200 / 15) < high


def test_a_point_says_what_binds_and_how_far_it_is_below() -> None:
    found = counted()
    drawn = figure(found, Choice(), {one.run: MEASURED for one in found.runs})
    point = next(trace for trace in drawn["data"] if trace.get("text") == ["bf16"])
    assert (point["x"], point["y"]) == ([4.0], [45.0])
    assert point["error_x"]["array"] == [5.0]
    assert point["error_y"]["array"] == [pytest.approx(2.25)]
    for words in ("memory bandwidth binds, headroom ×1.70", "Bandwidth utilisation: 59%", "n\u202f=\u202f40"):
        assert words in point["hovertext"][0]
    assert "Roofs: measured on a processor at 2026-01-01" in drawn["layout"]["meta"]["caption"]
    json.dumps(drawn, allow_nan=False)


def test_without_ceilings_points_stand_alone_and_it_is_said() -> None:
    drawn = figure(counted(), Choice(), {})
    assert all(trace["mode"] == "markers+text" for trace in drawn["data"])
    assert "No ceilings were measured for this device" in drawn["layout"]["meta"]["caption"]


def test_runs_of_another_device_are_named() -> None:
    found = counted()
    drawn = figure(found, Choice(), {found.runs[0].run: MEASURED})
    assert "not of the device that measured bf16" in drawn["layout"]["meta"]["caption"]


def test_without_counted_work_there_is_no_point() -> None:
    bare = study([run("fp32", readings={"latency@prefill": read(1.0)})])
    with pytest.raises(NotDrawn, match="No run counted both"):
        figure(bare, Choice(), {})


def with_work(kind: BottleneckClass = "bandwidth") -> Comparison:
    """Variants whose work was counted: 400 operations over 100 bytes at least, at 40 operations a second."""
    return study(
        run(
            name,
            parts,
            readings={
                "compute.intensity@prefill": read(2.0, n=1),
                "compute.intensity.compulsory@prefill": read(4.0, n=1),
                "compute.rate@prefill": read(40.0),
                "compute.flops@prefill": read(400.0, n=1),
                "compute.traffic.compulsory@prefill": read(100.0, n=1),
            },
            label=label,
            bottlenecks=(BOUND.model_copy(update={"kind": kind}),) if parts else (),
        )
        for name, parts, label in (
            ("fp32", (), "precision fp32"),
            ("int8", ("llm_int8 6.0",), "precision bf16 + llm_int8 6.0"),
            ("tf32", ("precision tf32",), "precision tf32"),
        )
    )


def column(drawn: Figure) -> dict[str, str]:
    held = drawn["layout"]["meta"]["table"]
    assert held["columns"][-1] == "Time on Instinct MI250X (estimate, not measured)"
    return {row[0]: row[-1] for row in held["rows"]}


def test_what_if_draws_estimates_apart_and_says_what_they_are() -> None:
    found = with_work()
    drawn = figure(found, Choice(what_if="Instinct MI250X"), {one.run: MEASURED for one in found.runs})
    dotted = [trace for trace in drawn["data"] if trace.get("line", {}).get("dash") == "dot"]
    assert [trace["name"] for trace in dotted if trace["mode"] == "lines"] == [
        "memory 1.64\u202fTB/s",
        "float32 23.9\u202fTFLOP/s, datasheet",
        "int8 192\u202fTFLOP/s, datasheet",
    ]
    estimates = [trace for trace in dotted if trace["mode"] == "lines+markers"]
    assert [trace["marker"]["symbol"] for trace in estimates] == ["circle-open", "square-open"]
    assert all("estimate, not measured" in text for trace in estimates for text in trace["hovertext"])
    # There 100 bytes at 1.6385 TB/s bind; here 400 operations at 200 a second, which is a fifth of 10 s.
    (slow, fast), (low, high) = estimates[0]["y"], drawn["layout"]["yaxis"]["range"]
    assert fast / slow == pytest.approx(5.0)
    assert low < math.log10(slow) < math.log10(fast) < high
    words = column(drawn)
    assert words["fp32"].startswith("0.0610\u202fns to 0.305\u202fns; its roof there is memory bandwidth")
    assert words["tf32"] == "no estimate: the datasheet of Instinct MI250X has no peak in tf32"
    assert words["int8"].startswith("at least 0.0610\u202fns"), "no int8 was measured here"
    assert "not measured. Its roofs are its datasheet's" in drawn["layout"]["meta"]["caption"]
    json.dumps(drawn, allow_nan=False)


def test_what_if_keeps_the_hosts_seconds_where_overhead_binds() -> None:
    found = with_work("overhead")
    bound = [one.model_copy(update={"label": "precision fp32"}) for one in found.runs]
    drawn = figure(
        found.model_copy(update={"runs": tuple(bound)}),
        Choice(what_if="Instinct MI250X"),
        {one.run: MEASURED for one in bound},
    )
    assert "overhead binds here: the 8.00\u202fs beyond its roof are the host's" in column(drawn)["tf32"]


def test_what_was_not_counted_gets_no_estimate_and_an_unknown_device_is_refused() -> None:
    found = counted()
    measured = {one.run: MEASURED for one in found.runs}
    drawn = figure(found, Choice(what_if="Instinct MI250X"), measured)
    assert column(drawn)["bf16"].startswith("no estimate: its operations")
    with pytest.raises(Invalid, match="what_if"):
        figure(found, Choice(what_if="Abacus"), measured)
    assert len(figure(found, Choice(), measured)["layout"]["meta"]["table"]["columns"]) == 6
