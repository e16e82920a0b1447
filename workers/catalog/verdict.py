"""What an interval of a ratio says in a metric's own words: the rule of the measuring program, of studies and of pooled figures."""

from workers.catalog.metrics import Metric
from workers.catalog.report import Verdict

SAME_MARGIN = 0.02
"""Times within 2 % of each other are called the same when the whole interval lies there."""
COUNTED_MARGIN = 0.005
"""The same for counters that hardly vary: bytes of weights, the allocator's peak."""


def verdict(metric: Metric, low: float, high: float, margin: float) -> Verdict:
    """What an interval of variant over baseline says in the metric's own words; undecided until it says something.

    "Same" needs the whole interval inside the margin; a difference needs all of it on one side of 1. An interval that
    does both is "same": the difference is real but too small to matter.
    """
    if 1 / (1 + margin) <= low and high <= 1 + margin:
        return "same"
    if low <= 1 <= high:
        return "undecided"
    more = low > 1
    if metric.aspect == "speed":
        return "faster" if more == (metric.better == "higher") else "slower"
    if metric.aspect in ("memory", "size", "energy"):
        return "larger" if more else "smaller"
    if metric.aspect == "quality":
        return "better" if more == (metric.better == "higher") else "worse"
    return "undecided"
