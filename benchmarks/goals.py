"""The goals of the dashboard, by part of the benchmark, and the table that holds what was found beside them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

EMPTY = "empty"
SMALL, MIDDLE, LARGE = 1_000, 10_000, 100_000
ON_POSTGRESQL = " on PostgreSQL"


def part(size: int, store: str = "") -> str:
    """The part of the benchmark that has so many results."""
    return f"{size:,}{store}"


class Goal(NamedTuple):
    """One figure and what it should be at most."""

    row: str
    """Number of the goal, the same for all of one kind."""
    name: str
    """Of the figure; every part and every dashboard has it by this name."""
    part: str
    what: str
    most: float | None
    """None where there is no goal, only other dashboards' figures beside it."""
    unit: str
    """``s``, ``B``, or what is counted."""


class Figure(NamedTuple):
    """What was found."""

    value: float | None
    """None where it did not come while anybody would have waited."""
    of: str = ""
    """Which page or question it is of, where it is the worst of several."""


Figures = dict[str, Figure]
"""By name."""


def _sized(row: str, name: str, what: str, unit: str, most: Mapping[str, float | None]) -> tuple[Goal, ...]:
    """The same figure in several parts."""
    return tuple(Goal(row, name, where, f"{what}, {where}", limit, unit) for where, limit in most.items())


_POSTGRESQL = part(LARGE, ON_POSTGRESQL)
GOALS: tuple[Goal, ...] = (
    Goal("1", "plain_bytes", part(MIDDLE), "page without charts, largest", 80e3, "B"),
    Goal("1", "plain_requests", part(MIDDLE), "page without charts, most requests", 8, "requests"),
    Goal("2", "chart_bytes", part(MIDDLE), "Explore, from an empty cache", 600e3, "B"),
    Goal("3", "first_paint", part(MIDDLE), "first paint of Explore, rows in it", 0.4, "s"),
    Goal("3", "slowest_paint", part(MIDDLE), "first paint of any page", 0.4, "s"),
    *_sized(
        "4",
        "usable",
        "Explore, chart usable",
        "s",
        {part(SMALL): 0.9, part(MIDDLE): 1.2, part(LARGE): 2.0, _POSTGRESQL: 2.0},
    ),
    Goal("5", "table_blocking", part(MIDDLE), "blocking, page with a table", 0.06, "s"),
    Goal("5", "chart_blocking", part(MIDDLE), "blocking, Explore", 0.45, "s"),
    Goal("6", "shift", part(MIDDLE), "layout shift, most of any page", 0.05, "shift"),
    *_sized(
        "7", "slider", "slider to redrawn front, p95", "s", {part(MIDDLE): 0.1, part(LARGE): 0.3, _POSTGRESQL: 0.3}
    ),
    Goal("8", "brush", part(MIDDLE), "brush to table, 5,000 lines, p95", 0.25, "s"),
    *_sized(
        "9",
        "list",
        "filter, sort, 50 rows, p95",
        "s",
        {part(SMALL): None, part(MIDDLE): 0.025, part(LARGE): 0.04, _POSTGRESQL: 0.04},
    ),
    *_sized("10", "facets", "counts of all filters, p95", "s", {part(LARGE): 0.08, _POSTGRESQL: 0.08}),
    *_sized("11", "points", "points, front of three figures, p95", "s", {part(LARGE): 0.15, _POSTGRESQL: 0.15}),
    Goal("15", "start", EMPTY, "server start", 1.5, "s"),
    Goal("15", "idle_memory", EMPTY, "memory, idle", 150e6, "B"),
    *_sized(
        "15", "memory", "memory after all questions", "B", {part(MIDDLE): None, part(LARGE): 250e6, _POSTGRESQL: 250e6}
    ),
    Goal("18", "rules", part(MIDDLE), "accessibility rules broken, all pages, both themes", 0, "rules"),
    Goal("19", "address", part(MIDDLE), "address of a full view", 300, "characters"),
    Goal("19", "differences", part(MIDDLE), "front or pixels that differ for its next reader", 0, "differences"),
    Goal("20", "elsewhere", part(MIDDLE), "requests to elsewhere, all pages", 0, "requests"),
    Goal("20", "refusals", part(MIDDLE), "refusals by the security policy, all pages", 0, "refusals"),
)
WIDTHS = (5, 68, 14, 16, 9, 6)
PEER_WIDTH = 20


class Found(NamedTuple):
    """A goal beside what was found."""

    goal: Goal
    figure: Figure

    @property
    def met(self) -> bool:
        """Whether the goal was reached; what has none is never missed."""
        most = self.goal.most
        return most is None or (self.figure.value is not None and self.figure.value <= most)


def found(parts: Mapping[str, Figures]) -> list[Found]:
    """The goals that parts of the benchmark have figures for, in the goals' order."""
    return [Found(goal, parts[goal.part][goal.name]) for goal in GOALS if goal.name in parts.get(goal.part, {})]


def told(value: float | None, unit: str) -> str:
    """A figure or a goal in words."""
    if value is None:
        return "gave up"
    if unit == "s":
        return f"{value:,.1f} s" if value >= 10 else f"{value * 1e3:,.0f} ms"
    if unit == "B":
        return f"{value / 1e6:,.1f} MB" if value >= 1e6 else f"{value / 1e3:,.0f} kB"
    return f"{value:,.3f}" if unit == "shift" else f"{value:,.0f} {unit}"


def table(
    parts: Mapping[str, Figures], loads: Mapping[str, float], peers: Mapping[str, Mapping[str, Figures]]
) -> Iterator[str]:
    """Lines of the table: goal, figure, what was found, its limit, whether it was met, and other dashboards' figures.

    Args:
        parts: what was found, by part of the benchmark.
        loads: load average of the machine before each part.
        peers: the same of other dashboards, by their name.
    """
    yield _line(["goal", "figure", "found", "at most", "", "load", *peers])
    for goal in GOALS:
        own = parts.get(goal.part, {}).get(goal.name)
        others = [figures.get(goal.part, {}).get(goal.name) for figures in peers.values()]
        if own is None and not any(others):
            continue
        what, verdict = goal.what, ""
        if own is not None:
            what = f"{goal.what} ({own.of})" if own.of else goal.what
            verdict = "" if goal.most is None else "met" if Found(goal, own).met else "MISSED"
        load = f"{loads[goal.part]:.1f}" if own is not None else ""
        limit = "–" if goal.most is None else told(goal.most, goal.unit)
        cells = ["–" if one is None else told(one.value, goal.unit) for one in (own, *others)]
        yield _line([goal.row, what, cells[0], limit, verdict, load, *cells[1:]])


def as_json(rows: list[Found]) -> list[dict[str, Any]]:
    """The goals with what was found."""
    return [one.goal._asdict() | one.figure._asdict() | {"met": one.met} for one in rows]


def _line(cells: list[str]) -> str:
    widths = [*WIDTHS, *[PEER_WIDTH] * (len(cells) - len(WIDTHS))]
    left = {0, 1}
    padded = (
        cell.ljust(width) if place in left else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "".join(padded).rstrip()
