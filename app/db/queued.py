"""Which runs wait and what could take them: the order of the queue, hints that are due, leases and waits that ran out."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from app.db.queries import PRESENT_S
from app.db.session import clock
from app.db.tables import DeviceRow, Run, Study, Worker

HINT_AGAIN_S = 10.0
QUEUE_ORDER = (col(Run.priority).desc(), col(Run.study_id), col(Run.position))
"""In which order queued runs for one kind of device are taken."""


class HintDue(NamedTuple):
    """A run that a worker could take now."""

    run_id: str
    device_kind: str


def queued_for(session: Session, device_kind: str) -> int:
    """How many runs a worker of this kind of device could take now."""
    statement = select(func.count()).select_from(Run).where(*_claimable(session), col(Run.device_kind) == device_kind)
    return int(session.execute(statement).scalar_one())


def idle_devices(session: Session) -> dict[str, int]:
    """How many devices of each kind hold no run and have a worker that is there."""
    statement = (
        select(col(DeviceRow.kind), func.count(func.distinct(col(DeviceRow.id))))
        .join(Worker, col(Worker.device_id) == col(DeviceRow.id))
        .where(col(Worker.last_seen_at) > clock(session) - PRESENT_S, col(DeviceRow.run_id).is_(None))
        .group_by(col(DeviceRow.kind))
    )
    found: dict[str, int] = dict(session.execute(statement).all())
    return found


def hints_due(session: Session) -> list[HintDue]:
    """For every idle worker that is there, the next run it could take and was not hinted at just now."""
    now = clock(session)
    due: list[HintDue] = []
    for kind, count in idle_devices(session).items():
        queued = (
            select(col(Run.id), col(Run.hinted_at))
            .where(*_claimable(session), col(Run.device_kind) == kind)
            .order_by(*QUEUE_ORDER)
            .limit(count)
        )
        due += [
            HintDue(run_id, kind)
            for run_id, hinted_at in session.execute(queued).all()
            if hinted_at is None or hinted_at < now - HINT_AGAIN_S
        ]
    return due


def is_outranked(session: Session, run: Run) -> bool:
    """Whether runs of a higher priority could take every idle device of the run's kind."""
    higher = (*_claimable(session), col(Run.device_kind) == run.device_kind, col(Run.priority) > run.priority)
    ahead = int(session.execute(select(func.count()).select_from(Run).where(*higher)).scalar_one())
    return ahead > 0 and ahead >= idle_devices(session).get(run.device_kind, 0)


def leases_ended(session: Session, held: frozenset[str]) -> Sequence[str]:
    """Runs whose lease has run out."""
    statement = select(col(Run.id)).where(col(Run.state).in_(held), col(Run.lease_until) < clock(session))
    return session.execute(statement.limit(200)).scalars().all()


def queued_too_long(session: Session) -> Sequence[str]:
    """Runs that nobody took in time."""
    statement = select(col(Run.id)).where(col(Run.state) == "queued", col(Run.queue_until) <= clock(session))
    return session.execute(statement.limit(200)).scalars().all()


def seconds_of_runs(
    session: Session, *, device: str, effort: str, model: str | None, workload: str | None
) -> Sequence[float]:
    """Wall times of the last measured runs on a kind of device, optionally of one model and workload only."""
    statement = (
        select(col(Run.seconds))
        .join(Study, col(Study.id) == col(Run.study_id))
        .where(col(Run.outcome) == "ok", col(Study.device) == device, col(Study.effort) == effort)
    )
    if model is not None:
        statement = statement.where(col(Study.model) == model, col(Study.workload) == workload)
    found = session.execute(statement.order_by(col(Run.finished_at).desc()).limit(50)).scalars().all()
    return [seconds for seconds in found if seconds]


def _claimable(session: Session) -> tuple[ColumnElement[bool], ...]:
    now = clock(session)
    return (col(Run.state) == "queued", col(Run.not_before) <= now, col(Run.queue_until) > now)
