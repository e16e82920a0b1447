"""Charts: pure figures with intervals and n, honest about what cannot be drawn, and safe with hostile names."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from app.charts import (
    BY_NAME,
    CHARTS,
    RUN_CHART_BY_NAME,
    RUN_CHARTS,
    TABS,
    anatomy,
    effects,
    memory_over_time,
    quality,
    trade_off,
    waterfall,
)
from app.charts.chart import SYMBOLS, Chart, Choice, RunChart, UnknownQuantity
from app.charts.drawing import draw, draw_run
from app.charts.strip import ROWS
from app.study.comparison import Comparison, compare
from app.study.outcomes import OUTCOMES
from app.study.sittings import PARTS, Series, sitting
from tests import demo
from workers.catalog.report import Outcome
from workers.catalog.technique import Family

STATIC = Path(__file__).parents[3] / "static"
FULL = compare(*demo.rows(demo.order()))


AXES = (trade_off.CHART, effects.CHART)
"""Charts with quantities to pick."""
PLAIN = [chart for chart in CHARTS if isinstance(chart, Chart)]
"""Charts that need nothing but the comparison."""
SHOWN = (trade_off.CHART, effects.CHART, anatomy.CHART, waterfall.CHART, quality.CHART)
"""Charts that the full study can fill."""


def traces(chart: Chart, choice: Choice | None = None) -> list[dict[str, Any]]:
    drawn = draw(chart, FULL, choice or Choice())
    assert drawn.figure is not None
    data: list[dict[str, Any]] = drawn.figure["data"]
    return data


@pytest.mark.parametrize("chart", SHOWN, ids=lambda chart: chart.name)
def test_figure_is_plain_json_with_finite_numbers(chart: Chart) -> None:
    drawn = draw(chart, FULL, Choice())
    text = json.dumps(drawn.model_dump(), allow_nan=False)
    assert drawn.caption
    assert len(text) < 60_000


@pytest.mark.parametrize("chart", AXES, ids=lambda chart: chart.name)
def test_every_measured_point_has_an_interval(chart: Chart) -> None:
    for trace in traces(chart):
        if trace.get("name") in ("front", "no figures"):
            continue
        assert len(trace["error_x"]["array"]) == len(trace["x"])
        assert all(value >= 0 for value in (*trace["error_x"]["array"], *trace["error_x"]["arrayminus"]))
        assert all(re.search(r"n\u202f=\u202f\d|\d pairs", text) for text in trace["hovertext"])


@pytest.mark.parametrize("chart", PLAIN, ids=lambda chart: chart.name)
def test_queued_study_says_that_nothing_is_measured(chart: Chart) -> None:
    drawn = draw(chart, compare(*demo.rows(demo.order(), measured=False)), Choice())
    assert drawn.figure is None
    assert drawn.reason == "Nothing has been measured yet."


@pytest.mark.parametrize("chart", AXES, ids=lambda chart: chart.name)
def test_unknown_quantity_lists_the_known_ones(chart: Chart) -> None:
    with pytest.raises(UnknownQuantity) as refused:
        draw(chart, FULL, Choice(x="energy.per_token"))
    assert refused.value.field == "x"
    assert "latency@prefill" in refused.value.known


@pytest.mark.parametrize("chart", PLAIN, ids=lambda chart: chart.name)
def test_point_beyond_the_sweep_is_not_drawn(chart: Chart) -> None:
    drawn = draw(chart, FULL, Choice(point=9))
    assert drawn.figure is None
    assert drawn.reason is not None
    assert "1 point;" in drawn.reason


@pytest.mark.parametrize("chart", PLAIN, ids=lambda chart: chart.name)
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
    assert len(strip["text"]) == ROWS
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


def test_every_family_and_outcome_has_its_mark() -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    page = (STATIC / "css" / "page.css").read_text()
    for family in (*get_args(Family), "baseline", "stack"):
        assert family in SYMBOLS
        assert f"--family-{family}:" in tokens
        assert f".fill-{family} " in page
    assert set(OUTCOMES) == set(get_args(Outcome))


def test_menus_of_charts_are_complete() -> None:
    assert set(BY_NAME) == {
        "trade_off",
        "effects",
        "interactions",
        "distribution",
        "anatomy",
        "waterfall",
        "scaling",
        "roofline",
        "energy",
        "quality",
    }
    assert {chart.tab for chart in CHARTS} == set(TABS)
    assert set(RUN_CHART_BY_NAME) == {"samples", "training_loss", "anatomy", "memory_over_time"}


def test_trade_off_opens_with_ratios() -> None:
    drawn = draw(trade_off.CHART, FULL, Choice())
    assert drawn.scale == "ratio"
    assert drawn.figure is not None
    assert "× baseline" in drawn.figure["layout"]["xaxis"]["title"]["text"]


def test_trade_off_without_ratios_shows_values() -> None:
    assert draw(trade_off.CHART, FULL, Choice(y="quality.kl_divergence")).scale == "measured"
    refused = draw(trade_off.CHART, FULL, Choice(y="quality.kl_divergence", scale="ratio"))
    assert refused.figure is None
    assert refused.reason is not None
    assert "as measured" in refused.reason


def fallen(variant: str) -> Comparison:
    """The study with a variant that fell back."""
    study, runs, measurements, stored = demo.rows(demo.order())
    next(run for run in runs if run.variant == variant).ran = "fell_back"
    return compare(study, runs, measurements, stored)


def test_what_fell_back_is_not_on_the_front() -> None:
    before, after = (draw(trade_off.CHART, found, Choice()) for found in (FULL, fallen("bf16 + flash + compile")))
    assert "bf16 + flash + compile" in before.caption.partition(".")[0]
    assert "bf16 + flash + compile" not in after.caption.partition(".")[0]
    assert "Hollow, because something else ran than was asked: bf16 + flash + compile." in after.caption
    assert after.figure is not None
    stack = next(trace for trace in after.figure["data"] if trace["name"] == "stack")
    assert stack["marker"]["symbol"] == ["star-open"]
    assert "ran fell back" in stack["hovertext"][0]


def test_hover_says_what_ran() -> None:
    drawn = draw(trade_off.CHART, FULL, Choice())
    assert drawn.figure is not None
    words = {run["name"]: run["hovertext"] for run in drawn.figure["data"] if "hovertext" in run}
    assert all("ran as asked" in text for text in words["precision"])
    assert all("ran emulated" in text for text in words["quantization"])


def elsewhere() -> Comparison:
    """The study with one run on another processor."""
    study, runs, measurements, stored = demo.rows(demo.order())
    for run in runs:
        run.environment_id = "b" if run.variant == "compile" else "a"
    return compare(study, runs, measurements, stored, {"a": {"cpu.model": "EPYC"}, "b": {"cpu.model": "Xeon"}})


def test_values_across_environments_need_an_explicit_act() -> None:
    mixed = elsewhere()
    assert draw(trade_off.CHART, mixed, Choice()).scale == "ratio"
    refused = draw(trade_off.CHART, mixed, Choice(scale="measured"))
    assert refused.figure is None
    assert refused.reason is not None
    assert "environments that differ" in refused.reason
    assert draw(trade_off.CHART, mixed, Choice(y="quality.kl_divergence")).figure is None
    asked = draw(trade_off.CHART, mixed, Choice(scale="measured", across_environments=True))
    assert asked.scale == "measured"
    assert "Across environments that differ in cpu.model" in asked.caption


def test_anatomy_stacks_every_part_of_every_variant() -> None:
    drawn = draw(anatomy.CHART, FULL, Choice())
    assert drawn.figure is not None
    assert drawn.parts == ("weights", "activations", "temporary", "other")
    bars = drawn.figure["data"]
    assert {len(bar["x"]) for bar in bars} == {6}
    bf16 = FULL.runs[1].readings["memory.peak_allocated@prefill"].value / 2**20
    assert sum(bar["x"][1] for bar in bars) == pytest.approx(bf16, rel=0.05)
    tokens = (STATIC / "css" / "tokens.css").read_text()
    page = (STATIC / "css" / "page.css").read_text()
    for part in PARTS:
        assert f"--part-{part}:" in tokens
        assert f".fill-{part} " in page


def test_anatomy_of_a_run_has_a_bar_for_each_arm() -> None:
    drawn = draw_run(anatomy.RUN_CHART, sitting(FULL, FULL.runs[1]))
    assert drawn.figure is not None
    names = [words["text"] for words in drawn.figure["layout"]["annotations"] if words["x"] == 0]
    assert names == ["fp32", "bf16"]


@pytest.mark.parametrize("chart", RUN_CHARTS, ids=lambda chart: chart.name)
def test_a_run_without_figures_says_so(chart: RunChart) -> None:
    failed = next(run for run in FULL.runs if run.failed)
    drawn = draw_run(chart, sitting(FULL, failed))
    assert drawn.figure is None
    assert drawn.reason


def test_memory_over_time_keeps_its_peak() -> None:
    at = tuple(step / 1000 for step in range(20_000))
    values = tuple(9e9 if step == 13_577 else 1e9 + step for step in range(20_000))
    series = Series(metric="memory.allocated", phase="prefill", arm="variant", at_s=at, values=values)
    drawn = draw_run(memory_over_time.RUN_CHART, sitting(FULL, FULL.runs[1], (series,)))
    assert drawn.figure is not None
    line = drawn.figure["data"][0]
    assert len(line["x"]) <= memory_over_time.MOST + 2
    assert max(line["y"]) == pytest.approx(9e9 / 2**30)
    assert line["x"] == sorted(line["x"])
    assert (line["x"][0], line["x"][-1]) == (at[0], at[-1])
    assert "8.38" in drawn.caption
