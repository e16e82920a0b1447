"""What the reports that count brought, as it is stored. Rows of earlier reports of a run stay as history, and are not read."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from app.db import queries
from app.db.tables import ArtifactRow, EffectRow, KernelRow, MeasurementRow, Run, SampleRow, TimelineRow
from app.errors import NotFound

Row = TypeVar("Row")


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
    statement = _counting(SampleRow, run_ids).where(col(SampleRow.metric) == metric, col(SampleRow.phase) == phase)
    return session.execute(statement.order_by(col(SampleRow.id))).scalars().all()


def timelines(session: Session, run_id: str) -> Sequence[TimelineRow]:
    """Timelines of the report that counts, for one run."""
    return _reported(session, TimelineRow, [run_id])


def kernels(session: Session, run_id: str) -> Sequence[KernelRow]:
    """Kernels of the profiled step of the report that counts, longest first."""
    return sorted(_reported(session, KernelRow, [run_id]), key=lambda kernel: -kernel.seconds)


def artifacts(session: Session, run_id: str) -> Sequence[ArtifactRow]:
    """Files of the report that counts, without their data."""
    statement = _counting(ArtifactRow, [run_id]).options(defer(ArtifactRow.data, raiseload=True))  # type: ignore[arg-type]
    return session.execute(statement.order_by(col(ArtifactRow.name), col(ArtifactRow.arm))).scalars().all()


def artifact(session: Session, run_id: str, name: str, arm: str) -> ArtifactRow:
    """One file of the report that counts, with its data.

    Raises:
        NotFound: there is no such run, or its report brought no such file.
    """
    found = queries.run(session, run_id)
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


def _reported(session: Session, table: type[Row], run_ids: Sequence[str]) -> Sequence[Row]:
    rows: Any = table
    return session.execute(_counting(table, run_ids).order_by(rows.id)).scalars().all()


def _counting(table: type[Row], run_ids: Sequence[str]) -> Select[Row]:
    """Rows of the reports that count."""
    rows: Any = table
    same = and_(col(Run.id) == rows.run_id, col(Run.result_token) == rows.token)
    return select(table).join(Run, same).where(rows.run_id.in_(run_ids))
