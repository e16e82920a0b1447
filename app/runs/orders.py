"""What people do to runs that are there: cancel a study, cancel a run, run one again, say which comes first."""

from sqlalchemy import select, update
from sqlmodel import Session, col

from app.db import events
from app.db.events import TERMINAL
from app.db.session import clock
from app.db.tables import Run, Study
from app.errors import AlreadyFinished, NotAllowed, NotFinished, NotFound
from app.results import keeping
from app.runs import canary
from app.runs.transitions import HELD, QUEUE_S, change, compare_and_set, lock, settle

RESULT = (
    "outcome",
    "outcome_phase",
    "message",
    "tail",
    "signal",
    "notes",
    "proofs",
    "ran",
    "bottlenecks",
    "seconds",
    "environment_id",
)
"""Columns of a run that a report fills."""


def cancel_study(session: Session, study_id: str) -> Study:
    """Cancel what is left of a study. Asking again changes nothing.

    Raises:
        NotFound: there is no such study.
        AlreadyFinished: every run has ended, and not by cancelling.
    """
    study = session.get(Study, study_id, with_for_update=True, populate_existing=True)
    if study is None:
        raise NotFound("There is no such study.")
    if study.state == "done":
        raise AlreadyFinished("The study is done; there is nothing left to cancel.")
    if study.state == "cancelled":
        return study
    now = clock(session)
    if study.cancel_asked_at is None:
        study.cancel_asked_at = now
        session.add(study)
        session.flush()
    unfinished = select(Run).where(col(Run.study_id) == study_id, col(Run.state).not_in(TERMINAL))
    for run in session.execute(unfinished.order_by(col(Run.position))).scalars().all():
        _cancel(session, run, study, now, settled=False)
    settle(session, study, now)
    if study.finished_at is not None:
        keeping.keep_all(session, study)
    return study


def cancel_run(session: Session, run_id: str) -> Run:
    """Cancel one run. Asking again changes nothing.

    Raises:
        NotFound: there is no such run.
        AlreadyFinished: it has ended, and not by cancelling.
    """
    run, study = lock(session, run_id)
    if run.state in TERMINAL and run.state != "cancelled":
        raise AlreadyFinished(f"The run is {run.state}; there is nothing left to cancel.")
    _cancel(session, run, study, clock(session))
    return run


def retry(session: Session, run_id: str, *, as_admin: bool) -> Run:
    """Queue a run again that has ended. Its attempts stay; its figures stay as history and no longer count.

    With a null test come the runs that were cancelled because it had failed (``app/runs/canary.py``).

    Args:
        session: writes.
        run_id: the run.
        as_admin: whether an administrator asks, who alone may bring back a run that was given up.

    Raises:
        NotFound: there is no such run.
        NotFinished: it is still waiting or being measured.
        NotAllowed: it was given up after lost workers, and no administrator asks.
    """
    run, study = lock(session, run_id)
    if run.state not in TERMINAL:
        raise NotFinished(f"The run is {run.state}.", hint="Wait until it has ended, or cancel it first.")
    if run.state == "quarantined" and not as_admin:
        raise NotAllowed("The run was given up after lost workers; an administrator may run it again.")
    now = clock(session)
    for each in (*canary.held_back(session, run), run):
        _again(session, each, study, now)
    return run


def prioritise_study(session: Session, study_id: str, priority: int) -> Study:
    """Give every run of a study that has not ended a priority.

    Raises:
        NotFound: there is no such study.
        AlreadyFinished: every run has ended.
    """
    study = session.get(Study, study_id, with_for_update=True, populate_existing=True)
    if study is None:
        raise NotFound("There is no such study.")
    if study.finished_at is not None:
        raise AlreadyFinished(f"The study is {study.state}; nothing of it waits.")
    study.priority = priority
    session.add(study)
    unfinished = (col(Run.study_id) == study_id, col(Run.state).not_in(TERMINAL))
    session.execute(update(Run).where(*unfinished).values(priority=priority))
    session.flush()
    events.prioritised(session, study, None, priority, clock(session))
    return study


def prioritise_run(session: Session, run_id: str, priority: int) -> Run:
    """Give one run a priority; while it is measured, for the case that it is queued again.

    Raises:
        NotFound: there is no such run.
        AlreadyFinished: it has ended.
    """
    run, study = lock(session, run_id)
    if not compare_and_set(
        session, run, (col(Run.id) == run.id, col(Run.state).not_in(TERMINAL)), {"priority": priority}
    ):
        raise AlreadyFinished(f"The run is {run.state}; it does not wait.")
    events.prioritised(session, study, run, priority, clock(session))
    return run


def _again(session: Session, run: Run, study: Study, now: float) -> None:
    # Figures of a run that went well stand until there are new ones; cancelling the retry then loses nothing.
    stands = run.outcome == "ok"
    values = {} if stands else dict.fromkeys(RESULT) | {"result_token": 0}
    values |= {
        "progress": None,
        "workers_lost": 0,
        "infra_errors": 0,
        "not_before": now,
        "queue_until": now + QUEUE_S,
        "hinted_at": None,
        "started_at": None,
        "finished_at": None,
    }
    change(session, run, study, "queued", now, frm=TERMINAL, token=run.token, values=values)
    if not stands:
        keeping.withdraw(session, run)


def _cancel(session: Session, run: Run, study: Study, now: float, *, settled: bool = True) -> None:
    if run.state == "queued":
        change(session, run, study, "cancelled", now, frm={"queued"}, token=run.token, settled=settled)
    elif run.state in HELD:
        asked = {"leased", "running"}
        change(session, run, study, "cancelling", now, frm=asked, token=run.token, settled=settled)
