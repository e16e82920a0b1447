"""What samples say: medians with intervals, ratios over pairs of processes, verdicts. Pure functions over arrays.

Times are compared as logarithms, so that "twice as fast" and "half as fast" lie equally far from "same".
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.catalog import student

Array = NDArray[np.float64]

Z = 1.959964
"""Standard normal deviate of a two-sided 95 % interval."""
MAX_RHO = 0.98
RESAMPLES = 2_000
FARTHEST = 50.0
"""Logarithms beyond this are cut off: a ratio of e^50 says no more than "no idea"."""


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float
    p_value: float | None = None
    """Two-sided probability of a value as far from 1 if 1 were the truth; None where nothing says."""

    @property
    def half_width(self) -> float:
        """Half the interval as a share of the value."""
        return (self.high - self.low) / 2 / self.value if self.value else 0.0


class Spread(NamedTuple):
    """How far fresh processes are known to lie apart, as the standard deviation of a logarithm.

    It stands in for what one or a few pairs cannot show about themselves. ``weight`` says how many observed degrees of
    freedom it counts for.
    """

    deviation: float
    weight: int = 3

    def under(self, contention: float) -> Spread:
        """The same on a machine whose processors others keep busy for this share (0 to 1).

        On two cores that others wanted twice over, one-pair A/A runs of a small decoder lay up to 10 % apart although each
        was precise in itself: three times what it is on a quiet machine.
        """
        return self._replace(deviation=self.deviation * (1 + 2 * contention))


PAIRED = Spread(0.025)
"""Ratio of two arms that took turns. Repeated one-pair A/A runs of a 32 M decoder on two cores lay in 0.94-1.01 on a quiet
machine and in 0.93-1.04 with one core busy, a deviation of 2 to 3 %."""
APART = Spread(0.10)
"""Ratio of two arms measured one after the other, so that whatever changes on the machine meanwhile is in it."""
COLD = Spread(0.4)
"""Times that a process can show only once: load, convert, compile, first call. One pair tells a factor of 3.6 or more."""
RESIDENT = Spread(0.02)
"""Memory as the kernel or the driver sees it: page granularity, allocator's arenas, threads' stacks."""
METERED = Spread(0.02)
"""Energy of equal work in windows of seconds: the counter's jumps, and a die that is a few degrees warmer. What the sensor
itself is off by is the same for both arms."""


def effective_n(values: Array) -> float:
    """How many independent samples a series in time is worth: n (1 - rho) / (1 + rho).

    rho is the lag-1 autocorrelation of the ranks, so that a spike does not hide it, corrected for its bias in short
    series (Kendall 1954: (1 + 4 rho) / n too low).
    """
    n = len(values)
    if n < 3:
        return float(n)
    ranks = _ranks(values)
    ranks -= ranks.mean()
    variance = float(ranks @ ranks)
    if variance == 0:
        return float(n)
    rho = float(ranks[1:] @ ranks[:-1]) / variance
    rho += (1 + 4 * max(rho, 0.0)) / n
    rho = min(max(rho, 0.0), MAX_RHO)
    return n * (1 - rho) / (1 + rho)


def middle(values: Sequence[float]) -> float:
    """Median of a short series, many times as fast as numpy's: the coordinator takes it after every block."""
    return float(statistics.median(values))


def quantiles(values: Sequence[float] | Array, shares: Sequence[float]) -> list[float]:
    """Values below which shares of a series lie, linear between neighbours: numpy's definition at a fraction of its cost."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    found = []
    for share in shares:
        place = share * (len(ordered) - 1)
        left = min(int(place), len(ordered) - 1)
        right = min(left + 1, len(ordered) - 1)
        low, high = float(ordered[left]), float(ordered[right])
        found.append(low + (high - low) * (place - left))
    return found


def median(values: Sequence[float] | Array) -> Estimate:
    """Median of a series in time with an order-statistic interval for its effective n.

    With few effective samples the interval is the whole range; that covers less than 95 % below six.
    """
    series = np.asarray(values, dtype=np.float64)
    independent = max(effective_n(series), 1.0)
    reach = Z * 0.5 / math.sqrt(independent)
    low, value, high = quantiles(series, (max(0.0, 0.5 - reach), 0.5, min(1.0, 0.5 + reach)))
    return Estimate(value, low, high, len(series), independent)


def error(estimate: Estimate) -> float:
    """Standard error of a positive estimate's logarithm."""
    if estimate.low <= 0:
        return FARTHEST
    return math.log(estimate.high / estimate.low) / (2 * Z)


def over_processes(logarithms: Sequence[float], errors: Sequence[float], known: Spread) -> Estimate:
    """The typical value over fresh processes and the interval for it; the process is the unit.

    The variance between processes is the observed one, pulled towards ``known`` as if that were ``weight`` further
    observations (a moderated t: Smyth 2004). With one process, all there is is what is known plus its own error.

    Args:
        logarithms: One per process or per pair.
        errors: Standard error of each, from inside the process.
        known: Variation between fresh processes.
    """
    k = len(logarithms)
    centre = float(np.mean(logarithms))
    within = float(np.mean(np.square(errors)))
    freedom = known.weight + k - 1
    observed = float(np.var(logarithms, ddof=1)) if k > 1 else 0.0
    variance = (known.weight * (known.deviation**2 + within) + (k - 1) * observed) / freedom
    error = math.sqrt(variance / k)
    reach = student.quantile(freedom) * error
    chance = student.two_sided(centre / error, freedom) if error else float(centre == 0)
    return Estimate(_exp(centre), _exp(centre - reach), _exp(centre + reach), k, float(k), chance)


def _ranks(values: Array) -> Array:
    """Ranks from 0; equal values share the mean of theirs."""
    ordered = np.sort(values)
    shared: Array = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / 2
    return shared


def _exp(logarithm: float) -> float:
    return math.exp(min(max(logarithm, -FARTHEST), FARTHEST))
