"""What the home page and its JSON twin show: studies that run or wait, and what was learnt lately."""

from sqlmodel import Session

from app.db import queries
from app.db.tables import Study
from app.errors import Outdated
from app.frozen import Frozen
from app.presentation import shown_machines, shown_studies
from app.presentation.shown_studies import StudySummary
from app.study import comparison
from app.study.comparison import Finding

GOING = 8
LATELY = 6


class Learnt(Frozen):
    """A finished study and what it found."""

    study: str
    name: str
    model: str
    workload: str
    device: str
    finished_at: float | None
    baseline: str
    findings: tuple[Finding, ...]
    """Strongest first; empty when nothing was decided."""
    without_figures: bool
    """Whether no run of it brought any."""


class Overview(Frozen):
    """The state of things in one look."""

    going: tuple[StudySummary, ...]
    learnt: tuple[Learnt, ...]
    devices_present: tuple[str, ...]
    """Kinds of device for which a worker is there."""


def overview(session: Session) -> Overview:
    """Look at the newest studies and at the workers that are there."""
    waiting = [
        study
        for state in ("running", "queued")
        for study in shown_studies.studies(session, state=state, limit=GOING).items
    ]
    done = queries.studies(session, state="done", limit=LATELY).items
    return Overview(
        going=tuple(waiting),
        learnt=tuple(learnt for study in done if (learnt := _learnt(session, study))),
        devices_present=devices_present(session),
    )


def devices_present(session: Session) -> tuple[str, ...]:
    """Kinds of device for which a worker has announced itself lately, in alphabetical order."""
    seen = shown_machines.workers(session, limit=200).items
    return tuple(sorted({worker.device.kind for worker in seen if worker.present}))


def _learnt(session: Session, study: Study) -> Learnt | None:
    """What a study found; None when it cannot be read any more, which its own page says."""
    try:
        compared = comparison.of_study(session, study)
    except Outdated:
        return None
    return Learnt(
        study=study.id,
        name=study.name,
        model=study.model,
        workload=study.workload,
        device=study.device,
        finished_at=study.finished_at,
        baseline=compared.baseline,
        findings=comparison.findings(compared),
        without_figures=all(run.failed for run in compared.runs),
    )
