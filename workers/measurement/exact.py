"""A sitting that measures nothing: the memory of a step of each arm, counted while its code runs on fake tensors."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from workers.catalog.lease import Progress
from workers.catalog.report import Arm, Report
from workers.catalog.spec import RunSpec
from workers.measurement import environment, summary
from workers.measurement.arms import ArmFailed, ArmProcess
from workers.measurement.messages import Order
from workers.measurement.record import Record

Tell = Callable[[Progress], None]
COUNTED = (
    "Counted, not measured: the model's code ran on tensors that have shapes and no values, so nothing was computed and no technique "
    "has proved that it acts. What the process takes besides its tensors is not in the figures."
)


def hold(spec: RunSpec, scratch: Path, tell: Tell) -> Report:
    """Count the memory of both arms; whatever happens is in the report.

    Args:
        spec: the run.
        scratch: an empty folder.
        tell: is told how far it is.
    """
    record = Record(spec)
    record.notes.append(COUNTED)
    began = time.monotonic()
    record.environment |= environment.host() | environment.state("start")
    failed: ArmFailed | None = None
    arms: tuple[Arm, ...] = get_args(Arm)
    try:
        for place, arm in enumerate(arms):
            tell(Progress(phase="memory", message=f"Counting the memory of the {arm}.", fraction=place / len(arms)))
            with ArmProcess(spec, arm, scratch / arm) as process:
                process.begin()
                record.take(arm, 0, process.wait())
                record.take(arm, 0, process.do(Order(deed="exact")))
                process.send(Order(deed="end"))
        tell(Progress(phase="report", message="Summing up.", fraction=1.0))
    except ArmFailed as error:
        failed = error
    record.environment |= environment.state("end")
    seconds = time.monotonic() - began
    return summary.broken(record, failed, seconds) if failed else summary.whole(record, seconds)
