"""What bound the runs of some workloads, the newest first."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue
from sqlalchemy import or_, select
from sqlmodel import Session, col

from app.db.tables import Run, Study


class BoundRun(NamedTuple):
    """One run that ended well, with what its report says binds it."""

    run: str
    variant: str
    model: str
    workload: str
    device: str
    """Kind of device."""
    bottlenecks: JsonValue


def newest(session: Session, workloads: Sequence[str], limit: int, studies: int = 100) -> list[BoundRun]:
    """Runs of these workloads that did what was asked; some may say of nothing that it binds them.

    Args:
        session: reads.
        workloads: words.
        limit: how many.
        studies: in how many of the newest studies to look, so that the question costs the same however many there are.
    """
    looked_at = session.execute(
        select(col(Study.id)).where(col(Study.workload).in_(workloads)).order_by(col(Study.id).desc()).limit(studies)
    )
    columns = (Run.id, Run.variant, Study.model, Study.workload, Run.device_kind, Run.bottlenecks)
    rows = session.execute(
        select(*(col(column) for column in columns))
        .join(Study, col(Run.study_id) == col(Study.id))
        .where(col(Run.study_id).in_(looked_at.scalars().all()), col(Run.outcome) == "ok")
        .where(or_(col(Run.ran).is_(None), col(Run.ran) != "fell_back"))
        .order_by(col(Run.id).desc())
        .limit(limit)
    )
    return [BoundRun(*row) for row in rows]
