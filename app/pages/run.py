"""One run: every measurement with its ratio, raw samples, proofs, attempts, log, and the command that repeats it."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import JsonValue

from app.charts import RUN_CHARTS
from app.charts.chart import SYMBOLS
from app.charts.drawing import draw_run
from app.db import queries, reported
from app.db.events import TERMINAL
from app.db.tables import KernelRow
from app.knowledge import advice
from app.pages import noted, reproduce
from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import activity, shown_runs
from app.study import sittings
from app.study.comparison import ComparedRun, Comparison
from app.study.samples import Samples
from workers.catalog.environment import NO_ENERGY
from workers.catalog.metrics import BY_NAME

router = APIRouter()

SIBLINGS = 12
"""How many runs one comparison takes."""


@router.get("/runs/{run_id}", response_class=HTMLResponse)
def run(request: Request, session: Reading, run_id: str) -> HTMLResponse:
    # First of all: what happens while the rest is read comes again as an event, and nothing is missed.
    last_event = queries.newest_event(session)
    found = queries.run(session, run_id)
    study = queries.study(session, found.study_id)
    compared, sitting = sittings.of_run(session, run_id)
    mine = sitting.run
    environment = queries.environment(session, found.environment_id).fields if found.environment_id else None
    place = compared.runs.index(mine)
    first, later = activity.edges(session, [found.device_kind])
    return page(
        "run.html",
        here="runs",
        twin=f"/api/v1/runs/{run_id}",
        run=found,
        ended=found.state in TERMINAL,
        study=study,
        last_event=last_event,
        expected=activity.expected_end(session, found, study),
        first=first,
        later=later,
        comparison=compared,
        compared=mine,
        number=place + 1,
        before=compared.runs[place - 1] if place else None,
        after=compared.runs[place + 1] if place + 1 < len(compared.runs) else None,
        beside=_beside(compared, mine),
        advice=advice.for_these(mine.bottlenecks),
        measured=[q for q in compared.quantities if q.key in mine.readings or q.key in mine.beside],
        sitting=sitting,
        charts=[chart for chart in RUN_CHARTS if draw_run(chart, sitting).figure is not None],
        marks=tuple(SYMBOLS),
        memory_parts=sittings.PARTS,
        timed=[series for series in sitting.series if series.metric == sittings.HELD],
        kernels=list(_kernels(reported.kernels(session, run_id))),
        artifacts=shown_runs.shown_artifacts(session, run_id),
        energy=_energy(environment),
        samples=list(_sampled(sitting.raw)),
        attempts=queries.attempts(session, run_id),
        environment=environment,
        machine_state=found.notes.get("machine_state") if isinstance(found.notes, dict) else None,
        reproduce=reproduce.run(found.spec),
        log=queries.log_lines(run_id=run_id, session=session),
        noted=noted.of(session, "runs", run_id, request.state.principal),
    )


def _beside(compared: Comparison, mine: ComparedRun) -> list[str]:
    """Ids of this run and of its study's others with figures, those at its own point first; fewer than two are none."""
    others = [run for run in compared.runs if run.run != mine.run and run.readings]
    others.sort(key=lambda run: run.point != mine.point)
    return [mine.run, *(run.run for run in others[: SIBLINGS - 1])] if mine.readings and others else []


class Sampled(NamedTuple):
    """The raw samples of one process, in short."""

    metric: str
    phase: str
    arm: str
    pair: int
    warm_up: bool
    contended: bool
    unit: str
    n: int
    smallest: float
    median: float
    largest: float


class Profiled(NamedTuple):
    """One operator or kernel of the profiled step, both arms beside each other."""

    name: str
    device: str
    seconds: dict[str, float]
    """By arm."""
    calls: dict[str, int]
    share: float
    """Of the arm in which it takes the larger share."""


def _kernels(rows: Sequence[KernelRow]) -> Iterable[Profiled]:
    """Kernels by the share of the step that they take in either arm, largest first."""
    total = {arm: sum(row.seconds for row in rows if row.arm == arm) for arm in ("baseline", "variant")}
    seconds: dict[tuple[str, str], dict[str, float]] = {}
    calls: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        seconds.setdefault((row.name, row.device), {})[row.arm] = row.seconds
        calls.setdefault((row.name, row.device), {})[row.arm] = row.calls
    found = [
        Profiled(*key, taken, calls[key], max(taken[arm] / total[arm] if total[arm] else 0.0 for arm in taken))
        for key, taken in seconds.items()
    ]
    return sorted(found, key=lambda kernel: -kernel.share)


class Energy(NamedTuple):
    """How energy is read on a machine."""

    method: str | None
    """None where no counter can be read."""
    why_not: str


def _energy(environment: JsonValue) -> Energy | None:
    """How energy is read on that machine; None where nobody looked."""
    if not isinstance(environment, dict) or "energy.method" not in environment:
        return None
    method = str(environment["energy.method"])
    if method.startswith(NO_ENERGY):
        return Energy(None, method.removeprefix(NO_ENERGY))
    return Energy(method, "")


def _sampled(raw: Iterable[Samples]) -> Iterable[Sampled]:
    for one in raw:
        unit = BY_NAME[one.metric].unit if one.metric in BY_NAME else "1"
        yield Sampled(
            one.metric, one.phase, one.arm, one.pair, one.warm_up, one.contended, unit,
            len(one.values), min(one.values), statistics.median(one.values), max(one.values),
        )  # fmt: skip
