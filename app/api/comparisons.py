"""What studies say, for pages and programs: comparisons, charts, the overview, and the menus of the order form."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from app.api.calls import REFUSALS, Asked, Ledger, Reader, StrictRoute
from app.charts import BY_NAME, RUN_CHART_BY_NAME
from app.charts.chart import Choice, NotSwept, UnknownQuantity, View
from app.charts.drawing import Drawing, draw_run, draw_stored
from app.db import queries
from app.errors import EnvironmentsDiffer, Invalid, NotFound
from app.ordering import menu
from app.presentation import overview
from app.presentation.overview import Overview
from app.study import comparison, limits, sittings
from app.study.comparison import Comparison
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


Across = Annotated[
    bool, Query(description="Put values side by side although their environments differ where it matters.")
]


@router.get("/studies/{study_id}/comparison")
def read_comparison(study_id: str, caller: Reader, database: Ledger, across_environments: Across = False) -> Comparison:
    """A study's variants side by side: readings, effects over the baseline, proofs and notes."""
    with database.reading() as session:
        compared = comparison.of_study(session, queries.study(session, study_id))
    if not across_environments:
        _refuse_mixed(compared)
    return compared


@router.get("/studies/{study_id}/charts/{name}")
def read_chart(
    study_id: str,
    asked: Asked,
    name: Annotated[str, Path(max_length=100, description=f"One of {', '.join(BY_NAME)}.")],
    caller: Reader,
    database: Ledger,
    x: Annotated[str | None, Query(max_length=200, description="A metric, or metric@phase.")] = None,
    y: Annotated[str | None, Query(max_length=200, description="A metric, or metric@phase.")] = None,
    point: Annotated[int, Query(ge=0, le=10_000, description="Which point of the sweep, from 0.")] = 0,
    scale: Annotated[
        Literal["measured", "ratio"] | None,
        Query(description="Left out: the ratio over the baseline, or as measured where there is no ratio."),
    ] = None,
    across_environments: Across = False,
    over: Annotated[
        str | None,
        Query(max_length=200, description="Swept field to draw over; left out: the one with the most values."),
    ] = None,
    view: Annotated[
        View, Query(description="Raw samples as shares up to each value, or each in the order in which it was taken.")
    ] = "shares",
    budget: Annotated[
        float | None, Query(gt=0, allow_inf_nan=False, description="Bytes of memory there are, drawn as a line.")
    ] = None,
    price: Annotated[
        float | None,
        Query(
            gt=0, allow_inf_nan=False, description="Of a kilowatt-hour, in any currency: energy is shown as cost too."
        ),
    ] = None,
    colour: Annotated[
        str | None, Query(max_length=200, description="Trade-off: a quantity that colours the points.")
    ] = None,
    size: Annotated[
        str | None, Query(max_length=200, description="Trade-off: a quantity that sizes the points.")
    ] = None,
    what_if: Annotated[
        str | None,
        Query(max_length=200, description="Roofline: title of a datasheet of /hardware, to estimate every step for."),
    ] = None,
) -> Drawing:
    """A chart of a study as a Plotly figure, with its table; its colours are the page's CSS variables.

    Budgets of the trade-off are parameters too: ``max.`` (or ``min.``, where more is better) and a quantity, in base
    units, for example ``max.memory.peak_allocated@prefill=52009369``.
    """
    if name not in BY_NAME:
        raise NotFound("There is no such chart.", hint=f"Charts: {', '.join(BY_NAME)}.")
    try:
        budgets = limits.read(asked)
    except limits.BadLimit as bad:
        raise Invalid.of([Problem(bad.field, "bad_budget", bad.message, "")]) from bad
    choice = Choice(
        x=x,
        y=y,
        point=point,
        scale=scale,
        across_environments=across_environments,
        over=over,
        view=view,
        budget=budget,
        price=price,
        colour=colour,
        size=size,
        limits=budgets,
        what_if=what_if or None,
    )
    try:
        with database.reading() as session:
            compared = comparison.of_study(session, queries.study(session, study_id))
            if scale == "measured" and not across_environments:
                _refuse_mixed(compared)
            return draw_stored(session, BY_NAME[name], compared, choice)
    except UnknownQuantity as unknown:
        known = ", ".join(unknown.known) or "none yet"
        problem = Problem(unknown.field, "unknown_quantity", "was not measured in this study.", f"Measured: {known}.")
        raise Invalid.of([problem]) from unknown
    except NotSwept as unknown:
        known = ", ".join(unknown.known) or "nothing"
        problem = Problem(unknown.field, "not_swept", "is not swept in this study.", f"Swept: {known}.")
        raise Invalid.of([problem]) from unknown


@router.get("/runs/{run_id}/charts/{name}")
def read_run_chart(
    run_id: str,
    name: Annotated[str, Path(max_length=100, description=f"One of {', '.join(RUN_CHART_BY_NAME)}.")],
    caller: Reader,
    database: Ledger,
) -> Drawing:
    """A chart of one run as a Plotly figure; its colours are the page's CSS variables."""
    if name not in RUN_CHART_BY_NAME:
        raise NotFound("There is no such chart.", hint=f"Charts: {', '.join(RUN_CHART_BY_NAME)}.")
    with database.reading() as session:
        _, sitting = sittings.of_run(session, run_id)
    return draw_run(RUN_CHART_BY_NAME[name], sitting)


def _refuse_mixed(compared: Comparison) -> None:
    """Values of runs that were measured in environments that differ do not stand side by side by accident.

    Raises:
        EnvironmentsDiffer: they do; names every field that matters.
    """
    found = {c.field: c for other in compared.elsewhere for c in other.changes if c.matters}
    if found:
        problems = [
            Problem(field, "environments_differ", f"is {one.before!r} and {one.after!r}. {one.reason}", "")
            for field, one in found.items()
        ]
        raise EnvironmentsDiffer(
            f"Runs of this study were measured in environments that differ in {', '.join(found)}.",
            hint=EnvironmentsDiffer.advice,
            problems=problems,
        )
