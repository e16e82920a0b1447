"""Waterfall: the longest ladder of growing stacks, down to a budget, with quality beside each step."""

import json

import pytest

from app.charts.chart import Choice
from app.charts.drawing import draw
from app.charts.waterfall import CHART, ladder
from app.study.comparison import Comparison
from tests.app.charts.handmade import read, run, study

PEAK, LOSS = "memory.peak_allocated@prefill", "quality.perplexity@quality"
GIB = 2.0**30


def descending() -> Comparison:
    stacks = {(): 48.0, ("bf16",): 24.0, ("flash",): 40.0, ("bf16", "flash"): 20.0, ("bf16", "flash", "int8"): 7.5}
    return study(
        run(
            " + ".join(found) or "fp32",
            found,
            readings={PEAK: read(size * GIB, n=1), LOSS: read(10.0 + index, 0.01)},
        )
        for index, (found, size) in enumerate(stacks.items())
    )


def test_each_step_contains_the_one_before() -> None:
    assert [one.variant for one in ladder(descending().runs[1:])] == ["bf16", "bf16 + flash", "bf16 + flash + int8"]


def test_bars_go_down_to_the_first_step_that_fits() -> None:
    drawn = draw(CHART, descending(), Choice(budget=21 * GIB))
    assert drawn.figure is not None
    held, change = drawn.figure["data"]
    assert held["x"] == pytest.approx([48, 24, 20, 7.5])
    assert [base + size for base, size in zip(change["base"], change["x"], strict=True)] == pytest.approx([48, 24, 20])
    assert held["marker"]["opacity"] == [0.55, 0.55, 1.0, 1.0]
    line = drawn.figure["layout"]["shapes"][0]
    assert line["x0"] == pytest.approx(21)
    assert "bf16 + flash is the first step that fits" in drawn.caption
    assert drawn.table is not None
    assert drawn.table.rows[2][0] == "+ flash"
    assert drawn.table.rows[2][4].startswith("13.0 (12.9–13.1)"), "quality stands beside each step"
    assert drawn.table.rows[1][5] == "over by 3.00\u202fGiB"
    json.dumps(drawn.model_dump(), allow_nan=False)


def test_a_step_that_takes_more_is_drawn_the_other_way() -> None:
    found = descending()
    grown = found.runs[3].model_copy(update={"readings": {PEAK: read(30 * GIB, n=1)}})
    drawn = draw(CHART, found.model_copy(update={"runs": (*found.runs[:3], grown, found.runs[4])}), Choice())
    assert drawn.figure is not None
    change = drawn.figure["data"][1]
    assert change["marker"]["line"]["color"] == ["var(--good)", "var(--bad)", "var(--good)"]
    assert change["x"][1] == pytest.approx(-6)


def test_without_a_ladder_it_says_which_study_gives_one() -> None:
    found = descending()
    drawn = draw(CHART, found.model_copy(update={"runs": found.runs[:3]}), Choice())
    assert drawn.figure is None
    assert "variants whose stacks grow" in (drawn.reason or "")


def test_what_failed_or_fell_back_is_no_step() -> None:
    found = descending()
    fallen = found.runs[3].model_copy(update={"ran": "fell_back"})
    failed = found.runs[4].model_copy(update={"outcome": "oom_device", "outcome_phase": "load", "readings": {}})
    assert draw(CHART, found.model_copy(update={"runs": (*found.runs[:3], fallen, failed)}), Choice()).figure is None
    kept = found.model_copy(update={"runs": (*found.runs[:3], fallen, found.runs[4])})
    assert draw(CHART, kept, Choice()).table is not None


def test_time_is_no_memory() -> None:
    found = descending()
    timed = found.runs[0].model_copy(update={"readings": found.runs[0].readings | {"latency@prefill": read(1.0)}})
    drawn = draw(CHART, study([timed, *found.runs[1:]]), Choice(x="latency"))
    assert drawn.reason == "Latency is no amount of memory."
