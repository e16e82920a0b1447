"""What the guide knows of the team: its devices with measured ceilings, and what it measured in a situation's phase."""

from sqlmodel import Session

from app.devices import hardware
from app.errors import Invalid
from app.guide.device import Device, of_ceilings
from app.guide.evidence import Measured
from app.guide.known_here import FIGURES, measurements
from app.guide.situation import Situation
from app.knowledge.cases import Cases, measured
from app.results.columns import Table


def devices(session: Session) -> tuple[Device, ...]:
    """Those whose ceilings were measured, present ones first."""
    found = []
    for one in hardware.devices(session):
        if one.ceilings is None:
            continue
        try:
            found.append(of_ceilings(one.name, one.memory, one.ceilings, one.datasheet))
        except Invalid:
            # Ceilings without bandwidth or products: the device cannot be reckoned with, and its page says what is missing.
            continue
    return tuple({one.name: one for one in reversed(found)}.values())[::-1]


def evidence(table: Table, situation: Situation, own: tuple[Device, ...]) -> tuple[Measured, ...]:
    """Everything that was measured, as rows of evidence.

    Args:
        table: all results.
        situation: what is asked.
        own: the team's devices.
    """
    cases = Cases(table, measured(table), tuple(FIGURES))
    by_name = {device.name: device for device in own}
    return measurements((cases.case(number) for number in range(cases.count)), situation, by_name)
