"""All results of the team: a list, counts for filters, the points of a chart, and a table to take away."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.api.calls import REFUSALS, Asked, Reader, StrictRoute
from app.errors import Invalid
from app.results import exploration, facets, plane
from app.results.columns import Table
from app.results.dependency import Results
from app.results.exploration import Explored
from app.results.facets import Facet, Range
from app.results.figures import BY_WORD, FIELDS, FIGURES
from app.results.matching import Matched
from app.results.plane import FIGURE_NAMES, MOST_POINTS, Points
from app.results.selection import ORDERS, SIZES, WORDS, read
from workers.catalog.declared import Problem

router = APIRouter(prefix="/explore", tags=["explore"], route_class=StrictRoute, responses=REFUSALS)

FILTERS = (
    f"Filters, any number of each: {', '.join((*WORDS, *SIZES))}; q for part of a name; limits such as memory__lte=8GiB or latency_ratio__lte=0.8 (base units where none is given); "
    f"sort, one of {', '.join(ORDERS)}, with a minus before it for the reverse; x and y, figures; z, a third objective of the front; scale, ratio or measured; "
    "null_tests=true to have them among the results; group, one of none, model, technique, hardware, to list those together."
)
PLAIN = (*(name for name in Explored.model_fields if name not in ("figures", "point", "techniques")), "techniques")
"""Fields of a result that stand in the table as they are."""
FURTHER = tuple(name for name in SIZES if name not in PLAIN)
"""Sizes and switches of workloads that are no fields of a result."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


class ShownFigure(BaseModel):
    """One figure that all results are compared by."""

    word: str
    title: str
    unit: str
    better: str
    definition: str
    version: int
    """Of the definition; a result's figure that followed another has no numbers here."""
    relative: bool
    """Whether the value itself compares with the baseline, so that there is no ratio."""


class ShownPage(BaseModel):
    """A page of results."""

    items: list[Explored]
    next: str | None
    """Cursor of the following page; null at the end."""
    total: int
    groups: dict[str, int]
    """Of the groups that this page shows, how many results each has."""


class ShownFacets(BaseModel):
    """Every filter with its values and how many results each leaves."""

    items: list[Facet]
    next: None = None


class ShownRanges(BaseModel):
    """Ends of what can be limited."""

    items: list[Range]
    next: None = None


class ShownFigures(BaseModel):
    """The figures, in their order."""

    items: list[ShownFigure]
    next: None = None


@router.get("", description=f"Results in the order asked for. {FILTERS}")
def explore(
    asked: Asked,
    caller: Reader,
    table: Results,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> ShownPage:
    page = exploration.page(_matched(asked, table, "cursor", "limit"), cursor=cursor, limit=limit)
    return ShownPage(items=list(page.items), next=page.next, total=page.total, groups=page.groups)


@router.get(
    "/facets", description=f"Values of every filter with counts, each with all other filters as they are. {FILTERS}"
)
def read_facets(asked: Asked, caller: Reader, table: Results) -> ShownFacets:
    return ShownFacets(items=list(facets.facets(_matched(asked, table))))


@router.get(
    "/ranges", description=f"What each figure and ratio spans among the results, whatever the limits. {FILTERS}"
)
def ranges(asked: Asked, caller: Reader, table: Results) -> ShownRanges:
    return ShownRanges(items=list(facets.ranges(_matched(asked, table))))


@router.get(
    "/points",
    description=f"Results in the plane of two figures, a column each, with the front of these or of three, and the budgets; or along axes, for parallel coordinates. {FILTERS}",
)
def points(
    asked: Asked,
    caller: Reader,
    table: Results,
    columns: Annotated[
        str | None, Query(max_length=400, description=f"More columns, separated by commas: {', '.join(FIGURE_NAMES)}.")
    ] = None,
    axes: Annotated[
        str | None,
        Query(
            max_length=400,
            description=f"Figures, separated by commas: {', '.join(BY_WORD)}. Given are a column of each, on the scale, and the results that have at least two of them, whatever x, y and z are; there is no front then.",
        ),
    ] = None,
    most: Annotated[
        int, Query(ge=100, le=MOST_POINTS, description="Points besides the front; a part of more than these is given.")
    ] = MOST_POINTS,
) -> Points:
    also = _names("columns", columns, "column", FIGURE_NAMES)
    words = _names("axes", axes, "figure", tuple(BY_WORD))
    matched = _matched(asked, table, "columns", "axes", "most")
    return plane.points(matched, also, most, tuple(BY_WORD[word] for word in words) or None)


@router.get("/figures")
def figures(caller: Reader) -> ShownFigures:
    """The figures by which all results are compared."""
    return ShownFigures(
        items=[
            ShownFigure(
                word=figure.word,
                title=figure.title,
                unit=figure.unit,
                better=figure.better,
                definition=figure.definition,
                version=figure.version,
                relative=figure.relative,
            )
            for figure in FIGURES
        ]
    )


@router.get("/table", description=f"All selected results as comma-separated values, in base units. {FILTERS}")
def table_csv(asked: Asked, caller: Reader, table: Results) -> StreamingResponse:
    return StreamingResponse(
        _csv(_matched(asked, table)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="tradespace-results.csv"'},
    )


def _matched(asked: Asked, table: Table, *also: str) -> Matched:
    return Matched(table, read(asked, also))


def _names(field: str, text: str | None, what: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names in a list with commas, each once.

    Raises:
        Invalid: one that does not exist.
    """
    found = tuple(dict.fromkeys(name for name in (text or "").split(",") if name))
    if unknown := [name for name in found if name not in known]:
        wrong = f"has {', '.join(map(repr, unknown))}, which is no {what}."
        raise Invalid.of([Problem(field, "unknown", wrong, f"One or more of {', '.join(known)}.")])
    return found


def _csv(matched: Matched) -> Iterator[str]:
    cells = (f"{figure.word}.{field}" for figure in FIGURES for field in (*FIELDS, "verdict"))
    yield _lines([[*PLAIN, *FURTHER, *cells]])
    for places in exploration.whole(matched):
        yield _lines(_line(row) for row in exploration.rows(matched.table, places))


def _line(row: Explored) -> list[object]:
    plain = (getattr(row, name) for name in PLAIN)
    cells = (row.figures.get(figure.word) for figure in FIGURES)
    return [
        *("+".join(value) if isinstance(value, tuple) else value for value in plain),
        *(row.point.get(name) for name in FURTHER),
        *(None if cell is None else getattr(cell, field) for cell in cells for field in (*FIELDS, "verdict")),
    ]


def _lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as text; what a spreadsheet would run is kept from that by an apostrophe."""
    held = io.StringIO()
    safe = (
        [f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value for value in row]
        for row in rows
    )
    csv.writer(held, lineterminator="\r\n").writerows(safe)
    return held.getvalue()
