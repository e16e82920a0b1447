"""What follows from step times and counted work: rates, utilisation, and after how many calls a one-off cost is paid back."""

from __future__ import annotations

import math
from collections.abc import Iterator

from workers.catalog import metrics
from workers.catalog.metrics import Metric
from workers.catalog.report import Arm
from workers.measurement import break_even, statistics, typical, utilisation
from workers.measurement.break_even import BreakEven, Uncertain
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Estimate
from workers.measurement.typical import SHORTEST_S

Derived = Iterator[tuple[Key, Metric, Estimate]]
"""Values by what they belong to."""


def rates(record: Record) -> Derived:
    """What follows from the latency: throughput, and the rate of operations."""
    for arm in ("baseline", "variant"):
        key = record.latency(arm)
        if key not in record.steps:
            continue
        latency = typical.step(record, record.steps[key])
        for metric, amount in amounts(record, arm):
            rate = latency._replace(value=amount / latency.value, low=amount / latency.high, high=amount / latency.low)
            yield Key(metric.name, key.phase, arm), metric, rate


def utilised(record: Record) -> Derived:
    """What follows from the counted work: of the whole step, and of its parts."""
    workload = record.spec.workload
    timed = [(metrics.LATENCY, workload.main_phase, 1)]
    timed += [(part.metric, part.phase, part.divisor) for part in workload.parts]
    for arm in ("baseline", "variant"):
        for timing, phase, divisor in timed:
            pairs = record.steps.get(Key(timing.name, phase, arm))
            if pairs is None:
                continue
            latency = typical.step(record, pairs)
            whole = latency._replace(**{end: getattr(latency, end) * divisor for end in ("value", "low", "high")})
            counted = utilisation.Counted(
                flops=_counted(record, metrics.COMPUTE_FLOPS, phase, arm),
                formats=record.formats.get((arm, phase), {}),
                traffic=_counted(record, metrics.COMPUTE_TRAFFIC, phase, arm),
                compulsory=_counted(record, metrics.COMPUTE_TRAFFIC_LEAST, phase, arm),
            )
            for metric, value in utilisation.derived(counted, whole, record.ceilings):
                if metric is not metrics.COMPUTE_RATE or phase != workload.main_phase:
                    yield Key(metric.name, phase, arm), metric, value


def _counted(record: Record, metric: Metric, phase: str, arm: Arm) -> float | None:
    """A count of the first pair's eager step; None when it was not taken."""
    values = record.once.get(Key(metric.name, phase, arm), {}).get(0)
    return values[0] if values else None


def paid_back_after(record: Record) -> Derived:
    """After how many calls the variant's one-off cost is paid back; only where there is such a number."""
    found = _break_even_found(record)
    if found is not None and found.calls is not None:
        key = Key(metrics.BREAK_EVEN.name, record.spec.workload.main_phase, "variant")
        pairs = len(record.steps[record.latency("variant")])
        yield key, metrics.BREAK_EVEN, found.calls._replace(n=pairs, effective_n=float(pairs))


def paid_back(record: Record) -> Iterator[str]:
    """The same in words where there is no number."""
    found = _break_even_found(record)
    if found is not None and found.state in break_even.WORDS and not record.spec.is_null_test:
        yield break_even.WORDS[found.state]


def _break_even_found(record: Record) -> BreakEven | None:
    cold = {arm: _one_off(record, arm) for arm in ("baseline", "variant")}
    steps = record.steps.get(record.latency("baseline"))
    if cold["baseline"] is None or cold["variant"] is None or steps is None:
        return None
    ratio = Uncertain.of(typical.ratio(record, record.latency("variant")))
    latency = Uncertain.of(typical.step(record, steps))
    return break_even.find(cold["baseline"], cold["variant"], latency, ratio, record.spec.seed)


def _one_off(record: Record, arm: Arm) -> Uncertain | None:
    """What an arm takes until it is ready: load, convert, and what the first call takes beyond a usual one."""
    steps = record.steps.get(record.latency(arm))
    load = record.once.get(Key(metrics.COLD_LOAD.name, "load", arm))
    first = record.once.get(Key(metrics.COLD_FIRST_CALL.name, "first_call", arm))
    if steps is None or load is None or first is None:
        return None
    convert = record.once.get(Key(metrics.COLD_CONVERT.name, "convert", arm), {})
    usual = typical.step(record, steps).value
    totals = [
        load[pair][0] + convert.get(pair, [0.0])[0] + max(first[pair][0] - usual, 0.0)
        for pair in sorted(load.keys() & first.keys())
    ]
    logs = [math.log(max(total, SHORTEST_S)) for total in totals]
    errors = [typical.startle(metrics.COLD_LOAD, max(total, SHORTEST_S)) for total in totals]
    return Uncertain.of(statistics.over_processes(logs, errors, typical.spread(record, metrics.COLD_LOAD)))


def amounts(record: Record, arm: Arm) -> Iterator[tuple[Metric, float]]:
    """What one step gets done, by the metric of its rate."""
    workload = record.spec.workload
    if workload.tokens is not None:
        yield metrics.THROUGHPUT_TOKENS, workload.tokens
    if workload.samples is not None:
        yield metrics.THROUGHPUT_SAMPLES, workload.samples
    flops = record.once.get(Key(metrics.COMPUTE_FLOPS.name, workload.main_phase, arm), {}).get(0)
    if flops and flops[0] > 0:
        yield metrics.COMPUTE_RATE, flops[0]
