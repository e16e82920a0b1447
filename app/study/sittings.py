"""What one run brought, both arms side by side: parts of its memory, memory over time, when it has paid back."""

from typing import cast

from sqlmodel import Session

from app.db import packed, queries, reported
from app.frozen import Frozen
from app.study import comparison, samples
from app.study.comparison import ComparedRun, Comparison
from app.study.pareto import Reading
from app.study.samples import Samples
from workers.catalog import metrics
from workers.catalog.report import Arm

ANATOMY = "memory.peak."
"""Metrics of the parts that a phase's peak is made of begin so."""
COUNTED = "memory.exact."
"""The same where a peak was counted and not measured (effort exact); a run has one or the other."""
COUNTED_AS = {"weights": "parameters", "optimizer_states": "optimizer"}
"""What counted parts are called that have another name."""
PARTS = ("weights", "gradients", "optimizer_states", "activations", "kv_cache", "temporary", "other")
"""Parts of a peak in the order in which they are stacked: what stays longest lies lowest."""
HELD = "memory.allocated"
"""Timeline of the bytes held by tensors."""
ARMS: tuple[Arm, ...] = ("baseline", "variant")


class Stack(Frozen):
    """The parts of one peak, all held at the same moment."""

    phase: str
    arm: Arm
    readings: dict[str, Reading]
    """Of each part, in bytes."""

    @property
    def parts(self) -> dict[str, float]:
        """The value of each part."""
        return {part: reading.value for part, reading in self.readings.items()}

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.parts.values())


class Series(Frozen):
    """One quantity over time."""

    metric: str
    phase: str
    arm: Arm
    at_s: tuple[float, ...]
    values: tuple[float, ...]


class Sitting(Frozen):
    """One run, for its page and its charts."""

    run: ComparedRun
    baseline: str
    stacks: tuple[Stack, ...]
    """Empty when no peak was taken apart."""
    series: tuple[Series, ...]
    raw: tuple[Samples, ...]
    """Every raw value, in the order in which the report brought them."""
    calls_to_break_even: float | None
    """Calls after which the variant's extra one-off cost has paid back; None where it does not, or was not told."""

    def arm_name(self, arm: Arm) -> str:
        """How a reader knows an arm."""
        if arm == "baseline":
            return self.baseline
        return f"{self.run.variant} again" if self.run.is_baseline else self.run.variant


def of_run(session: Session, run_id: str) -> tuple[Comparison, Sitting]:
    """A stored run, and the study it belongs to.

    Raises:
        NotFound: there is none with this id.
    """
    study = queries.study(session, queries.run(session, run_id).study_id)
    compared = comparison.of_study(session, study)
    run = next(run for run in compared.runs if run.run == run_id)
    series = tuple(
        Series(
            metric=row.metric,
            phase=row.phase,
            arm=cast(Arm, row.arm),
            at_s=packed.moments(row),
            values=packed.values(row),
        )
        for row in reported.timelines(session, run_id)
    )
    raw = tuple(taken for taken in samples.of_run(session, run_id) if taken.values)
    return compared, sitting(compared, run, series, raw)


def sitting(
    compared: Comparison, run: ComparedRun, series: tuple[Series, ...] = (), raw: tuple[Samples, ...] = ()
) -> Sitting:
    """What a run of a comparison shows by itself."""
    return Sitting(
        run=run,
        baseline=compared.baseline,
        stacks=tuple(stack for phase in phases(run) for arm in ARMS if (stack := stack_of(run, arm, phase))),
        series=series,
        raw=raw,
        calls_to_break_even=next(
            (reading.value for key, reading in run.readings.items() if key.startswith(f"{metrics.BREAK_EVEN.name}@")),
            None,
        ),
    )


def stack_of(run: ComparedRun, arm: Arm, phase: str) -> Stack | None:
    """The parts of a phase's peak; None when it was not taken apart."""
    readings = run.beside if arm == "baseline" else run.readings
    found = {
        part: readings.get(f"{ANATOMY}{part}@{phase}") or readings.get(f"{COUNTED}{COUNTED_AS.get(part, part)}@{phase}")
        for part in PARTS
    }
    held = {part: reading for part, reading in found.items() if reading is not None}
    return Stack(phase=phase, arm=arm, readings=held) if held else None


def phases(run: ComparedRun) -> tuple[str, ...]:
    """Phases whose peak was taken apart, in the order in which they were measured."""
    keys = (*run.beside, *run.readings)
    return tuple(dict.fromkeys(key.partition("@")[2] for key in keys if key.startswith((ANATOMY, COUNTED))))
