"""One run: every measurement with its ratio, raw samples, proofs, attempts, log, and the command that repeats it."""

import statistics
from collections.abc import Iterable
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app import comparison, reports
from app.db import queries
from app.db.tables import SampleRow
from app.pages import reproduce
from app.pages.rendering import page
from app.pages.session import Reading
from workers.catalog.metrics import BY_NAME

router = APIRouter()


class Sampled(NamedTuple):
    """The raw samples of one process, in short."""

    metric: str
    phase: str
    arm: str
    pair: int
    warm_up: bool
    unit: str
    n: int
    smallest: float
    median: float
    largest: float


@router.get("/runs/{run_id}", response_class=HTMLResponse)
def run(session: Reading, run_id: str) -> HTMLResponse:
    found = queries.run(session, run_id)
    study = queries.study(session, found.study_id)
    compared = comparison.of_study(session, study)
    mine = next(run for run in compared.runs if run.run == run_id)
    environment = queries.environment(session, found.environment_id).fields if found.environment_id else None
    return page(
        "run.html",
        here="studies",
        twin=f"/api/v1/runs/{run_id}",
        run=found,
        study=study,
        comparison=compared,
        compared=mine,
        measured=[q for q in compared.quantities if q.key in mine.readings or q.key in mine.beside],
        samples=list(_sampled(queries.samples(session, run_id))),
        attempts=queries.attempts(session, run_id),
        environment=environment,
        machine_state=found.notes.get("machine_state") if isinstance(found.notes, dict) else None,
        reproduce=reproduce.run(found.spec),
        log=queries.log_lines(run_id=run_id, session=session),
    )


def _sampled(rows: Iterable[SampleRow]) -> Iterable[Sampled]:
    for row in rows:
        taken = reports.values(row)
        if taken:
            unit = BY_NAME[row.metric].unit if row.metric in BY_NAME else "1"
            yield Sampled(
                row.metric, row.phase, row.arm, row.pair, row.warm_up, unit,
                len(taken), min(taken), statistics.median(taken), max(taken),
            )  # fmt: skip
