"""The goals' table shows what was found, what was missed and other dashboards' figures, and leaves nothing out."""

from typing import Any

from benchmarks import explored
from benchmarks.goals import EMPTY, GOALS, LARGE, MIDDLE, Figure, found, part, table, told
from benchmarks.parts import from_answers, from_pages

ELSEWHERE = {"slider", "brush", "rules", "address", "differences", "start", "idle_memory", "memory"}
"""Figures that stand by themselves."""


def load(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"bytes": 50_000, "requests": 5, "first_paint_s": 0.2, "blocking_s": 0.01, "shift": 0.0}
    return plain | {"rows": 50, "external": [], "violations": []} | changes


def loads() -> dict[str, Any]:
    pages = {name: load() for name in explored.PLAIN_PAGES}
    return pages | {"explore": load(bytes=500_000, usable_s=1.0)}


def answers() -> dict[str, Any]:
    names = ("list", "list of a technique", "facets", "points of two", "points of three")
    return {name: {"alone": {"p95": 0.01 * place}} for place, name in enumerate(names, start=1)}


def test_every_goal_is_about_a_figure_that_is_made() -> None:
    assert {goal.name for goal in GOALS} == {*from_pages(loads()), *from_answers(answers()), *ELSEWHERE}


def test_the_worst_page_and_the_slowest_list_count() -> None:
    pages = loads() | {"coverage": load(bytes=90_000, requests=3, shift=0.2)}
    pages["workers"] = load(external=["https://elsewhere.test/a"], violations=["script-src"])
    figures = from_pages(pages) | from_answers(answers())
    assert figures["plain_bytes"] == Figure(90_000, "coverage")
    assert figures["shift"] == Figure(0.2, "coverage")
    assert figures["plain_requests"].value == 5
    assert (figures["elsewhere"].value, figures["refusals"].value) == (1, 1)
    assert figures["list"] == Figure(0.02, "list of a technique")
    assert figures["points"] == Figure(0.05)
    assert "plain_bytes" not in from_pages({"explore": pages["explore"]})


def test_a_figure_at_its_goal_meets_it_and_one_that_never_came_does_not() -> None:
    figures = {"usable": Figure(1.2), "slider": Figure(0.101), "brush": Figure(None)}
    rows = {one.goal.name: one.met for one in found({part(MIDDLE): figures})}
    assert rows == {"usable": True, "slider": False, "brush": False}


def test_a_figure_without_a_goal_is_never_missed() -> None:
    assert [one.met for one in found({part(MIDDLE): {"memory": Figure(9e9)}})] == [True]


def test_the_table_has_other_dashboards_beside_ours() -> None:
    parts = {EMPTY: {"start": Figure(1.0)}, part(LARGE): {"list": Figure(0.05, "list")}}
    peers = {
        "MLflow": {part(MIDDLE): {"list": Figure(2.9)}, EMPTY: {"start": Figure(7.5)}},
        "optuna-dashboard": {part(MIDDLE): {"usable": Figure(None)}},
    }
    lines = list(table(parts, {EMPTY: 0.3, part(LARGE): 1.7}, peers))
    words = [line.split() for line in lines]
    assert words[0][-2:] == ["MLflow", "optuna-dashboard"]
    usable, middle, large, start = words[1:]
    assert usable[0] == "4"
    assert " ".join(usable).endswith("10,000 – 1,200 ms – gave up")
    assert " ".join(middle).endswith("10,000 – 25 ms 2,900 ms –")
    assert " ".join(large).endswith("100,000 (list) 50 ms 40 ms MISSED 1.7 – –")
    assert " ".join(start).endswith("server start 1,000 ms 1,500 ms met 0.3 7,500 ms –")
    assert len({len(line) for line in lines if line.endswith("–")}) == 1


def test_figures_are_told_in_the_unit_that_reads_best() -> None:
    assert [told(value, "s") for value in (0.0304, 56.2, None)] == ["30 ms", "56.2 s", "gave up"]
    assert [told(value, "B") for value in (79_600, 39_000_000)] == ["80 kB", "39.0 MB"]
    assert (told(0.0312, "shift"), told(8, "requests")) == ("0.031", "8 requests")
