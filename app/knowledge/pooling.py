"""Ratios of several runs become one, with an interval that grows when the runs do not agree. Pure functions of arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.catalog.metrics import Metric
from workers.catalog.report import Verdict

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

Z = 1.96
"""Of the standard normal distribution, for 95 %."""
LEAST = 1e-6
"""Standard error of a logarithm below which a figure was counted and not timed."""
SAME_MARGIN = 0.02
"""How far from 1 an effect still counts as the same, as the measuring program has it."""
COUNTED_MARGIN = 0.005
"""The same where the interval is a point."""


class Pools(NamedTuple):
    """For each group the pooled ratio with its interval and how many runs it rests on; not a number where none has one."""

    ratio: Floats
    low: Floats
    high: Floats
    runs: Groups


def pool(ratios: Floats, lows: Floats, highs: Floats, groups: Groups, count: int) -> Pools:
    """Pool ratios by group: the random-effects model of DerSimonian and Laird (1986, Controlled Clinical Trials 7:177).

    In logarithms, each run counts by the inverse of its variance plus that between runs, which is estimated from how much
    more they differ than their own intervals explain. A run that is alone in its group keeps its interval as it is.

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
        half = Z / np.sqrt(weight)
    half = np.where(half < 2 * Z * LEAST, 0.0, half)
    ratio, low, high = np.exp(mean), np.exp(mean - half), np.exp(mean + half)
    alone = runs[groups] == 1
    low[groups[alone]], high[groups[alone]] = lows[alone], highs[alone]
    ratio[groups[alone]] = ratios[alone]
    return Pools(ratio, low, high, runs)


def verdict(metric: Metric, low: float, high: float) -> Verdict:
    """What a pooled interval says in the metric's own words, by the rule of the measuring program."""
    margin = COUNTED_MARGIN if low == high else SAME_MARGIN
    if 1 / (1 + margin) <= low and high <= 1 + margin:
        return "same"
    if low <= 1 <= high:
        return "undecided"
    more = low > 1
    if metric.aspect == "speed":
        return "faster" if more == (metric.better == "higher") else "slower"
    if metric.aspect == "quality":
        return "better" if more == (metric.better == "higher") else "worse"
    return "larger" if more else "smaller"
