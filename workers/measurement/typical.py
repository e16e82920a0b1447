"""What times of several processes say together: the typical value, the typical ratio, and how sure they are."""

from __future__ import annotations

import math

from workers.catalog.metrics import Metric
from workers.measurement import statistics
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Estimate, Spread

SHORTEST_S = 1e-3
"""Times below are no basis for a ratio when they were seen once; steps below carry a warning."""
STARTLE_S = 0.03
"""By how much a time seen once may be off for no reason: a few turns of the scheduler."""
NO_IDEA = 1.0
"""Most that may make of a logarithm's error: the interval then spans a factor of 24 either way, which says enough."""


def step(record: Record, pairs: dict[int, list[float]]) -> Estimate:
    """What a step takes in a fresh process."""
    inside = [statistics.median(values) for values in pairs.values()]
    logs = [math.log(each.value) for each in inside]
    over = statistics.over_processes(logs, [statistics.error(each) for each in inside], _between(record))
    independent = sum(each.effective_n for each in inside)
    return over._replace(n=sum(each.n for each in inside), effective_n=independent)


def ratio(record: Record, key: Key) -> Estimate:
    """Typical ratio of a time over pairs of fresh processes."""
    logs, errors = _inside(record, key)
    return statistics.over_processes(logs, errors, _between(record))


def _inside(record: Record, key: Key) -> tuple[list[float], list[float]]:
    """Of every pair the logarithm of the typical ratio and its standard error inside the pair."""
    logs: list[float] = []
    errors: list[float] = []
    for pair in sorted(record.steps[key]):
        if record.apart:
            new, old = (statistics.median(record.steps[key.of(arm)][pair]) for arm in ("variant", "baseline"))
            logs.append(math.log(new.value / old.value))
            errors.append(math.hypot(statistics.error(new), statistics.error(old)))
        else:
            turns = statistics.median(record.ratios(pair, key))
            logs.append(turns.value)
            errors.append((turns.high - turns.low) / (2 * statistics.Z))
    return logs, errors


def latency_ratio(record: Record) -> Estimate:
    """Variant over baseline for the whole step, over the pairs so far."""
    return ratio(record, record.latency("variant"))


def _between(record: Record) -> Spread:
    """How far apart step times of fresh processes are known to lie."""
    known = statistics.APART if record.apart else statistics.PAIRED
    return known.under(record.contention.get("measure", 0.0))


def spread(record: Record, metric: Metric) -> Spread:
    """The same for what a process shows once: a time, energy, or memory in use."""
    if metric.unit == "s":
        return statistics.COLD.under(record.contention.get("start", 0.0))
    if metric.aspect == "energy":
        return statistics.METERED.under(record.contention.get("energy", 0.0))
    return statistics.RESIDENT


def startle(metric: Metric, value: float) -> float:
    """Standard error of the logarithm of a time that was seen once; none for what is not a time."""
    return min(STARTLE_S / value, NO_IDEA) if metric.unit == "s" else 0.0
