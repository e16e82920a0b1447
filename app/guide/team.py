"""What the team measured, as the guide's evidence in a situation."""

from app.guide.evidence import Measured
from app.guide.known_here import FIGURES, measurements
from app.guide.situation import Situation
from app.knowledge.cases import Cases, measured
from app.planner.machines import Machine
from app.results.columns import Table


def evidence(table: Table, situation: Situation, own: tuple[Machine, ...]) -> tuple[Measured, ...]:
    """Everything that was measured, as rows of evidence.

    Args:
        table: all results.
        situation: what is asked.
        own: the team's devices.
    """
    cases = Cases(table, measured(table), tuple(FIGURES))
    by_name = {device.title: device for device in own}
    return measurements((cases.case(number) for number in range(cases.count)), situation, by_name)
