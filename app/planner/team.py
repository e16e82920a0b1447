"""The team's devices as planner and guide see them."""

from sqlmodel import Session

from app.devices import hardware
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
    devices = [one for one in hardware.devices(session) if present is None or (one.present and one.kind == present)]
    found = (of_hardware(one, calibrations(table, one.name) if table is not None else None) for one in devices)
    return tuple({one.title: one for one in reversed([*filter(None, found)])}.values())[::-1]
