"""What a run brings back: outcome, measurements, effects, raw samples, proofs, environment. Plain data, JSON both ways."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from workers.catalog.declared import Paper

Outcome = Literal[
    "ok",
    "oom_device",
    "oom_host",
    "timeout_start",
    "timeout_run",
    "timeout_no_progress",
    "crashed",
    "error",
    "unsupported",
    "invalid",
    "killed_unknown",
]
Arm = Literal["baseline", "variant"]
Verdict = Literal["faster", "slower", "smaller", "larger", "better", "worse", "same", "undecided"]
Ran = Literal["as_asked", "emulated", "fell_back"]

IMPROVES: frozenset[Verdict] = frozenset({"faster", "smaller", "better"})
WORSENS: frozenset[Verdict] = frozenset({"slower", "larger", "worse"})

Name = Annotated[str, Field(max_length=100)]
Text = Annotated[str, Field(max_length=20_000)]


class Measurement(Paper):
    """Samples and summary of one metric in one phase of one arm, in base units."""

    metric: Name
    phase: Name
    arm: Arm
    value: float
    low: float
    """Lower end of the 95 % interval; equal to ``value`` for exact counts."""
    high: float
    unit: Name
    n: int = Field(ge=1)
    """Samples behind the value (processes times steps, or items)."""
    effective_n: float | None = None
    """``n`` corrected for autocorrelation, where samples come in time."""
    q1: float | None = None
    """Lower quartile of the samples of all processes; with ``q3`` their spread. None for what has no samples of its own."""
    q3: float | None = None
    definition: int = Field(1, ge=1)
    """Version of the metric's definition that was followed."""


class Effect(Paper):
    """Variant over baseline for one metric in one phase."""

    metric: Name
    phase: Name
    ratio: float
    low: float
    high: float
    verdict: Verdict = "undecided"
    """What this run alone says; a study that makes many comparisons may say less (``comparison``)."""
    pairs: int = Field(ge=1)
    """Pairs of fresh processes behind the ratio."""
    p_value: float | None = Field(None, ge=0, le=1)
    """Two-sided probability of a ratio as far from 1 if there were no difference; None for counters that repeat."""
    method: Name | None = None
    """How the interval was found ("paired bootstrap over 512 items", "moderated t over 3 pairs")."""


class Samples(Paper):
    """Raw values of one metric from one process, in the order in which they were taken."""

    metric: Name
    phase: Name
    arm: Arm
    pair: int = Field(ge=0)
    warm_up: bool = False
    contended: bool = False
    """Whether others disturbed the machine so much that the pair was measured again; then no summary counts them."""
    values: tuple[float, ...]


class Timeline(Paper):
    """One quantity over the time of one step or one sitting."""

    metric: Name
    phase: Name
    arm: Arm
    at_s: tuple[float, ...] = Field(max_length=20_000)
    """Seconds since its beginning, rising."""
    values: tuple[float, ...] = Field(max_length=20_000)
    """In the metric's base unit, one for each time."""


class Kernel(Paper):
    """One operator or device kernel of a profiled step."""

    arm: Arm
    name: Annotated[str, Field(max_length=500)]
    device: Literal["cpu", "cuda"]
    calls: int = Field(ge=1)
    seconds: float = Field(ge=0)
    """Its own time in the step, without that of what it calls."""


class Artifact(Paper):
    """A file that a run brings back, to be downloaded."""

    name: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    arm: Arm
    media_type: Name
    data: Annotated[str, Field(max_length=4_000_000)]
    """Its bytes, compressed with gzip, in base64."""


BottleneckClass = Literal["compute", "bandwidth", "communication", "overhead", "unclear"]


class Bottleneck(Paper):
    """What binds one phase of one arm: claimed when the roofline says so and a change of the work confirms it."""

    arm: Arm
    phase: Name
    kind: BottleneckClass
    headroom: float | None = Field(None, ge=0)
    """Latency over what it would be with every operator called and at its measured roof; None when a roof is not known."""
    sentence: Text
    evidence: dict[Name, float] = Field(default_factory=dict, max_length=40)
    """Shares of the time that each roof explains, and the growth of the time with twice the batch: measured, and expected."""


class Proof(Paper):
    """What was asked against what ran, for one technique of one arm."""

    technique: Name
    arm: Arm
    ran: Ran
    detail: Text
    simulated: bool = False
    """Whether only values were rounded as the technique rounds them: quality is measured, time, memory and energy are not."""


class Report(Paper):
    """What a run brings back."""

    version: Literal[1] = 1
    outcome: Outcome
    phase: Name | None = None
    """Where the run ended when it did not end well: load, convert, first_call, warm_up, measure, memory, quality."""
    arm: Arm | None = None
    message: Text | None = None
    """One or two sentences for a person: why the outcome is what it is."""
    tail: Text | None = None
    """The last lines the program wrote, for outcomes that need them."""
    signal: int | None = None
    measurements: tuple[Measurement, ...] = Field((), max_length=2_000)
    effects: tuple[Effect, ...] = Field((), max_length=1_000)
    samples: tuple[Samples, ...] = Field((), max_length=5_000)
    timelines: tuple[Timeline, ...] = Field((), max_length=100)
    kernels: tuple[Kernel, ...] = Field((), max_length=1_000)
    """Of the profiled step, by time; empty unless the order asked for a profile."""
    artifacts: tuple[Artifact, ...] = Field((), max_length=8)
    proofs: tuple[Proof, ...] = Field((), max_length=100)
    bottlenecks: tuple[Bottleneck, ...] = Field((), max_length=40)
    environment: dict[Name, JsonValue] = Field(default_factory=dict)
    unmet: tuple[Text, ...] = ()
    """Criteria of the protocol that were not reached, each in a sentence ("interval ±3.1 %, goal ±2 %")."""
    notes: tuple[Text, ...] = ()
    """What a reader must know: contention seen, arms measured one after the other, samples too short."""
    seconds: float = Field(0.0, ge=0)
    """Wall time of the whole sitting."""


WORST_FIRST: tuple[Ran, ...] = ("fell_back", "emulated", "as_asked")


def ran_as(proofs: Iterable[Proof], arm: Arm | None = None) -> Ran | None:
    """What ran against what was asked, in one word: the worst that any technique says.

    Args:
        proofs: What the techniques of a run say.
        arm: Whose techniques count; None takes both arms, because a ratio is as wrong by either.

    Returns:
        None when no technique says anything: none was asked for, or the run ended before they were looked at.
    """
    said = {proof.ran for proof in proofs if arm in (None, proof.arm)}
    return next((ran for ran in WORST_FIRST if ran in said), None)


STATE = "state."
"""Fields of an environment whose names begin so change while a machine runs; all others say what it is."""


def digest(environment: dict[str, JsonValue]) -> str:
    """A short fingerprint of a machine and its software, equal for equal fields whatever their state."""
    lasting = {name: value for name, value in environment.items() if not name.startswith(STATE)}
    text = json.dumps(lasting, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
