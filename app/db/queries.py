"""Every question that is asked of the database without changing it. Lists come newest first, a page at a time."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Mapped, defer
from sqlmodel import Session, col

from app.db.session import clock
from app.db.tables import (
    ArtifactRow,
    Attempt,
    DeviceRow,
    EffectRow,
    Environment,
    Event,
    KernelRow,
    MeasurementRow,
    Run,
    SampleRow,
    Study,
    TimelineRow,
    User,
    Worker,
)
from app.errors import Invalid, NotFound
from workers.catalog.declared import Problem

PRESENT_S = 20.0
"""A worker that announced itself this lately is there; it does so every few seconds."""
HINT_AGAIN_S = 10.0
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

Row = TypeVar("Row")


class Page(NamedTuple):
    """A part of a list and where it goes on."""

    items: Sequence[Any]
    next: str | None
    """Cursor of the following part; None at the end."""


class HintDue(NamedTuple):
    """A run that a worker could take now."""

    run_id: str
    device_kind: str


def ping(session: Session) -> None:
    """Ask something that every working database answers."""
    session.execute(select(1))


def study(session: Session, study_id: str) -> Study:
    """One study.

    Raises:
        NotFound: there is none with this id.
    """
    found = session.get(Study, study_id) if _ID.fullmatch(study_id) else None
    if found is None:
        raise NotFound("There is no such study.")
    return found


def run(session: Session, run_id: str) -> Run:
    """One run.

    Raises:
        NotFound: there is none with this id.
    """
    found = session.get(Run, run_id) if _ID.fullmatch(run_id) else None
    if found is None:
        raise NotFound("There is no such run.")
    return found


def environment(session: Session, environment_id: str) -> Environment:
    """One environment.

    Raises:
        NotFound: there is none with this id.
    """
    found = session.get(Environment, environment_id) if re.fullmatch(r"[0-9a-f]{16}", environment_id) else None
    if found is None:
        raise NotFound("There is no such environment.")
    return found


def worker(session: Session, worker_id: str) -> Worker:
    """One worker.

    Raises:
        NotFound: there is none with this id.
    """
    found = session.get(Worker, worker_id) if _ID.fullmatch(worker_id) else None
    if found is None:
        raise NotFound("There is no such worker.")
    return found


def studies(session: Session, *, state: str | None = None, cursor: str | None = None, limit: int = 50) -> Page:
    """Studies, newest first.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    wanted = select(Study).order_by(col(Study.id).desc())
    if state is not None:
        wanted = wanted.where(col(Study.state) == state)
    return _page(session, wanted, col(Study.id), cursor, limit)


def workers(session: Session, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Workers, newest first.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    return _page(session, select(Worker).order_by(col(Worker.id).desc()), col(Worker.id), cursor, limit)


def runs(session: Session, study_id: str) -> Sequence[Run]:
    """The runs of a study, in the order in which they were asked for."""
    return session.execute(select(Run).where(col(Run.study_id) == study_id).order_by(col(Run.position))).scalars().all()


def measurements(session: Session, run_ids: Sequence[str]) -> Sequence[MeasurementRow]:
    """What the reports that count say, for some runs."""
    return _reported(session, MeasurementRow, run_ids)


def effects(session: Session, run_ids: Sequence[str]) -> Sequence[EffectRow]:
    """Effects of the reports that count, for some runs."""
    return _reported(session, EffectRow, run_ids)


def samples(session: Session, run_id: str) -> Sequence[SampleRow]:
    """Raw samples of the report that counts, for one run."""
    return _reported(session, SampleRow, [run_id])


def timelines(session: Session, run_id: str) -> Sequence[TimelineRow]:
    """Timelines of the report that counts, for one run."""
    return _reported(session, TimelineRow, [run_id])


def kernels(session: Session, run_id: str) -> Sequence[KernelRow]:
    """Kernels of the profiled step of the report that counts, longest first."""
    return sorted(_reported(session, KernelRow, [run_id]), key=lambda kernel: -kernel.seconds)


def artifacts(session: Session, run_id: str) -> Sequence[ArtifactRow]:
    """Files of the report that counts, without their data."""
    statement = (
        select(ArtifactRow)
        .join(Run, and_(col(Run.id) == col(ArtifactRow.run_id), col(Run.result_token) == col(ArtifactRow.token)))
        .where(col(ArtifactRow.run_id) == run_id)
        .options(defer(ArtifactRow.data, raiseload=True))  # type: ignore[arg-type]
        .order_by(col(ArtifactRow.name), col(ArtifactRow.arm))
    )
    return session.execute(statement).scalars().all()


def artifact(session: Session, run_id: str, name: str, arm: str) -> ArtifactRow:
    """One file of the report that counts, with its data.

    Raises:
        NotFound: there is no such run, or its report brought no such file.
    """
    found = run(session, run_id)
    statement = select(ArtifactRow).where(
        col(ArtifactRow.run_id) == found.id,
        col(ArtifactRow.token) == found.result_token,
        col(ArtifactRow.name) == name,
        col(ArtifactRow.arm) == arm,
    )
    row: ArtifactRow | None = session.execute(statement).scalar_one_or_none()
    if row is None:
        there = ", ".join(f"{one.name} ({one.arm})" for one in artifacts(session, run_id)) or "none"
        raise NotFound("The run brought no such file.", hint=f"Files of this run: {there}.")
    return row


def attempts(session: Session, run_id: str) -> Sequence[tuple[Attempt, str]]:
    """The attempts of a run, first to last, each with its worker's name."""
    statement = (
        select(Attempt, col(Worker.name))
        .join(Worker, col(Worker.id) == col(Attempt.worker_id))
        .where(col(Attempt.run_id) == run_id)
        .order_by(col(Attempt.token))
    )
    return [(attempt, name) for attempt, name in session.execute(statement).all()]


def devices(session: Session, device_ids: Sequence[str]) -> dict[str, DeviceRow]:
    """Devices by id."""
    found = session.execute(select(DeviceRow).where(col(DeviceRow.id).in_(set(device_ids)))).scalars()
    return {device.id: device for device in found}


def workers_of_runs(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """Ids of the workers that took runs last, by run."""
    statement = select(col(Run.id), col(Run.worker_id)).where(col(Run.id).in_(run_ids))
    return {row[0]: row[1] for row in session.execute(statement)}


def user_names(session: Session, user_ids: Sequence[str]) -> dict[str, str]:
    """Names of users by id."""
    statement = select(col(User.id), col(User.name)).where(col(User.id).in_(set(user_ids)))
    return {row[0]: row[1] for row in session.execute(statement)}


def study_events(session: Session, study_id: str, after: int, limit: int = 500) -> Sequence[Event]:
    """What happened to a study after an event, in order."""
    statement = select(Event).where(col(Event.study_id) == study_id, col(Event.id) > after)
    return session.execute(statement.order_by(col(Event.id)).limit(limit)).scalars().all()


def last_event(session: Session, study_id: str) -> int:
    """Number of a study's newest event; 0 before the first."""
    return session.execute(select(func.max(Event.id)).where(col(Event.study_id) == study_id)).scalar_one() or 0


def log_lines(session: Session, *, study_id: str | None = None, run_id: str | None = None) -> list[str]:
    """The last part of what the programs of a study, or of one run, wrote."""
    of = col(Event.study_id) == study_id if study_id is not None else col(Event.run_id) == run_id
    newest = select(col(Event.data)).where(of, col(Event.kind) == "log").order_by(col(Event.id).desc()).limit(200)
    parts = reversed(session.execute(newest).scalars().all())
    return [line for part in parts if isinstance(part, dict) for line in part["lines"]]


def queued_for(session: Session, device_kind: str) -> int:
    """How many runs a worker of this kind of device could take now."""
    statement = select(func.count()).select_from(Run).where(*_claimable(session), col(Run.device_kind) == device_kind)
    return int(session.execute(statement).scalar_one())


def hints_due(session: Session) -> list[HintDue]:
    """For every idle worker that is there, the next run it could take and was not hinted at just now."""
    now = clock(session)
    idle = (
        select(col(DeviceRow.kind), func.count(func.distinct(col(DeviceRow.id))))
        .join(Worker, col(Worker.device_id) == col(DeviceRow.id))
        .where(col(Worker.last_seen_at) > now - PRESENT_S, col(DeviceRow.run_id).is_(None))
        .group_by(col(DeviceRow.kind))
    )
    due: list[HintDue] = []
    for kind, count in session.execute(idle).all():
        queued = (
            select(col(Run.id), col(Run.hinted_at))
            .where(*_claimable(session), col(Run.device_kind) == kind)
            .order_by(col(Run.study_id), col(Run.position))
            .limit(count)
        )
        due += [
            HintDue(run_id, kind)
            for run_id, hinted_at in session.execute(queued).all()
            if hinted_at is None or hinted_at < now - HINT_AGAIN_S
        ]
    return due


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


def _reported(session: Session, table: type[Row], run_ids: Sequence[str]) -> Sequence[Row]:
    rows: Any = table
    statement = (
        select(table)
        .join(Run, and_(col(Run.id) == rows.run_id, col(Run.result_token) == rows.token))
        .where(rows.run_id.in_(run_ids))
        .order_by(rows.id)
    )
    return session.execute(statement).scalars().all()


def _page(session: Session, wanted: Select[Any], key: Mapped[str], cursor: str | None, limit: int) -> Page:
    if cursor is not None:
        wanted = wanted.where(key < _read_cursor(cursor))
    items = session.execute(wanted.limit(limit + 1)).scalars().all()
    more = len(items) > limit
    return Page(items[:limit], _cursor(items[limit - 1].id) if more else None)


def _cursor(last: str) -> str:
    """Opaque on purpose: what it holds may change."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        last = ""
    if not _ID.fullmatch(last):
        problem = Problem("cursor", "unknown_cursor", "is not a cursor of this list.", "Take `next` of a page.")
        raise Invalid("The cursor is not one of this list.", problems=[problem])
    return last
