"""After how many calls a variant's one-off cost has been paid back by the time it saves in each. Pure functions."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator, default_rng

from workers.measurement.statistics import Array, Estimate, error

DRAWS = 4_000
TAIL = 0.025
"""Share of draws beyond each end of a 95 % interval."""

State = Literal["paid_back", "at_once", "never", "unsure"]
WORDS: dict[State, str] = {
    "never": "The variant's one-off cost is never paid back: a call takes no less time than the baseline's.",
    "unsure": "After how many calls the variant's one-off cost is paid back cannot be said: that it never is cannot be ruled out.",
}
"""Said where there is no number."""


class Uncertain(NamedTuple):
    """A positive quantity as its logarithm's centre and standard error."""

    logarithm: float
    error: float

    @classmethod
    def of(cls, estimate: Estimate) -> Uncertain:
        """Centre and error of an estimate whose interval lies about it as a logarithm's does."""
        return cls(math.log(estimate.value), error(estimate))


class BreakEven(NamedTuple):
    """When the one-off cost is paid back; a number only where there is one."""

    state: State
    """``at_once``: nothing to pay back. ``never``: no time is saved. ``unsure``: the interval holds paying and not paying."""
    calls: Estimate | None = None


def find(
    baseline_cold: Uncertain, variant_cold: Uncertain, latency: Uncertain, ratio: Uncertain, seed: int
) -> BreakEven:
    """Calls until variant and baseline have taken the same time in all.

    The one-off cost is what an arm takes until it is ready: load, convert, and what the first call takes beyond
    a usual one. Every call then saves latency x (1 - ratio).

    Args:
        baseline_cold: Seconds of the baseline's one-off cost.
        variant_cold: The same of the variant.
        latency: Seconds of one call of the baseline.
        ratio: Latency of the variant over that of the baseline.
        seed: Of the draws; equal inputs give equal answers.
    """
    random = default_rng(seed)
    extra = _draw(variant_cold, random) - _draw(baseline_cold, random)
    saved = _draw(latency, random) * (1.0 - _draw(ratio, random))
    # More to pay and nothing saved: never. Nothing to pay and something saved: at once. Nothing to pay and nothing saved is an
    # advantage that is used up, not a cost that is paid back, so it counts as never too.
    with np.errstate(divide="ignore", invalid="ignore"):
        calls = np.where(saved > 0, np.maximum(extra, 0.0) / saved, np.inf)
    # Draws themselves, nothing between two of them: some may be infinite.
    calls.sort()
    low, typical, high = (calls[max(0, math.ceil(share * DRAWS) - 1)] for share in (TAIL, 0.5, 1 - TAIL))
    if np.isinf(low):
        return BreakEven("never")
    if np.isinf(high):
        return BreakEven("unsure")
    found = Estimate(float(typical), float(low), float(high), 1, 1.0)
    return BreakEven("at_once" if high == 0 else "paid_back", found)


def _draw(quantity: Uncertain, random: Generator) -> Array:
    drawn: Array = np.exp(random.normal(quantity.logarithm, quantity.error, DRAWS))
    return drawn
