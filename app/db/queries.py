"""Every question about studies, runs, events and machines that changes nothing. Lists come newest first, a page at a time."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, and_, func, or_, select
from sqlmodel import Session, col

from app.db import cursor as cursors
from app.db.tables import Attempt, DeviceRow, Draft, Environment, Event, Run, Study, Tag, User, Worker
from app.errors import NotFound

PRESENT_S = 20.0
"""A worker that announced itself this lately is there; it does so every few seconds."""
LOOKED_AT = 20_000
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_DIGEST = re.compile(r"[0-9a-f]{16}")

Row = TypeVar("Row")


class Page(NamedTuple):
    """A part of a list and where it goes on."""

    items: Sequence[Any]
    next: str | None
    """Cursor of the following part; None at the end."""


class Happened(NamedTuple):
    """Events that were asked for, and how far all were looked at for them."""

    events: Sequence[Event]
    seen: int
    """Number of the last event that was looked at, asked for or not."""
    more: bool
    """Whether there are later ones."""


def ping(session: Session) -> None:
    """Ask something that every working database answers."""
    session.execute(select(1))


def study(session: Session, study_id: str) -> Study:
    """One study.

    Raises:
        NotFound: there is none with this id.
    """
    return _one(session, Study, study_id, "study")


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
    wanted = select(Draft).where(col(Draft.owner_id) == owner_id)
    return _page(session, wanted, Draft, cursor, limit)


def run(session: Session, run_id: str) -> Run:
    """One run.

    Raises:
        NotFound: there is none with this id.
    """
    return _one(session, Run, run_id, "run")


def environment(session: Session, environment_id: str) -> Environment:
    """One environment.

    Raises:
        NotFound: there is none with this id.
    """
    return _one(session, Environment, environment_id, "environment", _DIGEST)


def worker(session: Session, worker_id: str) -> Worker:
    """One worker.

    Raises:
        NotFound: there is none with this id.
    """
    return _one(session, Worker, worker_id, "worker")


def studies(
    session: Session, *, state: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page:
    """Studies, newest first; optionally in one state only, or with the tag of a key.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    wanted = select(Study)
    if state is not None:
        wanted = wanted.where(col(Study.state) == state)
    if tag is not None:
        wanted = wanted.join(Tag, and_(col(Tag.subject_id) == col(Study.id), col(Tag.key) == tag))
    return _page(session, wanted, Study, cursor, limit)


def workers(session: Session, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Workers, newest first.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    return _page(session, select(Worker), Worker, cursor, limit)


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


def studies_like(session: Session, study: Study, *, effort: str, limit: int) -> Sequence[Study]:
    """Studies of the same model and workload with an effort, newest first; the study itself may be one.

    Args:
        session: reads.
        study: what they are like.
        effort: theirs.
        limit: how many at most.
    """
    wanted = select(Study).where(
        col(Study.model) == study.model, col(Study.workload) == study.workload, col(Study.effort) == effort
    )
    return session.execute(wanted.order_by(col(Study.id).desc()).limit(limit)).scalars().all()


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
    wanted = select(Run).where(func.coalesce(Run.outcome, "") == "ok")
    if search:
        wanted = wanted.join(Study, col(Study.id) == col(Run.study_id)).where(
            or_(*(text.icontains(search, autoescape=True) for text in (Study.name, Run.variant, Study.model)))  # type: ignore[attr-defined]
        )
    return _page(session, wanted, Run, cursor, limit)


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
) -> Happened:
    """What happened after an event to any study, in order; optionally of some kinds only, or to one run.

    However few of the events are asked for, one question looks at no more than ``LOOKED_AT`` of all.
    """
    # First the newest: events become visible in the order of their numbers, so that nothing up to it comes later.
    newest = newest_event(session)
    until = min(newest, after + LOOKED_AT)
    statement = select(Event).where(col(Event.id) > after, col(Event.id) <= until)
    if kinds:
        statement = statement.where(col(Event.kind).in_(kinds))
    if run_id is not None:
        statement = statement.where(col(Event.run_id) == run_id)
    found = session.execute(statement.order_by(col(Event.id)).limit(limit)).scalars().all()
    if len(found) == limit:
        until = found[-1].id or until
    return Happened(found, max(after, until), until < newest)


def newest_event(session: Session) -> int:
    """Number of the newest event of all; 0 before the first."""
    return session.execute(select(func.max(Event.id))).scalar_one() or 0


def log_lines(session: Session, *, study_id: str | None = None, run_id: str | None = None) -> list[str]:
    """The last part of what the programs of a study, or of one run, wrote."""
    of = col(Event.study_id) == study_id if study_id is not None else col(Event.run_id) == run_id
    newest = select(col(Event.data)).where(of, col(Event.kind) == "log").order_by(col(Event.id).desc()).limit(200)
    parts = reversed(session.execute(newest).scalars().all())
    return [line for part in parts if isinstance(part, dict) for line in part["lines"]]


def _one(session: Session, table: type[Row], row_id: str, what: str, ids: re.Pattern[str] = _ID) -> Row:
    """A row by its id, which is only looked for where it can be one."""
    found = session.get(table, row_id) if ids.fullmatch(row_id) else None
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found


def _page(session: Session, wanted: Select[Any], table: Any, cursor: str | None, limit: int) -> Page:
    """The newest rows of a table, or those behind a cursor."""
    key, of = col(table.id), str(table.__tablename__)
    if cursor is not None:
        wanted = wanted.where(key < cursors.read(cursor, of, (cursors.an_id,))[0])
    items = session.execute(wanted.order_by(key.desc()).limit(limit + 1)).scalars().all()
    more = len(items) > limit
    return Page(items[:limit], cursors.written(of, (items[limit - 1].id,)) if more else None)
