"""Compare: 2 to 12 runs side by side, their effects as a chart, and the runs that can be picked."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.charts import forest
from app.charts.chart import Choice, UnknownQuantity
from app.charts.drawing import Drawing, draw
from app.errors import Invalid
from app.listing import Listing
from app.presentation import picking
from app.presentation.picking import Pickable
from app.study.compare import SideBySide, as_one
from workers.catalog.declared import Problem

router = APIRouter(prefix="/compare", tags=["compare"], route_class=StrictRoute, responses=REFUSALS)

Runs = Annotated[str, Query(max_length=2_000, description="2 to 12 ids of runs, separated by commas.")]
Studies = Annotated[
    str, Query(max_length=2_000, description="Ids of studies instead: all their variants, 2 to 12 together.")
]


@router.get("")
def read_compare(caller: Reader, database: Ledger, runs: Runs = "", studies: Studies = "") -> SideBySide:
    """Runs side by side: in what they differ, effects over their own baselines, values as measured."""
    with database.reading() as session:
        return picking.selected(session, runs, studies)


@router.get("/runs")
def list_pickable(
    caller: Reader,
    database: Ledger,
    search: Annotated[
        str | None, Query(max_length=120, description="Part of the name of a study, a variant or a model.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listing[Pickable]:
    """Runs that ended with figures, newest first."""
    with database.reading() as session:
        return picking.pickable(session, search=search, cursor=cursor, limit=limit)


@router.get("/charts/forest")
def read_forest(
    caller: Reader,
    database: Ledger,
    runs: Runs = "",
    studies: Studies = "",
    x: Annotated[str | None, Query(max_length=200, description="A metric, or metric@phase.")] = None,
) -> Drawing:
    """The effects of the runs in one quantity as a Plotly figure; its colours are the page's CSS variables."""
    with database.reading() as session:
        side = picking.selected(session, runs, studies)
    try:
        return draw(forest.CHART, as_one(side), Choice(x=x or side.opens))
    except UnknownQuantity as unknown:
        known = ", ".join(unknown.known) or "none"
        problem = Problem("x", "unknown_quantity", "was not measured in any of these runs.", f"Measured: {known}.")
        raise Invalid.of([problem]) from unknown
