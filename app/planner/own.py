"""The team's devices as the planner sees them."""

from sqlmodel import Session

from app.devices import hardware
from app.planner.machines import Machine, of_hardware


def machines(session: Session) -> tuple[Machine, ...]:
    """Those whose ceilings were measured, present ones first."""
    return tuple(found for one in hardware.devices(session) if (found := of_hardware(one)))
