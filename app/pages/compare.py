"""Compare: chosen runs side by side, and the page where they are chosen. The choice stands in the address."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from app.charts import forest
from app.charts.chart import SYMBOLS
from app.errors import Invalid
from app.pages import reproduce
from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import picking
from app.study.compare import FEWEST, MOST, SideBySide
from app.study.quantities import Quantity

router = APIRouter()

Ids = Annotated[list[str], Query(max_length=100)]


class Row(NamedTuple):
    """One quantity that any of the runs has."""

    quantity: Quantity
    has_effect: bool
    has_reading: bool


@router.get("/compare", response_class=HTMLResponse)
def compare(
    session: Reading,
    runs: Ids = [],  # noqa: B006
    studies: Ids = [],  # noqa: B006
    x: Annotated[str | None, Query(max_length=200)] = None,
    search: Annotated[str | None, Query(max_length=120)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    pick: bool = False,
) -> Response:
    if len(runs) > 1:
        # Boxes of a form name each run for itself; the address that people pass on names them together.
        return RedirectResponse(address(runs=",".join(runs), search=search, pick="true" if pick else None), 303)
    chosen, of_studies = ",".join(runs), ",".join(studies)
    if pick or not (chosen or of_studies):
        return _picker(session, picking.ids_of(chosen), search, cursor)
    try:
        side = picking.selected(session, chosen, of_studies)
    except Invalid as refused:
        return _picker(session, picking.ids_of(chosen), search, cursor, refused)
    ids = [one.run.run for one in side.runs]
    return page(
        "compare.html",
        here="compare",
        twin="/api/v1" + address(runs=",".join(ids)),
        side=side,
        ids=ids,
        rows=_rows(side),
        chart=forest.CHART,
        x=x or side.opens,
        marks=tuple(SYMBOLS),
        change=address(runs=",".join(ids), pick="true"),
        again={one.letter: reproduce.run(one.spec) for one in side.runs},
    )


def address(**values: str | None) -> str:
    """The page's address with what is set; commas stay readable."""
    query = urlencode({name: value for name, value in values.items() if value}, safe=",")
    return f"/compare?{query}" if query else "/compare"


def _picker(
    session: Session, ids: Sequence[str], search: str | None, cursor: str | None, refused: Invalid | None = None
) -> HTMLResponse:
    """The page where runs are chosen; after a refusal it says what was wrong, and keeps what was right."""
    chosen = picking.picked(session, ids)
    found = picking.pickable(session, search=search or None, cursor=cursor)
    query = urlencode({name: value for name, value in (("search", search), ("cursor", cursor)) if value})
    named = ",".join(one.run for one in chosen)
    return page(
        "compare_pick.html",
        here="compare",
        twin=f"/api/v1/compare/runs{'?' if query else ''}{query}",
        status=422 if refused else 200,
        refused=refused,
        chosen=chosen,
        found=[one for one in found.items if one not in chosen],
        older=address(runs=named, search=search, cursor=found.next, pick="true") if found.next else None,
        search=search or "",
        fewest=FEWEST,
        most=MOST,
    )


def _rows(side: SideBySide) -> list[Row]:
    return [
        Row(
            quantity,
            any(quantity.key in one.run.effects for one in side.runs),
            any(quantity.key in one.run.readings for one in side.runs),
        )
        for quantity in side.quantities
    ]
