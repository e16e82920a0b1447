"""Charts: pure figures with intervals and n, honest about what cannot be drawn, and safe with hostile names."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from app.charts import BY_NAME, CHARTS, effects, trade_off
from app.charts.chart import OUTCOMES, SYMBOLS, Chart, Choice, UnknownQuantity
from app.charts.drawing import draw
from app.comparison import compare
from tests import demo
from workers.catalog.report import Outcome
from workers.catalog.technique import Family

STATIC = Path(__file__).parents[3] / "static"
FULL = compare(*demo.rows(demo.order()))


def traces(chart: Chart, choice: Choice | None = None) -> list[dict[str, Any]]:
    drawn = draw(chart, FULL, choice or Choice())
    assert drawn.figure is not None
    data: list[dict[str, Any]] = drawn.figure["data"]
    return data


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_figure_is_plain_json_with_finite_numbers(chart: Chart) -> None:
    drawn = draw(chart, FULL, Choice())
    text = json.dumps(drawn.model_dump(), allow_nan=False)
    assert drawn.caption
    assert len(text) < 60_000


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_measured_point_has_an_interval(chart: Chart) -> None:
    for trace in traces(chart):
        if trace.get("name") in ("front", "no figures"):
            continue
        assert len(trace["error_x"]["array"]) == len(trace["x"])
        assert all(value >= 0 for value in (*trace["error_x"]["array"], *trace["error_x"]["arrayminus"]))
        assert all(re.search(r"n\u202f=\u202f\d|\d pairs", text) for text in trace["hovertext"])


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_queued_study_says_that_nothing_is_measured(chart: Chart) -> None:
    drawn = draw(chart, compare(*demo.rows(demo.order(), measured=False)), Choice())
    assert drawn.figure is None
    assert drawn.reason == "Nothing has been measured yet."


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_unknown_quantity_lists_the_known_ones(chart: Chart) -> None:
    with pytest.raises(UnknownQuantity) as refused:
        draw(chart, FULL, Choice(x="energy.per_token"))
    assert refused.value.field == "x"
    assert "latency@prefill" in refused.value.known


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_point_beyond_the_sweep_is_not_drawn(chart: Chart) -> None:
    drawn = draw(chart, FULL, Choice(point=9))
    assert drawn.figure is None
    assert drawn.reason is not None
    assert "1 points" in drawn.reason


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_hostile_names_stay_text(chart: Chart) -> None:
    order = demo.order(variants=[{"name": "<a href='x'>&amp;", "stack": [{"technique": "precision", "dtype": "bf16"}]}])
    drawn = draw(chart, compare(*demo.rows(order)), Choice())
    assert "<a" not in json.dumps(drawn.figure)


def test_failed_runs_stand_at_the_edge_with_their_outcome() -> None:
    strip = next(trace for trace in traces(trade_off.CHART) if trace["name"] == "no figures")
    assert [text.strip() for text in strip["text"]] == [
        "nf4 · not supported in convert",
        "llm.int8 · out of host memory in load",
    ]
    assert all(symbol.endswith("-open") for symbol in strip["marker"]["symbol"])


def test_many_failures_are_counted() -> None:
    variants = [{"name": "nf4", "stack": [{"technique": "nf4"}]}]
    study, runs, measurements, stored = demo.rows(demo.order(variants=variants))
    copies = []
    for number in range(9):
        copy = runs[1].model_copy(update={"id": f"copy {number}"})
        copies.append(copy)
    drawn = draw(trade_off.CHART, compare(study, [runs[0], *copies], measurements, stored), Choice())
    assert drawn.figure is not None
    strip = next(trace for trace in drawn.figure["data"] if trace["name"] == "no figures")
    assert len(strip["text"]) == trade_off.STRIP_ROWS
    assert strip["text"][-1].endswith("and 3 more")


def test_front_line_is_a_staircase_that_needs_a_direction() -> None:
    line = next(trace for trace in traces(trade_off.CHART) if trace["name"] == "front")
    steps = list(zip(line["x"], line["y"], strict=True))
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(steps))
    names = [trace["name"] for trace in traces(trade_off.CHART, Choice(y="model.parameters"))]
    assert "front" not in names


def test_knee_is_marked() -> None:
    variants = demo.order()["variants"][:3]
    order = demo.order(variants=[*variants, demo.order()["variants"][3], demo.order()["variants"][4]])
    drawn = draw(trade_off.CHART, compare(*demo.rows(order)), Choice(x="cold_start.first_call", y="latency"))
    assert drawn.figure is not None
    words = [note["text"] for note in drawn.figure["layout"]["annotations"]]
    assert ("Knee" in drawn.caption) == ("knee" in words)


def test_wide_ranges_get_a_logarithmic_axis() -> None:
    drawn = draw(trade_off.CHART, FULL, Choice(x="cold_start.first_call", y="latency"))
    assert drawn.figure is not None
    axis = drawn.figure["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert axis["range"][0] < math.log10(axis["tickvals"][0])


def test_effects_put_the_null_test_first_and_one_on_the_axis() -> None:
    drawn = draw(effects.CHART, FULL, Choice(x="latency"))
    assert drawn.figure is not None
    words = [note["text"] for note in drawn.figure["layout"]["annotations"]]
    assert words[0] == "fp32 · null test"
    low, high = drawn.figure["layout"]["xaxis"]["range"]
    assert low < 0 < high


def test_labels_avoid_each_other() -> None:
    assert trade_off.label_places([(0.5, 0.5, 4), (0.5, 0.52, 4)]) != ["top center", "top center"]


def test_every_family_and_outcome_has_its_mark() -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    page = (STATIC / "css" / "page.css").read_text()
    for family in (*get_args(Family), "baseline", "stack"):
        assert family in SYMBOLS
        assert f"--family-{family}:" in tokens
        assert f".fill-{family} " in page
    assert set(OUTCOMES) == set(get_args(Outcome))


def test_menu_of_charts_is_complete() -> None:
    assert set(BY_NAME) == {"trade_off", "effects"}
