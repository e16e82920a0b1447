"""What a run brings back: outcome, measurements, effects, raw samples, proofs, environment. Plain data, JSON both ways."""

import hashlib
import json
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


class Effect(Paper):
    """Variant over baseline for one metric in one phase."""

    metric: Name
    phase: Name
    ratio: float
    low: float
    high: float
    verdict: Verdict = "undecided"
    pairs: int = Field(ge=1)
    """Pairs of fresh processes behind the ratio."""


class Samples(Paper):
    """Raw values of one metric from one process, in the order in which they were taken."""

    metric: Name
    phase: Name
    arm: Arm
    pair: int = Field(ge=0)
    warm_up: bool = False
    values: tuple[float, ...]


class Proof(Paper):
    """What was asked against what ran, for one technique of one arm."""

    technique: Name
    arm: Arm
    ran: Ran
    detail: Text


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
    proofs: tuple[Proof, ...] = Field((), max_length=100)
    environment: dict[Name, JsonValue] = Field(default_factory=dict)
    unmet: tuple[Text, ...] = ()
    """Criteria of the protocol that were not reached, each in a sentence ("interval ±3.1 %, goal ±2 %")."""
    notes: tuple[Text, ...] = ()
    """What a reader must know: contention seen, arms measured one after the other, samples too short."""
    seconds: float = Field(0.0, ge=0)
    """Wall time of the whole sitting."""


STATE = "state."
"""Fields of an environment whose names begin so change while a machine runs; all others say what it is."""


def digest(environment: dict[str, JsonValue]) -> str:
    """A short fingerprint of a machine and its software, equal for equal fields whatever their state."""
    lasting = {name: value for name, value in environment.items() if not name.startswith(STATE)}
    text = json.dumps(lasting, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
