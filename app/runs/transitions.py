"""How a run moves from one state to another, whoever asks: the compare-and-set, and everything that follows from it.

Every change happens in a short write transaction that the caller commits. The study's row is locked first, so that its
state and the order of its events follow its runs.
"""

from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from app.db import events
from app.db.events import TERMINAL
from app.db.tables import Attempt, DeviceRow, Run, Study
from app.errors import NotFound
from app.results import keeping

HELD = frozenset({"leased", "running", "cancelling"})
"""States in which a worker holds the run and its device."""
QUEUE_S = 86_400.0
"""How long a run waits for a worker before it expires."""


def lock(session: Session, run_id: str) -> tuple[Run, Study]:
    """The run and its study as they are now; nobody else changes either before this transaction ends.

    Raises:
        NotFound: there is no such run.
    """
    study_id = session.execute(select(col(Run.study_id)).where(col(Run.id) == run_id)).scalar_one_or_none()
    if study_id is None:
        raise NotFound("There is no such run.")
    study = session.get_one(Study, study_id, with_for_update=True, populate_existing=True)
    return session.get_one(Run, run_id, with_for_update=True, populate_existing=True), study


def change(
    session: Session,
    run: Run,
    study: Study,
    to: str,
    now: float,
    *,
    frm: set[str] | frozenset[str],
    token: int,
    values: dict[str, Any] | None = None,
    ending: str | None = None,
    message: str = "",
    settled: bool = True,
) -> bool:
    """Move a run to another state, with everything that follows from it: attempt, device, events, study, result.

    Args:
        session: writes; the study is locked.
        run: as it was read; refreshed when it moves.
        study: the run's study.
        to: the new state.
        now: the database's clock.
        frm: states from which it may move.
        token: the token it must have.
        values: other columns to set.
        ending: how the attempt of this token ends, when it does.
        message: why, for the attempt's row.
        settled: whether the study follows now; a caller that changes many of its runs settles once, at the end.

    Returns:
        Whether it moved: a compare-and-set.
    """
    device_id = run.device_id
    asked: dict[str, Any] = {"state": to, **(values or {})}
    if to in TERMINAL:
        asked["finished_at"] = now
    if not compare_and_set(
        session, run, (col(Run.id) == run.id, col(Run.token) == token, col(Run.state).in_(frm)), asked
    ):
        return False
    if ending is not None:
        session.execute(
            update(Attempt)
            .where(col(Attempt.run_id) == run.id, col(Attempt.token) == token)
            .values(ended_at=now, ending=ending, message=message or None)
        )
        session.execute(
            update(DeviceRow)
            .where(col(DeviceRow.id) == device_id, col(DeviceRow.run_id) == run.id, col(DeviceRow.token) == token)
            .values(run_id=None)
        )
    events.run_changed(session, run, now)
    if settled:
        settle(session, study, now)
    if to in TERMINAL:
        keeping.keep(session, study, run)
    return True


def settle(session: Session, study: Study, now: float) -> None:
    """Let a study's state follow its runs."""
    states = session.execute(select(col(Run.state)).where(col(Run.study_id) == study.id)).scalars().all()
    if all(state in TERMINAL for state in states):
        asked = study.cancel_asked_at is not None and "cancelled" in states
        state = "cancelled" if asked or set(states) == {"cancelled"} else "done"
    else:
        state = "queued" if set(states) == {"queued"} else "running"
    if state == study.state:
        return
    study.state = state
    study.finished_at = now if state in ("done", "cancelled") else None
    session.add(study)
    session.flush()
    events.study_changed(session, study, now)


def compare_and_set(session: Session, run: Run, where: tuple[Any, ...], values: dict[str, Any]) -> bool:
    """The compare-and-set: the one statement by which a run's row changes."""
    session.flush()
    statement = update(Run).where(*where).values(**values).execution_options(synchronize_session=False)
    if session.execute(statement).rowcount != 1:  # type: ignore[attr-defined]
        return False
    session.refresh(run)
    return True
