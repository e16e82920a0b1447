"""The team's devices as planner and guide see them."""

from collections import Counter

from sqlmodel import Session

from app.db import device_lists
from app.devices import hardware
from app.devices.hardware import ShownHardware
from app.planner.calibration import Calibration
from app.planner.learnt import calibrations
from app.planner.machines import Machine, of_hardware
from app.results.columns import Table
from workers.catalog.technique import DeviceKind


def machines(session: Session, table: Table | None = None, present: DeviceKind | None = None) -> tuple[Machine, ...]:
    """Those whose ceilings were measured, present ones first; of those of one name the first.

    Args:
        session: reads.
        table: all results, from which decoding is calibrated; None leaves that out.
        present: only those of this kind that have a worker now.
    """
    every = hardware.devices(session)
    named = Counter(one.name for one in every)
    devices = [one for one in every if present is None or (one.present and one.kind == present)]

    def learnt(one: ShownHardware) -> dict[str, Calibration] | None:
        if table is None:
            return None
        # Processors of virtual machines share a name, and not what they are given.
        runs = device_lists.run_ids(session, one.id) if named[one.name] > 1 else None
        return calibrations(table, one.name, runs)

    found = (of_hardware(one, learnt(one)) for one in devices)
    return tuple({one.title: one for one in reversed([*filter(None, found)])}.values())[::-1]
