"""Writes down what happens to runs, in order; open pages replay it as server-sent events.

Numbers of events rise in the order in which they become visible: who has seen number N has seen all below it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from app.db.session import in_turn
from app.db.tables import Event, Run, Study
from workers.catalog.lease import Limits, Progress

TERMINAL = frozenset({"done", "cancelled", "quarantined", "expired"})
"""States that a run does not leave by itself."""
TAIL_BYTES = Limits().tail_bytes
"""Log text kept for one run; the oldest lines go first."""


def run_changed(session: Session, run: Run, at: float) -> None:
    """A run has another state."""
    _add(session, run.study_id, run.id, "state", {**_whose(run), "state": run.state, "outcome": run.outcome}, at)


def study_changed(session: Session, study: Study, at: float) -> None:
    """A study has another state."""
    _add(session, study.id, None, "study", {"study": study.id, "state": study.state}, at)


def progressed(session: Session, run: Run, progress: Progress, study_fraction: float, at: float) -> None:
    """A run got further; only the last word of each run is kept."""
    session.execute(delete(Event).where(col(Event.run_id) == run.id, col(Event.kind) == "progress"))
    data = {**_whose(run), **progress.model_dump(), "study_fraction": study_fraction}
    _add(session, run.study_id, run.id, "progress", data, at)


def prioritised(session: Session, study: Study, run: Run | None, priority: int, at: float) -> None:
    """A run has another priority; without one, all of a study that had not ended."""
    data = {"study": study.id, **(_whose(run) if run else {}), "priority": priority}
    _add(session, study.id, run.id if run else None, "priority", data, at)


def logged(session: Session, run: Run, lines: Sequence[str], at: float) -> None:
    """The program of a run wrote lines; what no longer fits into the log's last part goes."""
    size = sum(len(line.encode()) + 1 for line in lines)
    _add(session, run.study_id, run.id, "log", {**_whose(run), "lines": list(lines)}, at, size)
    session.flush()
    mine = (col(Event.run_id) == run.id, col(Event.kind) == "log")
    total = session.execute(select(func.sum(Event.size)).where(*mine)).scalar_one()
    excess = int(total) - TAIL_BYTES
    if excess <= 0:
        return
    oldest = session.execute(select(col(Event.id), col(Event.size)).where(*mine).order_by(col(Event.id))).all()
    session.execute(delete(Event).where(col(Event.id).in_(_until(oldest, excess))))


def visible(text: str) -> str:
    """Text from a program without the control characters that terminals and databases act on."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or not _controls(character) else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _controls(character: str) -> bool:
    return character < " " or "\x7f" <= character < "\xa0"


def _until(rows: Iterable[Any], excess: int) -> list[int]:
    gone: list[int] = []
    for number, size in rows:
        if excess <= 0:
            break
        gone.append(number)
        excess -= size
    return gone


def _whose(run: Run) -> dict[str, Any]:
    return {"run": run.id, "variant": run.variant}


def _add(
    session: Session, study_id: str, run_id: str | None, kind: str, data: dict[str, Any], at: float, size: int = 0
) -> None:
    in_turn(session)
    session.add(Event(study_id=study_id, run_id=run_id, kind=kind, data=data, size=size, at=at))
