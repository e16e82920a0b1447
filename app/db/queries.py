"""Every question that is asked of the database without changing it. Lists come newest first, a page at a time."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Mapped, defer
from sqlmodel import Session, col

from app.db.session import clock
from app.db.tables import (
    ArtifactRow,
    Attempt,
    CeilingsRow,
    DeviceRow,
    Draft,
    EffectRow,
    Environment,
    Event,
    KernelRow,
    MeasurementRow,
    Run,
    SampleRow,
    Study,
    Tag,
    TimelineRow,
    User,
    Worker,
)
from app.errors import Invalid, NotFound
from workers.catalog.declared import Problem

PRESENT_S = 20.0
"""A worker that announced itself this lately is there; it does so every few seconds."""
HINT_AGAIN_S = 10.0
QUEUE_ORDER = (col(Run.priority).desc(), col(Run.study_id), col(Run.position))
"""In which order queued runs for one kind of device are taken."""
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


def draft(session: Session, draft_id: str, owner_id: str) -> Draft:
    """One draft of this owner; those of others are nobody else's business.

    Raises:
        NotFound: the owner has none with this id.
    """
    found = session.get(Draft, draft_id) if _ID.fullmatch(draft_id) else None
    if found is None or found.owner_id != owner_id:
        raise NotFound("There is no such draft of yours.")
    return found


def drafts(session: Session, owner_id: str, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Somebody's drafts.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    wanted = select(Draft).where(col(Draft.owner_id) == owner_id).order_by(col(Draft.id).desc())
    return _page(session, wanted, col(Draft.id), cursor, limit)


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


def studies(
    session: Session, *, state: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page:
    """Studies, newest first; optionally in one state only, or with the tag of a key.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    wanted = select(Study).order_by(col(Study.id).desc())
    if state is not None:
        wanted = wanted.where(col(Study.state) == state)
    if tag is not None:
        wanted = wanted.join(Tag, and_(col(Tag.subject_id) == col(Study.id), col(Tag.key) == tag))
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


def runs_by_id(session: Session, run_ids: Sequence[str]) -> dict[str, Run]:
    """Those of some runs that are there, by id."""
    found = session.execute(select(Run).where(col(Run.id).in_(set(run_ids)))).scalars()
    return {run.id: run for run in found}


def studies_by_id(session: Session, study_ids: Sequence[str]) -> dict[str, Study]:
    """Those of some studies that are there, by id."""
    found = session.execute(select(Study).where(col(Study.id).in_(set(study_ids)))).scalars()
    return {study.id: study for study in found}


def measured_runs(session: Session, *, search: str | None = None, cursor: str | None = None, limit: int = 50) -> Page:
    """Runs that ended with figures, newest first.

    Args:
        session: reads.
        search: part of the name of the study, the variant or the model, in any case.
        cursor: where an earlier page ended.
        limit: how many.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    # Without the index of outcomes, after which nearly all rows would be sorted: by id, the first page is soon full.
    wanted = select(Run).where(func.coalesce(Run.outcome, "") == "ok").order_by(col(Run.id).desc())
    if search:
        wanted = wanted.join(Study, col(Study.id) == col(Run.study_id)).where(
            or_(*(text.icontains(search, autoescape=True) for text in (Study.name, Run.variant, Study.model)))  # type: ignore[attr-defined]
        )
    return _page(session, wanted, col(Run.id), cursor, limit)


def measurements(session: Session, run_ids: Sequence[str]) -> Sequence[MeasurementRow]:
    """What the reports that count say, for some runs."""
    return _reported(session, MeasurementRow, run_ids)


def effects(session: Session, run_ids: Sequence[str]) -> Sequence[EffectRow]:
    """Effects of the reports that count, for some runs."""
    return _reported(session, EffectRow, run_ids)


def samples(session: Session, run_id: str) -> Sequence[SampleRow]:
    """Raw samples of the report that counts, for one run."""
    return _reported(session, SampleRow, [run_id])


def samples_of(session: Session, run_ids: Sequence[str], metric: str, phase: str) -> Sequence[SampleRow]:
    """Raw samples of one quantity of the reports that count, for some runs."""
    statement = (
        select(SampleRow)
        .join(Run, and_(col(Run.id) == col(SampleRow.run_id), col(Run.result_token) == col(SampleRow.token)))
        .where(col(SampleRow.run_id).in_(run_ids), col(SampleRow.metric) == metric, col(SampleRow.phase) == phase)
        .order_by(col(SampleRow.id))
    )
    return session.execute(statement).scalars().all()


def ceilings_of_runs(session: Session, run_ids: Sequence[str]) -> Sequence[tuple[str, JsonValue]]:
    """For runs whose device has measured ceilings, the run's id and the ceilings."""
    statement = (
        select(col(Run.id), col(CeilingsRow.measured))
        .join(CeilingsRow, col(CeilingsRow.device_id) == col(Run.device_id))
        .where(col(Run.id).in_(run_ids), col(CeilingsRow.received_at).is_not(None))
    )
    return [(run, measured) for run, measured in session.execute(statement).all()]


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


def events_after(
    session: Session, after: int, *, kinds: Sequence[str] = (), run_id: str | None = None, limit: int = 500
) -> Sequence[Event]:
    """What happened after an event to any study, in order; optionally of some kinds only, or to one run."""
    statement = select(Event).where(col(Event.id) > after)
    if kinds:
        statement = statement.where(col(Event.kind).in_(kinds))
    if run_id is not None:
        statement = statement.where(col(Event.run_id) == run_id)
    return session.execute(statement.order_by(col(Event.id)).limit(limit)).scalars().all()


def newest_event(session: Session) -> int:
    """Number of the newest event of all; 0 before the first."""
    return session.execute(select(func.max(Event.id))).scalar_one() or 0


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
