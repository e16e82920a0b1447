"""The order: what a study asks for, and what one run of it is told to measure. Plain data, JSON both ways."""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workers.catalog.declared import Exact, Paper
from workers.catalog.evaluations import AnyEvaluation
from workers.catalog.models import AnyModel
from workers.catalog.technique import DeviceKind
from workers.catalog.techniques import AnyTechnique
from workers.catalog.workloads import AnyWorkload

MAX_RUNS = 200
"""Runs one study may have; a sweep multiplies."""

LINE_BREAKS = "\u2028\u2029"
DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of what follows, so that a name would read as another one."""

Effort = Literal["exact", "quick", "standard", "thorough"]
"""How much is measured; ``exact`` measures nothing: it counts the memory of a step on tensors that have none."""


def _plain(text: str) -> str:
    """Names are one line of visible text, shown in the order in which it was typed."""
    hidden = (c for c in text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in LINE_BREAKS or c in DIRECTION)
    if not text.strip() or any(hidden):
        raise PydanticCustomError("plain_text", "must be one line of visible text without control characters")
    return text.strip()


Title = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_plain)]
Point = dict[str, int]


class Variant(Paper):
    """One stack, with the name it has in tables and charts."""

    name: Title
    stack: tuple[AnyTechnique, ...] = Field(
        (), max_length=12, description="Techniques applied together; empty means the model as it is built."
    )


class PlannedRun(NamedTuple):
    """One run a study asks for."""

    variant: Variant
    is_baseline: bool
    """The baseline against itself: the null test."""
    point: Point
    spec: "RunSpec"


class RunSpec(Exact):
    """What the measuring program is told: one variant against the baseline at one point, in one sitting."""

    version: Literal[1] = 1
    model: AnyModel
    workload: AnyWorkload
    evaluation: AnyEvaluation | None = None
    baseline: Variant
    variant: Variant
    device: DeviceKind = "cpu"
    device_index: int = Field(0, ge=0, le=63)
    effort: Effort = "quick"
    profile: bool = Field(
        False, description="Also bring back one profiled step of each arm: kernels by time, and the trace."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @property
    def is_null_test(self) -> bool:
        """Whether baseline is measured against itself (A/A)."""
        return self.baseline.stack == self.variant.stack


class StudySpec(Exact):
    """A baseline and variants of one model and workload, and optionally a sweep."""

    name: Title
    model: AnyModel
    workload: AnyWorkload
    evaluation: AnyEvaluation | None = None
    baseline: Variant
    variants: tuple[Variant, ...] = Field((), max_length=64)
    sweep: dict[str, tuple[int, ...]] = Field(
        default_factory=dict, description="Values of workload fields; every combination is one point."
    )
    device: DeviceKind = "cpu"
    effort: Effort = "quick"
    profile: bool = Field(
        False, description="Also bring back one profiled step of each arm: kernels by time, and the trace."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @property
    def size(self) -> int:
        """How many runs the study has: at every point the null test and each variant."""
        return math.prod(len(values) for values in self.sweep.values()) * (1 + len(self.variants))

    def points(self) -> Iterator[Point]:
        """Every combination of the sweep's values; one empty point without a sweep."""
        for values in itertools.product(*self.sweep.values()):
            yield dict(zip(self.sweep, values, strict=True))

    def runs(self) -> Iterator[PlannedRun]:
        """The runs in the order in which they are queued: at each point the null test first.

        Raises:
            pydantic.ValidationError: a sweep value is out of the field's range; ``applicability`` finds it earlier.
        """
        for point in self.points():
            workload = type(self.workload).model_validate(self.workload.model_dump() | point)
            for variant in (self.baseline, *self.variants):
                spec = RunSpec(
                    model=self.model,
                    workload=workload,
                    evaluation=self.evaluation,
                    baseline=self.baseline,
                    variant=variant,
                    device=self.device,
                    effort=self.effort,
                    profile=self.profile,
                    seed=self.seed,
                )
                yield PlannedRun(variant, variant is self.baseline, point, spec)
