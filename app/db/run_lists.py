"""Lists of runs: by typed filters, in an order of a whitelist, a page at a time by keyset; and what the queue is made of.

Columns that only one run's own page shows are never read here, so that a page stays quick whatever reports were like.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from app.db import cursor as cursors
from app.db.queries import Page
from app.db.queued import QUEUE_ORDER
from app.db.tables import DeviceRow, Run, Study, Worker
from workers.catalog.report import Outcome
from workers.catalog.technique import DeviceKind

RunState = Literal["queued", "leased", "running", "cancelling", "done", "cancelled", "quarantined", "expired"]
Standing = Literal[
    "queued", "leased", "running", "cancelling", "done", "cancelled", "quarantined", "expired", "held", "ended"
]
"""A state, or all in which a worker holds the run, or all that a run does not leave by itself."""
Sort = Literal["-created", "created", "-finished", "queue"]
"""Newest first, oldest first, last finished first, or as queued runs will be taken."""

HELD: tuple[RunState, ...] = ("leased", "running", "cancelling")
ENDED: tuple[RunState, ...] = ("done", "cancelled", "quarantined", "expired")
_UNREAD = (Run.spec, Run.tail, Run.notes, Run.proofs, Run.bottlenecks)


PLACES: dict[Sort, tuple[Any, ...]] = {
    "-created": (col(Run.id),),
    "created": (col(Run.id),),
    "-finished": (col(Run.finished_at), col(Run.id)),
    "queue": (col(Run.priority), col(Run.study_id), col(Run.position)),
}
"""What a page of each sort goes on behind."""
ORDERS: dict[Sort, tuple[Any, ...]] = {
    "-created": (col(Run.id).desc(),),
    "created": (col(Run.id),),
    "-finished": (col(Run.finished_at).desc(), col(Run.id).desc()),
    "queue": QUEUE_ORDER,
}
_SHAPES: dict[Sort, cursors.Shape] = {
    "-created": (cursors.an_id,),
    "created": (cursors.an_id,),
    "-finished": (cursors.a_number, cursors.an_id),
    "queue": (cursors.a_count, cursors.an_id, cursors.a_count),
}


class Wanted(NamedTuple):
    """Which runs a list is of."""

    state: Standing | None = None
    device: DeviceKind | None = None
    outcome: Outcome | None = None
    study: str | None = None

    def states(self) -> tuple[RunState, ...]:
        """The states it names; none when it takes all."""
        if self.state is None:
            return ()
        return HELD if self.state == "held" else ENDED if self.state == "ended" else (self.state,)


class Listed(NamedTuple):
    """One run of a list, with what its row names."""

    run: Run
    study: Study
    worker: str | None
    hardware: str | None
    """Name of the device that took it last."""


class Earlier(NamedTuple):
    """A run that went well, to judge others by."""

    seconds: float
    point: dict[str, int]


def listed(
    session: Session, wanted: Wanted, *, sort: Sort = "-created", cursor: str | None = None, limit: int = 50
) -> Page:
    """Runs, a page at a time; the page's items are ``Listed``.

    Args:
        session: reads.
        wanted: which.
        sort: "queue" lists queued runs only, "-finished" only such as have ended.
        cursor: where an earlier page of the same sort ended.
        limit: how many.

    Raises:
        Invalid: the cursor is not one that an earlier page of this sort gave.
    """
    # The places alone first: what a row shows is then looked up for one page, whatever the list is like.
    statement = select(col(Run.id), *PLACES[sort]).where(*_conditions(wanted, sort)).order_by(*ORDERS[sort])
    if cursor is not None:
        statement = statement.where(_beyond(sort, cursors.read(cursor, sort, _SHAPES[sort])))
    found = session.execute(statement.limit(limit + 1)).all()
    ids = [row[0] for row in found[:limit]]
    rows = {row.Run.id: Listed(*row) for row in session.execute(_rows().where(col(Run.id).in_(ids))).all()}
    more = cursors.written(sort, found[limit - 1][1:]) if len(found) > limit else None
    return Page([rows[run_id] for run_id in ids], more)


def held(session: Session, device: DeviceKind | None = None) -> Sequence[Listed]:
    """Runs that a worker holds, the longest held first. At most one for each device."""
    statement = _rows().where(*_conditions(Wanted(state="held", device=device)))
    return [Listed(*row) for row in session.execute(statement.order_by(col(Run.started_at), col(Run.id))).all()]


def queued(session: Session) -> dict[str, int]:
    """How many runs are queued for each kind of device."""
    statement = select(col(Run.device_kind), func.count()).where(col(Run.state) == "queued").group_by(Run.device_kind)
    found: dict[str, int] = dict(session.execute(statement).all())
    return found


def priorities_queued(session: Session, kind: str) -> tuple[int, int] | None:
    """The highest and the lowest priority of the runs queued for a kind of device; None when there are none."""
    ends = select(func.max(Run.priority), func.min(Run.priority))
    highest, lowest = session.execute(ends.where(col(Run.state) == "queued", col(Run.device_kind) == kind)).one()
    return None if highest is None else (highest, lowest)


def earlier(session: Session, like: Study, studies: int = 50) -> Sequence[Earlier]:
    """The runs that went well of the newest studies with the same model, workload, device kind and effort."""
    same = [getattr(Study, name) == getattr(like, name) for name in ("model", "workload", "device", "effort")]
    newest = session.execute(select(col(Study.id)).where(*same).order_by(col(Study.id).desc()).limit(studies))
    # By study first: few are like it, while most runs of all went well.
    statement = select(col(Run.outcome), col(Run.seconds), col(Run.point))
    found = session.execute(statement.where(col(Run.study_id).in_(newest.scalars().all()))).all()
    return [Earlier(seconds, point) for outcome, seconds, point in found if outcome == "ok" and seconds]


def _rows() -> Select[Run, Study, str, str]:
    return (
        select(Run, Study, col(Worker.name), col(DeviceRow.name))
        .join(Study, col(Study.id) == col(Run.study_id))
        .outerjoin(Worker, col(Worker.id) == col(Run.worker_id))
        .outerjoin(DeviceRow, col(DeviceRow.id) == col(Run.device_id))
        .options(*(defer(column, raiseload=True) for column in _UNREAD), defer(Study.spec, raiseload=True))  # type: ignore[arg-type]
    )


def _conditions(wanted: Wanted, sort: Sort | None = None) -> list[ColumnElement[bool]]:
    """What the runs of a list have."""
    states = wanted.states()
    found: list[ColumnElement[bool]] = []
    if sort == "queue":
        found.append(col(Run.state) == "queued")
    if sort == "-finished":
        found.append(col(Run.finished_at).is_not(None))
    if wanted.state == "ended":
        # Exactly these have an end, and an index in the order of their ends.
        found.append(col(Run.finished_at).is_not(None))
    elif states:
        found.append(col(Run.state) == states[0] if len(states) == 1 else col(Run.state).in_(states))
    if wanted.device is not None:
        found.append(col(Run.device_kind) == wanted.device)
    if wanted.outcome is not None:
        found.append(col(Run.outcome) == wanted.outcome)
    if wanted.study is not None:
        found.append(col(Run.study_id) == wanted.study)
    return found


def _beyond(sort: Sort, place: list[Any]) -> Any:
    """Of runs behind a place; the first condition alone lets the database begin there in its index."""
    if sort == "-created":
        return col(Run.id) < place[0]
    if sort == "created":
        return col(Run.id) > place[0]
    if sort == "-finished":
        at, run_id = place
        finished = col(Run.finished_at)
        return and_(finished <= at, or_(finished < at, col(Run.id) < run_id))
    priority, study, position = place
    rank, of, number = col(Run.priority), col(Run.study_id), col(Run.position)
    return and_(rank <= priority, or_(rank < priority, of > study, and_(of == study, number > position)))
