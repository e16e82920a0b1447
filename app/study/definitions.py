"""Versions of metrics' definitions: a figure that followed another one than the catalogue's is a quantity of its own.

Under another definition the same work gives another number, so such figures share no axis, no column, no pool and no front. An
effect by itself holds: both arms of a run were measured by one program, which follows one version.
"""

from collections.abc import Iterable

from app.db.tables import MeasurementRow
from workers.catalog import metrics

Measured = tuple[str, str, str]
"""Run, metric and phase."""
FIRST = 1
"""The version of an effect without a value beside it."""


def now(metric: str) -> int:
    """The version of a metric of the catalogue."""
    return metrics.BY_NAME[metric].version


def apart(metric: str, version: int) -> str | None:
    """What sets a figure apart, in a few words: "definition 1, now 2".

    Args:
        metric: its name.
        version: of the definition that the figure followed.

    Returns:
        None for a figure of the catalogue's definition, and of a metric that the catalogue does not have.
    """
    if metric not in metrics.BY_NAME or version == now(metric):
        return None
    return f"definition {version}, now {now(metric)}"


def key(metric: str, phase: str, version: int) -> str:
    """How addresses and tables call a quantity: ``metric@phase``, or ``metric:version@phase`` where it is held apart."""
    return f"{metric}:{version}@{phase}" if apart(metric, version) else f"{metric}@{phase}"


def followed(measurements: Iterable[MeasurementRow]) -> dict[Measured, int]:
    """The version that each run followed for a metric in a phase; its effect names none, and followed the same."""
    return {(row.run_id, row.metric, row.phase): row.definition for row in measurements}
