"""Raw samples of a study's runs, for the charts that show them one by one."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from sqlmodel import Session

from app.db import packed, queries
from workers.catalog.report import Arm


class RunSamples(NamedTuple):
    """Raw values of one quantity from one process of a run, in the order in which they were taken."""

    run: str
    arm: Arm
    pair: int
    warm_up: bool
    contended: bool
    """Whether others disturbed the pair, which was measured again; these values are in no summary."""
    values: tuple[float, ...]


def of_runs(session: Session, runs: Sequence[str], metric: str, phase: str) -> tuple[RunSamples, ...]:
    """What the reports that count brought of one quantity, in the order in which they brought it.

    Args:
        session: the database.
        runs: ids of runs.
        metric: the quantity's metric.
        phase: the quantity's phase.
    """
    return tuple(
        RunSamples(row.run_id, cast(Arm, row.arm), row.pair, row.warm_up, row.contended, packed.values(row))
        for row in queries.samples_of(session, runs, metric, phase)
    )
