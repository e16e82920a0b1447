"""What the literature says techniques do, as rows of evidence, each with its setting, grade and source. Facts of ``priors.json``."""

import json
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from app.frozen import Frozen
from app.knowledge.sources import Grade, Source
from app.planner.roofline import Class
from workers.catalog.technique import DeviceKind

FILE = Path(__file__).parent / "priors.json"
Metric = Literal["time", "memory", "quality"]
METRICS: tuple[Metric, ...] = ("time", "memory", "quality")
WEIGHTS: dict[Grade, float] = {"A": 0.9, "B": 0.7, "C": 0.45, "D": 0.15}
"""How much a row counts beside one that was measured here, by its grade."""


class Setting(Frozen):
    """Where an effect was seen; what is None is not told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    """A task, a phase, or ``operator`` for a single operator."""
    regime: Class | None = None
    device: str | None = None
    generation: str | None = None
    kind: DeviceKind | None = None
    devices: int = 1
    model: str | None = None
    parameters: float | None = None
    batch: int | None = None
    sequence: int | None = None
    depthwise: bool | None = None


class Range(Frozen):
    """Low, middle and high of an effect: after over before for time and memory, relative loss for quality."""

    low: float
    mid: float
    high: float


class Prior(Frozen):
    """One row of the literature."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    says: str
    stack: tuple[str, ...]
    """Techniques that are turned on."""
    beside: tuple[str, ...] = ()
    """Techniques that stand in both arms."""
    setting: Setting
    effects: dict[Metric, Range]
    part: str | None = None
    """Part of memory that the effect is of; None for the peak."""
    measure: Literal["score", "perplexity"] = "score"
    """How quality was scored."""
    grade: Grade
    source: Source
    verdict: str | None = None
    contradicts: tuple[str, ...] = ()
    note: str | None = None


@cache
def priors() -> tuple[Prior, ...]:
    """All rows, in the order of the file."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}
    found = []
    for one in held["priors"]:
        effects = {
            metric: Range(low=low, mid=mid, high=high) for metric, (low, mid, high) in one["effects"].items()
        }  # fmt: skip
        found.append(Prior.model_validate(one | {"source": sources[one["source"]], "effects": effects}))
    return tuple(found)


@cache
def of_technique(word: str) -> tuple[Prior, ...]:
    """Rows in which a technique alone is turned on."""
    return tuple(one for one in priors() if one.stack == (word,))
