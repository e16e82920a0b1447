"""Roofline: points below measured roofs, the ridge where they meet, and points alone where nothing was measured."""

import json
import math

import pytest

from app.charts.chart import Choice, NotDrawn
from app.charts.roofline import figure
from app.study.comparison import Comparison
from tests.app.charts.handmade import read, run, study
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.report import Bottleneck

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
    assert "Roofs: measured on a processor at 2026-01-01." in drawn["layout"]["meta"]["caption"]
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
