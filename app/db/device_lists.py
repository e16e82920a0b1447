"""Devices with their workers, their ceilings and the runs that they measured last."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue
from sqlalchemy import select
from sqlmodel import Session, col

from app.db.tables import CeilingsRow, DeviceRow, Run, Study, Worker

MOST_DEVICES = 500
MOST_WORKERS = 5_000
LAST = 20


class Ended(NamedTuple):
    """A run that has ended, and what its study is."""

    run: str
    variant: str
    study_id: str
    study: str
    """Name of the study."""
    model: str
    workload: str
    state: str
    outcome: str | None
    seconds: float | None
    finished_at: float


def devices(session: Session) -> Sequence[DeviceRow]:
    """Every device that a worker ever announced, by its key."""
    return session.execute(select(DeviceRow).order_by(col(DeviceRow.id)).limit(MOST_DEVICES)).scalars().all()


def workers(session: Session) -> dict[str, list[Worker]]:
    """Workers by their device, the last seen first."""
    statement = select(Worker).order_by(col(Worker.last_seen_at).desc()).limit(MOST_WORKERS)
    found: dict[str, list[Worker]] = {}
    for worker in session.execute(statement).scalars():
        found.setdefault(worker.device_id, []).append(worker)
    return found


def ceilings(session: Session) -> dict[str, CeilingsRow]:
    """What devices can do at most, by their key."""
    return {row.device_id: row for row in session.execute(select(CeilingsRow)).scalars()}


def ceilings_of_runs(session: Session, run_ids: Sequence[str]) -> Sequence[tuple[str, JsonValue]]:
    """For runs whose device has measured ceilings, the run's id and the ceilings."""
    statement = (
        select(col(Run.id), col(CeilingsRow.measured))
        .join(CeilingsRow, col(CeilingsRow.device_id) == col(Run.device_id))
        .where(col(Run.id).in_(run_ids), col(CeilingsRow.received_at).is_not(None))
    )
    return [(run, measured) for run, measured in session.execute(statement).all()]


def last_runs(session: Session, device_id: str) -> list[Ended]:
    """The runs that a device measured last, newest first."""
    wanted = (
        *(col(Run.id), col(Run.variant), col(Study.id), col(Study.name), col(Study.model), col(Study.workload)),
        *(col(Run.state), col(Run.outcome), col(Run.seconds), col(Run.finished_at)),
    )
    statement = (
        select(*wanted)
        .join(Study, col(Study.id) == col(Run.study_id))
        .where(col(Run.device_id) == device_id, col(Run.finished_at).is_not(None))
        .order_by(col(Run.finished_at).desc(), col(Run.id).desc())
        .limit(LAST)
    )
    return [Ended(*row) for row in session.execute(statement)]


def run_ids(session: Session, device_id: str) -> frozenset[str]:
    """Every run that a device measured, or is measuring."""
    return frozenset(session.execute(select(col(Run.id)).where(col(Run.device_id) == device_id)).scalars())
