"""One run: every measurement with its ratio, raw samples, proofs, attempts, log, and the command that repeats it."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import JsonValue

from app import presentation, reports, sittings
from app.charts import RUN_CHARTS
from app.charts.chart import SYMBOLS
from app.db import queries
from app.db.tables import KernelRow, SampleRow
from app.pages import reproduce
from app.pages.rendering import page
from app.pages.session import Reading
from workers.catalog.environment import NO_ENERGY
from workers.catalog.metrics import BY_NAME

router = APIRouter()


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


@router.get("/runs/{run_id}", response_class=HTMLResponse)
def run(session: Reading, run_id: str) -> HTMLResponse:
    found = queries.run(session, run_id)
    study = queries.study(session, found.study_id)
    compared, sitting = sittings.of_run(session, run_id)
    mine = sitting.run
    environment = queries.environment(session, found.environment_id).fields if found.environment_id else None
    timed = [series for series in sitting.series if series.metric == sittings.HELD]
    drawn = (bool(sitting.stacks), bool(timed))
    return page(
        "run.html",
        here="studies",
        twin=f"/api/v1/runs/{run_id}",
        run=found,
        study=study,
        comparison=compared,
        compared=mine,
        measured=[q for q in compared.quantities if q.key in mine.readings or q.key in mine.beside],
        sitting=sitting,
        charts=[chart for chart, shown in zip(RUN_CHARTS, drawn, strict=True) if shown],
        marks=tuple(SYMBOLS),
        memory_parts=sittings.PARTS,
        timed=timed,
        kernels=list(_kernels(queries.kernels(session, run_id))),
        artifacts=presentation.shown_artifacts(session, run_id),
        energy=_energy(environment),
        profiled=bool(found.spec.get("profile")) if isinstance(found.spec, dict) else False,
        samples=list(_sampled(queries.samples(session, run_id))),
        attempts=queries.attempts(session, run_id),
        environment=environment,
        machine_state=found.notes.get("machine_state") if isinstance(found.notes, dict) else None,
        reproduce=reproduce.run(found.spec),
        log=queries.log_lines(run_id=run_id, session=session),
    )


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


def _sampled(rows: Iterable[SampleRow]) -> Iterable[Sampled]:
    for row in rows:
        taken = reports.values(row)
        if taken:
            unit = BY_NAME[row.metric].unit if row.metric in BY_NAME else "1"
            yield Sampled(
                row.metric, row.phase, row.arm, row.pair, row.warm_up, row.contended, unit,
                len(taken), min(taken), statistics.median(taken), max(taken),
            )  # fmt: skip
