"""Raw samples of runs, from the reports that count, for the charts and tables that show them one by one."""

from collections.abc import Sequence

from sqlmodel import Session

from app.db import packed, reported
from app.db.tables import SampleRow
from app.frozen import Frozen
from workers.catalog.report import Arm


class Samples(Frozen):
    """Raw values of one metric from one process, in the order in which they were taken."""

    metric: str
    phase: str
    arm: Arm
    pair: int
    warm_up: bool
    contended: bool
    """Whether others disturbed the pair, which was measured again; these values are in no summary."""
    values: tuple[float, ...]
    """In the metric's base unit."""


def of_run(session: Session, run_id: str) -> tuple[Samples, ...]:
    """Every raw value of one run, in the order in which its report brought them."""
    return tuple(_samples(row) for row in reported.samples(session, run_id))


def of_runs(session: Session, runs: Sequence[str], metric: str, phase: str) -> dict[str, tuple[Samples, ...]]:
    """The raw values of one quantity, by run, in the order in which the reports brought them.

    Args:
        session: the database.
        runs: ids of runs; those without such values are left out.
        metric: the quantity's metric.
        phase: the quantity's phase.
    """
    found: dict[str, list[Samples]] = {}
    for row in reported.samples_of(session, runs, metric, phase):
        found.setdefault(row.run_id, []).append(_samples(row))
    return {run: tuple(taken) for run, taken in found.items()}


def _samples(row: SampleRow) -> Samples:
    taken = row.model_dump(include=set(Samples.model_fields) - {"values"})
    return Samples(**taken, values=packed.values(row))
