"""Ratios of several runs become one, with an interval that grows when the runs do not agree, or are few. Pure functions of arrays.

Runs of a case differ by more than their own intervals say: another day, another driver, another neighbour on the machine. So
the model is that of random effects, each run weighed by the inverse of its own variance plus that between runs (DerSimonian and
Laird 1986, doi:10.1016/0197-2456(86)90046-2). How much runs differ is itself estimated from them, and of two or three runs badly:
the normal interval is far too narrow then. The interval here is that of Hartung and Knapp (2001, doi:10.1002/sim.1009) with
Student's t of one degree of freedom less than there are runs; and since runs that agree by chance would make it next to nothing,
never narrower than the normal one (Wiksten, Rücker and Schwarzer 2016, doi:10.1002/sim.6879).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.catalog import student
from workers.catalog.metrics import Metric
from workers.catalog.report import Verdict
from workers.catalog.verdict import COUNTED_MARGIN, SAME_MARGIN
from workers.catalog.verdict import verdict as verdict_of

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

Z = 1.96
"""Of the standard normal distribution, for 95 %."""
MOST_FREEDOM = 200
"""Degrees of freedom beyond which Student's t is taken as here: 0.6 % above the normal distribution's."""
LEAST = 1e-6
"""Standard error of a logarithm below which a figure was counted and not timed."""


class Pools(NamedTuple):
    """For each group the pooled ratio with its interval and how many runs it rests on; not a number where none has one."""

    ratio: Floats
    low: Floats
    high: Floats
    runs: Groups


def pool(ratios: Floats, lows: Floats, highs: Floats, groups: Groups, count: int) -> Pools:
    """Pool ratios by group, in logarithms, as the head of this file says. A run that is alone in its group keeps its interval.

    Args:
        ratios: of the runs ``[runs]``; not a number where a run has none.
        lows: lower ends of their 95 % intervals.
        highs: upper ends.
        groups: of each run the number of its group, from 0.
        count: how many groups there are.
    """
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(ratios) & (lows > 0) & (highs >= lows)
    groups, ratios, lows, highs = groups[usable], ratios[usable], lows[usable], highs[usable]
    runs = np.bincount(groups, minlength=count)
    logs = np.log(ratios)
    variance = np.maximum((np.log(highs) - np.log(lows)) / (2 * Z), LEAST) ** 2

    def total(values: Floats) -> Floats:
        sums: Floats = np.bincount(groups, weights=values, minlength=count).astype(np.float64)
        return sums

    with np.errstate(invalid="ignore", divide="ignore"):
        weight = total(1 / variance)
        mean = total(logs / variance) / weight
        spread = total((logs - mean[groups]) ** 2 / variance)
        scale = weight - total(1 / variance**2) / weight
        between = np.where(runs > 1, np.maximum(0.0, (spread - (runs - 1)) / scale), 0.0)
        together = 1 / (variance + between[groups])
        weight = total(together)
        mean = total(logs * together) / weight
        apart = total((logs - mean[groups]) ** 2 * together) / (runs - 1)
        half = np.maximum(Z, _reach(runs - 1) * np.sqrt(apart)) / np.sqrt(weight)
    half = np.where(half < 2 * Z * LEAST, 0.0, half)
    ratio, low, high = np.exp(mean), np.exp(mean - half), np.exp(mean + half)
    alone = runs[groups] == 1
    low[groups[alone]], high[groups[alone]] = lows[alone], highs[alone]
    ratio[groups[alone]] = ratios[alone]
    return Pools(ratio, low, high, runs)


def _reach(freedom: Groups) -> Floats:
    """How far Student's t reaches with a probability of 95 %, for each number of degrees of freedom; not a number below 1."""
    numbers, places = np.unique(np.minimum(freedom, MOST_FREEDOM), return_inverse=True)
    reach = np.array([student.quantile(number) if number > 0 else np.nan for number in numbers.tolist()], np.float64)
    return reach[places]


def verdict(metric: Metric, low: float, high: float) -> Verdict:
    """What a pooled interval says in the metric's own words, by the rule of the measuring program."""
    return verdict_of(metric, low, high, COUNTED_MARGIN if low == high else SAME_MARGIN)
