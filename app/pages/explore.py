"""Explore: every result of the team, with filters, limits, a plane with its front, parallel coordinates and a table.

Everything a reader picked stands in the address. The scripts ask for the page again and put its parts in place; what is
drawn comes as columns from ``/api/v1/explore/points``.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.charts.chart import SYMBOLS
from app.charts.units import THIN, between, readable, times
from app.charts.zoom import range_problem
from app.errors import Invalid
from app.pages.exploring import Address, limit_rows
from app.pages.outcomes import outcome
from app.pages.rendering import page
from app.pages.session import Reading
from app.results import exploration, facets, plane
from app.results.dependency import Results
from app.results.exploration import Explored
from app.results.figures import BY_WORD, FIGURES, Cell, Figure
from app.results.matching import Matched
from app.results.plane import Points
from app.results.selection import FACETS, GROUPS, PLAIN, RATIO, SIZES, Selection, read
from app.study.verdicts import Ratio
from app.team import views
from workers.catalog.declared import Problem

router = APIRouter()

ROWS = 50
FEWEST_AXES, MOST_AXES = 3, 8
MOST_COLUMNS = 8
USUAL_COLUMNS = 5
FAILED_SHOWN = 8
NAMED = 6
"""Points of the front that the caption names."""
COMPARED = 12
"""Rows that can be selected to be compared."""
EXTRAS = ("show", "axes", "tab", "xr", "yr", "cursor")
"""Names in the address that are about this page alone."""
TABS = {"scatter": "Trade-off", "parallel": "Parallel coordinates"}

TITLES = {**FACETS, **SIZES, "study": "Study", "environment": "Environment", "q": "Name has"}
"""Of filters."""


class View(NamedTuple):
    """What a reader sees of what was picked."""

    selection: Selection
    show: tuple[Figure, ...]
    """Figures that the table has columns of; empty for the usual ones."""
    axes: tuple[Figure, ...]
    """Of the parallel coordinates; empty for the usual ones."""
    tab: str
    zoom: dict[str, str]
    """Parts of the axes that are zoomed to, by name, as the address has them."""

    @property
    def address(self) -> Address:
        """The address that says this."""
        pairs = self.selection.pairs()
        for name, figures in (("show", self.show), ("axes", self.axes)):
            if figures:
                pairs.append((name, ",".join(figure.word for figure in figures)))
        if self.tab != "scatter":
            pairs.append(("tab", self.tab))
        return Address("/explore", (*pairs, *self.zoom.items()))


class Offer(NamedTuple):
    """One picked thing, and what there would be without it."""

    words: str
    without: str
    """Address."""
    left: int


class Shown(NamedTuple):
    """One figure of one result in words; what the table's cell holds."""

    value: str
    interval: str
    ratio: Ratio | None


class Row(NamedTuple):
    """One result of the table."""

    result: Explored
    group: str | None
    """Of the first row of a group, what it is grouped by."""
    cells: tuple[Shown | None, ...]
    outcome: str
    """In words."""


@router.get("/explore", response_class=HTMLResponse)
def explore(
    request: Request,
    session: Reading,
    table: Results,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> HTMLResponse:
    view = read_view(request.query_params.multi_items())
    selection = view.selection
    matched = Matched(table, selection)
    ranges = facets.ranges(matched)
    measured = [BY_WORD[word] for word in dict.fromkeys(one.figure for one in ranges)]
    shown = view.show or _usual(selection, measured, USUAL_COLUMNS)
    listed = exploration.page(matched, cursor=cursor, limit=ROWS)
    axes = view.axes or _usual(selection, measured, 6)
    along = axes if view.tab == "parallel" else None
    points = plane.points(matched, most=1, axes=along)
    reader = request.state.principal.user_id
    return page(
        "explore.html",
        here="explore",
        twin=str(Address("/api/v1/explore", tuple(selection.pairs()))),
        view=view,
        at=view.address,
        selection=selection,
        tabs=TABS,
        everything=table.count,
        total=listed.total,
        facets=facets.facets(matched),
        limits=limit_rows(selection, ranges, points.budgets, view.address),
        offers=_offers(matched, view),
        figures=[(figure, _ends(figure, ranges)) for figure in FIGURES],
        measured=measured,
        shown=shown,
        axes=axes,
        sorts=[_sort(figure, selection) for figure in shown],
        rows=_rows(listed.items, listed.groups, selection, shown),
        groups=GROUPS,
        group_counts=listed.groups,
        next=view.address.changed(cursor=listed.next) if listed.next else None,
        is_later=cursor is not None,
        plane=points,
        caption=caption(points, selection) if along is None else lines(points),
        apart=facets.apart(matched, along) if points.mixed else (),
        failed=exploration.failed(matched, FAILED_SHOWN),
        outcome=outcome,
        marks=tuple(SYMBOLS),
        views=views.listed(session, reader),
        reader=reader,
        compared=COMPARED,
    )


def read_view(pairs: Iterable[tuple[str, str]]) -> View:
    """What an address says.

    Raises:
        Invalid: a name or a value that does not exist; every one is named with what would do.
    """
    pairs = list(pairs)
    wrong: list[Problem] = []
    selection = Selection()
    try:
        selection = read(pairs, EXTRAS)
    except Invalid as refused:
        wrong += refused.problems
    found: dict[str, list[str]] = {name: [] for name in EXTRAS}
    for name, value in pairs:
        if name in EXTRAS and value:
            found[name] += [word for word in value.split(",") if word] if name in ("show", "axes") else [value]
    for name, fewest, most in (("show", 1, MOST_COLUMNS), ("axes", FEWEST_AXES, MOST_AXES)):
        known = f"{fewest} to {most} of {', '.join(BY_WORD)}."
        if unknown := [word for word in found[name] if word not in BY_WORD]:
            wrong.append(Problem(name, "unknown", f"has {', '.join(map(repr, unknown))}, which is no figure.", known))
        elif found[name] and not fewest <= len(dict.fromkeys(found[name])) <= most:
            wrong.append(Problem(name, "wrong_number", f"has {len(found[name])} figures.", known))
    tab = next(iter(found["tab"]), "scatter")
    if tab not in TABS:
        wrong.append(Problem("tab", "unknown", "is not one of the choices.", f"One of {', '.join(TABS)}."))
    zoom = {name: found[name][0] for name in ("xr", "yr") if found[name]}
    wrong += [problem for name, text in zoom.items() if (problem := range_problem(name, text))]
    if wrong:
        raise Invalid.of(wrong)
    show, axes = (tuple(BY_WORD[word] for word in dict.fromkeys(found[name])) for name in ("show", "axes"))
    return View(selection, show, axes, tab, zoom)


def caption(points: Points, selection: Selection) -> str:
    """The plane in words."""
    titles = [_in_a_sentence(figure.title) for figure in selection.objectives]
    every = " and ".join((", ".join(titles[:-1]), titles[-1]))
    if not points.total:
        return f"No result of these has {'both' if len(titles) == 2 else 'all of'} {every}."
    have = "1 result has" if points.total == 1 else f"{points.total:,} results have"
    text = f"{have} {'both' if len(titles) == 2 else 'all three'} figures."
    if points.mixed and not points.standings:
        return f"{text} They differ in {_unlike(points)}, so there is no front."
    if not points.standings:
        return f"{text} One of them has no better direction, so there is no front."
    if points.against is not None:
        text += f" {points.over:,} of them are over {points.against}; the front is of these."
    names = list(dict.fromkeys(points.names[place] for place in points.front))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    of = f" of {every}" if len(titles) > 2 else ""
    text += f" On the Pareto front{of}: {', '.join(names[:NAMED])}{more}."
    if points.possible:
        text += f" {points.possible:,} more may be on it, within the intervals."
    if points.knee is not None:
        text += f" Knee: {points.names[points.knee]}."
    return text


def lines(points: Points) -> str:
    """The lines along the axes in words."""
    if not points.total:
        return "No result of these has two of the figures that are the axes."
    have = "1 result has" if points.total == 1 else f"{points.total:,} results have"
    text = f"{have} at least two of these figures, a line each."
    return f"{text} They differ in {_unlike(points)}." if points.mixed else text


def _unlike(points: Points) -> str:
    return ", ".join(f"{_in_a_sentence(TITLES[name])} ({count})" for name, count in points.mixed.items())


def _in_a_sentence(title: str) -> str:
    """A title within a sentence; abbreviations stay as they are."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _usual(selection: Selection, measured: Sequence[Figure], count: int) -> tuple[Figure, ...]:
    """The figures of the axes, then those that most people ask for; only what was measured."""
    words = (selection.x, selection.y, "perplexity", "accuracy", "agreement", "energy", "tokens", "weights")
    found = [BY_WORD[word] for word in dict.fromkeys(words) if BY_WORD[word] in measured]
    return tuple((found + [figure for figure in measured if figure not in found])[:count])


def _ends(figure: Figure, ranges: Sequence[facets.Range]) -> dict[str, float]:
    """What a figure and its ratio span, for the axes of charts."""
    return {
        f"{one.part}-{end}": value
        for one in ranges
        if one.figure == figure.word
        for end, value in (("low", one.low), ("high", one.high))
    }


def _sort(figure: Figure, selection: Selection) -> str:
    """What the list is ordered by when a reader asks for this column: what is good first."""
    word = figure.word + (RATIO if selection.part(figure) == "ratio" else "")
    return f"-{word}" if figure.better == "higher" else word


def _rows(
    items: Sequence[Explored], groups: dict[str, int], selection: Selection, shown: Sequence[Figure]
) -> list[Row]:
    found: list[Row] = []
    for group, members in itertools.groupby(items, key=lambda one: exploration.group_of(one, selection.group)):
        for place, result in enumerate(members):
            cells = tuple(_cell(result.figures.get(figure.word), figure) for figure in shown)
            found.append(Row(result, group if groups and place == 0 else None, cells, outcome(result.outcome)))
    return found


def _cell(cell: Cell | None, figure: Figure) -> Shown | None:
    if cell is None:
        return None
    if cell.value is None:
        return None if cell.definition is None else Shown("–", figure.apart(cell.definition) or "", None)
    interval = "exact"
    if cell.low is not None and cell.high is not None and cell.low != cell.high:
        interval = between(cell.low, cell.high, figure.unit, cell.value)
    ratio = None
    if cell.ratio is not None and cell.ratio_low is not None and cell.ratio_high is not None and cell.pairs is not None:
        verdict = cell.verdict or "undecided"
        ratio = Ratio(
            ratio=cell.ratio,
            low=cell.ratio_low,
            high=cell.ratio_high,
            verdict=verdict,
            verdict_alone=verdict,
            pairs=cell.pairs,
            items=cell.items,
        )
    return Shown(readable(cell.value, figure.unit), interval, ratio)


def _offers(matched: Matched, view: View) -> list[Offer]:
    """Everything that was picked, each with the address and the number of results without it."""
    selection, address = view.selection, view.address
    found: list[Offer] = []
    for name, value in selection.pairs():
        if name in PLAIN:
            continue
        words = f"{TITLES.get(name, name)}: {value}"
        limit = next((limit for limit in selection.limits if limit.name == name), None)
        if limit is not None:
            figure = BY_WORD[limit.figure]
            sign = "≤" if limit.bound == "lte" else "≥"
            told = times(limit.value) if limit.part == "ratio" else readable(limit.value, figure.unit)
            words = f"{figure.title} {sign}{THIN}{told}"
        count = int(matched.without(name).sum())
        found.append(Offer(words, str(address.without(name, None if limit else value)), count))
    return found
