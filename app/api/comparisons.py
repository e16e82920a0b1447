"""What studies say, for pages and programs: comparisons, charts, the overview, and the menus of the order form."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from app import comparison, menu, overview
from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute, invalid
from app.charts import BY_NAME
from app.charts.chart import Choice, UnknownQuantity
from app.charts.drawing import Drawing, draw
from app.comparison import Comparison
from app.db import queries
from app.errors import NotFound
from app.overview import Overview
from workers.catalog.declared import Problem

router = APIRouter(tags=["comparisons"], route_class=StrictRoute, responses=REFUSALS)


@router.get("/overview")
def read_overview(caller: Reader, database: Ledger) -> Overview:
    """What runs or waits, what was learnt lately, and for which kinds of device a worker is there."""
    with database.reading() as session:
        return overview.overview(session)


@router.get("/menu")
def read_menu(caller: Reader) -> dict[str, Any]:
    """Every menu with its schemas, which techniques fit where and why not, quick picks, and studies to start from."""
    return menu.menu()


@router.get("/studies/{study_id}/comparison")
def read_comparison(study_id: str, caller: Reader, database: Ledger) -> Comparison:
    """A study's variants side by side: readings, effects over the baseline, proofs and notes."""
    with database.reading() as session:
        return comparison.of_study(session, queries.study(session, study_id))


@router.get("/studies/{study_id}/charts/{name}")
def read_chart(
    study_id: str,
    name: Annotated[str, Path(max_length=100, description=f"One of {', '.join(BY_NAME)}.")],
    caller: Reader,
    database: Ledger,
    x: Annotated[str | None, Query(max_length=200, description="A metric, or metric@phase.")] = None,
    y: Annotated[str | None, Query(max_length=200, description="A metric, or metric@phase.")] = None,
    point: Annotated[int, Query(ge=0, le=10_000, description="Which point of the sweep, from 0.")] = 0,
    scale: Literal["measured", "ratio"] = "measured",
) -> Drawing:
    """A chart of a study as a Plotly figure; its colours are the page's CSS variables."""
    if name not in BY_NAME:
        raise NotFound("There is no such chart.", hint=f"Charts: {', '.join(BY_NAME)}.")
    with database.reading() as session:
        compared = comparison.of_study(session, queries.study(session, study_id))
    try:
        return draw(BY_NAME[name], compared, Choice(x=x, y=y, point=point, scale=scale))
    except UnknownQuantity as unknown:
        known = ", ".join(unknown.known) or "none yet"
        problem = Problem(unknown.field, "unknown_quantity", "was not measured in this study.", f"Measured: {known}.")
        raise invalid([problem]) from unknown
