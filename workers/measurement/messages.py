"""What coordinator and arm say to each other: one order as a JSON line down the pipe, one answer as a JSON line back."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import JsonValue

from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Paper
from workers.catalog.metrics import Metric
from workers.catalog.report import Arm, Artifact, Bottleneck, Kernel, Outcome, Proof, Timeline
from workers.catalog.spec import RunSpec

Deed = Literal[
    "begin",
    "load",
    "convert",
    "first_call",
    "steps",
    "memory",
    "exact",
    "observe",
    "count",
    "outputs",
    "energy",
    "perturb",
    "profile",
    "end",
]


class Order(Paper):
    """What an arm is to do next."""

    deed: Deed
    spec: RunSpec | None = None
    """With ``begin``."""
    arm: Arm = "baseline"
    memory_limit: int | None = None
    """With ``begin``: bytes of data this process may allocate on the host."""
    samples: int = 1
    """With ``steps``."""
    inner: int = 1
    """With ``steps``: how many steps are timed together."""
    most_s: float = 3600.0
    """With ``steps``: when to stop before all samples are taken."""
    path: str = ""
    """With ``outputs`` and ``profile``: the file to write."""
    ceilings: Ceilings | None = None
    """With ``perturb``: what the device can do."""
    lead_s: float = 0.0
    """With ``energy``: how long to work before the window."""
    window_s: float = 0.0
    """With ``energy``: how long the window is at least."""
    tail_s: float = 0.0
    """With ``energy``: how long to go on after it."""


class Reading(Paper):
    """One value of one metric, in base units."""

    metric: str
    phase: str
    value: float

    @classmethod
    def of(cls, metric: Metric, phase: str, value: float) -> Self:
        """What was read of a metric in a phase."""
        return cls(metric=metric.name, phase=phase, value=float(value))


class Series(Paper):
    """Times of one metric in one phase, one per sample, in seconds."""

    metric: str
    phase: str
    values: tuple[float, ...]


class Worked(Paper):
    """A window of time in which an arm repeated its step, on the machine's monotonic clock."""

    began_s: float
    ended_s: float
    steps: int


class Failed(Paper):
    """Why an arm could not do what it was told."""

    outcome: Outcome
    message: str
    tail: str | None = None
    """The end of the traceback, for outcomes that need one."""


class Answer(Paper):
    """What came of one order; an arm that has failed answers nothing more."""

    failed: Failed | None = None
    readings: tuple[Reading, ...] = ()
    series: tuple[Series, ...] = ()
    proofs: tuple[Proof, ...] = ()
    environment: dict[str, JsonValue] = {}
    timelines: tuple[Timeline, ...] = ()
    """With ``memory``."""
    notes: tuple[str, ...] = ()
    formats: dict[str, dict[str, int]] = {}
    """With ``count``: FLOPs by phase and number format."""
    bottlenecks: tuple[Bottleneck, ...] = ()
    """With ``perturb``."""
    kernels: tuple[Kernel, ...] = ()
    """With ``profile``."""
    artifacts: tuple[Artifact, ...] = ()
    """With ``profile``."""
    worked: Worked | None = None
    """With ``energy``."""
    timer_s: float = 0.0
    """Time one reading of the clock takes; with ``begin``."""
