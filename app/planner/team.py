"""The team's devices as the planner sees them."""

from sqlmodel import Session

from app.devices import hardware
from app.planner.machines import Machine, of_hardware
from workers.catalog.technique import DeviceKind


def machines(session: Session, present: DeviceKind | None = None) -> tuple[Machine, ...]:
    """Those whose ceilings were measured, present ones first.

    Args:
        session: reads.
        present: only those of this kind that have a worker now.
    """
    devices = [one for one in hardware.devices(session) if present is None or (one.present and one.kind == present)]
    return tuple(found for one in devices if (found := of_hardware(one)))
