"""Brings an arm's counted work, its reaction to more work and the device's ceilings together: what binds each phase."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from workers.catalog.ceilings import Ceilings
from workers.catalog.report import Arm, Bottleneck
from workers.catalog.workload import Workload
from workers.measurement import roofline
from workers.measurement.probes.perturbation import Reaction
from workers.measurement.probes.work import Work
from workers.measurement.roofline import Growth, Stretch


def bottlenecks(
    arm: Arm, workload: Workload, counted: Work, reaction: Reaction, ceilings: Ceilings, dispatch_s: float
) -> Iterator[Bottleneck]:
    """One for the whole step, and one for each of its parts where there are several.

    Args:
        arm: Whose step it is.
        workload: Says what the parts are called.
        counted: The work of one eager step.
        reaction: What changing the work did.
        ceilings: What the device can do.
        dispatch_s: What calling one operator takes.
    """
    busy = ""
    if ceilings.contended:
        busy = (
            f"others kept {ceilings.contention:.0%} of the processors busy while the device's ceilings were measured."
        )
    elif reaction.contention >= roofline.BUSY:
        busy = f"others kept {reaction.contention:.0%} of the processors busy while more work was tried."
    if busy:
        reaction = dataclasses.replace(reaction, growth={}, repeated={}, why_not=busy)
    for phase, stretch in stretches(workload, counted).items():
        seconds = reaction.seconds.get(phase, 0.0)
        if seconds <= 0:
            continue
        growths = []
        if phase in reaction.growth and reaction.work is not None:
            more = stretches(workload, reaction.work).get(phase)
            if more is not None:
                growths.append(Growth(reaction.growth[phase], roofline.roof(more, ceilings, dispatch_s)))
        if phase in reaction.repeated:
            again = roofline.roof(roofline.repeated(stretch), ceilings, dispatch_s)
            growths.append(Growth(reaction.repeated[phase], again, "products"))
        found = roofline.find(
            "the step" if phase == workload.main_phase else phase,
            seconds,
            roofline.roof(stretch, ceilings, dispatch_s),
            growths,
            why_not=reaction.why_not,
            threads=reaction.threads.get(phase),
            issuing=reaction.issuing,
        )
        yield Bottleneck(
            arm=arm,
            phase=phase,
            kind=found.kind,
            headroom=None if ceilings.contended else found.headroom,
            sentence=found.sentence,
            evidence=found.evidence,
        )


def stretches(workload: Workload, counted: Work) -> dict[str, Stretch]:
    """The work by phase: the whole step, and its parts where there are several."""
    found = {workload.main_phase: counted.step}
    if len(workload.parts) > 1:
        found |= {part.phase: counted.parts[part.phase] for part in workload.parts if part.phase in counted.parts}
    return found
