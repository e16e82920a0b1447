"""A record becomes a report: values with intervals, ratios with verdicts, and what a reader must know."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from workers.catalog import metrics
from workers.catalog.metrics import BY_NAME, Metric
from workers.catalog.report import Arm, Effect, Measurement, Report, Verdict
from workers.measurement import statistics
from workers.measurement.arms import ArmFailed
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Estimate, Spread

EXACT = frozenset({metrics.MODEL_PARAMETERS, metrics.COMPUTE_FLOPS})
"""Counts that cannot vary between processes."""
COUNTERS = frozenset(
    {
        metrics.MEMORY_WEIGHTS,
        metrics.MODEL_SIZE,
        metrics.MEMORY_PEAK_ALLOCATED,
        metrics.MEMORY_PEAK_RESERVED,
        metrics.MEMORY_ACTIVATIONS,
    }
)
"""Counters that repeat to the byte, or nearly: their interval is what was seen."""
NO_EFFECT = frozenset(
    {
        metrics.MODEL_PARAMETERS,
        metrics.COMPUTE_FLOPS,
        # It holds both arms, and everybody else.
        metrics.MEMORY_DEVICE,
    }
)
SHORTEST_S = 1e-3
"""Times below are no basis for a ratio when they were seen once; steps below carry a warning."""
STARTLE_S = 0.03
"""By how much a time seen once may be off for no reason: a few turns of the scheduler."""
CONTENDED = 0.1
"""Share of the processors that others keep busy from which on a reader is told."""
NO_IDEA = 1.0
"""Most that may make of a logarithm's error: the interval then spans a factor of 24 either way, which says enough."""
QUALITY = "quality"


def whole(record: Record, seconds: float) -> Report:
    """The report of a sitting that went to its end."""
    measurements = [*_once(record), *_steps(record), *_rates(record), *_quality(record)]
    effects = [*_once_effects(record), *_step_effects(record), *_quality_effects(record)]
    if any(not math.isfinite(value) for each in measurements for value in (each.value, each.low, each.high)):
        raise ArithmeticError("a summary is not a finite number")
    return Report(
        outcome="ok",
        measurements=tuple(measurements),
        effects=tuple(effects),
        samples=record.samples(),
        proofs=tuple(record.proofs),
        environment=record.environment,
        unmet=tuple(record.unmet),
        notes=(*record.notes, *_remarks(record)),
        seconds=seconds,
    )


def broken(record: Record, failed: ArmFailed, seconds: float) -> Report:
    """The report of a sitting that an arm's failure ended: what was measured until then, and no effects."""
    return Report(
        outcome=failed.failed.outcome,
        phase=failed.phase,
        arm=failed.arm,
        message=failed.failed.message,
        tail=failed.failed.tail,
        signal=failed.signal,
        measurements=(*_once(record), *_steps(record)),
        samples=record.samples(),
        proofs=tuple(record.proofs),
        environment=record.environment,
        unmet=tuple(record.unmet),
        notes=(*record.notes, *_remarks(record)),
        seconds=seconds,
    )


def _once(record: Record) -> Iterator[Measurement]:
    """What a process shows a single time."""
    for key, pairs in record.once.items():
        metric = BY_NAME[key.metric]
        values = [value for series in pairs.values() for value in series]
        if metric in EXACT:
            estimate = Estimate(values[0], values[0], values[0], 1, 1.0)
        elif metric in COUNTERS or min(values) <= 0:
            estimate = Estimate(float(np.median(values)), min(values), max(values), len(values), float(len(values)))
        else:
            logs = [math.log(value) for value in values]
            estimate = statistics.over_processes(logs, [_startle(metric, v) for v in values], _spread(record, metric))
        yield _measurement(key, metric, estimate)


def _steps(record: Record) -> Iterator[Measurement]:
    """Medians of timed steps: inside each process, then over processes."""
    for key, pairs in record.steps.items():
        yield _measurement(key, BY_NAME[key.metric], _typical(record, pairs))


def _typical(record: Record, pairs: dict[int, list[float]]) -> Estimate:
    """What a step takes in a fresh process."""
    inside = [statistics.median(values) for values in pairs.values()]
    logs = [math.log(each.value) for each in inside]
    over = statistics.over_processes(logs, [statistics.error(each) for each in inside], _between(record))
    independent = sum(each.effective_n for each in inside)
    return over._replace(n=sum(each.n for each in inside), effective_n=independent)


def _rates(record: Record) -> Iterator[Measurement]:
    """What follows from the latency: throughput, and the rate of operations."""
    for arm in ("baseline", "variant"):
        key = record.latency(arm)
        if key not in record.steps:
            continue
        latency = _typical(record, record.steps[key])
        for metric, amount in _amounts(record, arm):
            rate = latency._replace(value=amount / latency.value, low=amount / latency.high, high=amount / latency.low)
            yield _measurement(Key(metric.name, key.phase, arm), metric, rate)


def _amounts(record: Record, arm: Arm) -> Iterator[tuple[Metric, float]]:
    """What one step gets done, by the metric of its rate."""
    workload = record.spec.workload
    if workload.tokens is not None:
        yield metrics.THROUGHPUT_TOKENS, workload.tokens
    if workload.samples is not None:
        yield metrics.THROUGHPUT_SAMPLES, workload.samples
    flops = record.once.get(Key(metrics.COMPUTE_FLOPS.name, workload.main_phase, arm), {}).get(0)
    if flops and flops[0] > 0:
        yield metrics.COMPUTE_RATE, flops[0]


def _once_effects(record: Record) -> Iterator[Effect]:
    """Ratios of what a process shows a single time."""
    for key, variants in record.once.items():
        metric = BY_NAME[key.metric]
        baselines = record.once.get(key.of("baseline"))
        if key.arm != "variant" or baselines is None or metric in NO_EFFECT:
            continue
        shared = sorted(variants.keys() & baselines.keys())
        old, new = ([values[pair][0] for pair in shared] for values in (baselines, variants))
        if not shared or min(old + new) <= (SHORTEST_S if metric.unit == "s" else 0):
            continue
        logs = [math.log(b / a) for a, b in zip(old, new, strict=True)]
        if metric in COUNTERS:
            ratios = [math.exp(value) for value in logs]
            ratio = Estimate(float(np.median(ratios)), min(ratios), max(ratios), len(ratios), float(len(ratios)))
            yield _effect(key, metric, ratio, statistics.COUNTER_MARGIN, len(shared))
        else:
            errors = [math.hypot(_startle(metric, a), _startle(metric, b)) for a, b in zip(old, new, strict=True)]
            ratio = statistics.over_processes(logs, errors, _spread(record, metric))
            yield _effect(key, metric, ratio, statistics.SAME_MARGIN, len(shared))


def _step_effects(record: Record) -> Iterator[Effect]:
    """Ratios of step times, pair by pair, and of the throughputs that follow from them."""
    for key in record.steps:
        if key.arm != "variant" or key.of("baseline") not in record.steps:
            continue
        metric = BY_NAME[key.metric]
        logs, errors = _inside(record, key)
        ratio = statistics.over_processes(logs, errors, _between(record))
        yield _effect(key, metric, ratio, statistics.SAME_MARGIN, len(logs))
        if key == record.latency("variant"):
            inverse = ratio._replace(value=1 / ratio.value, low=1 / ratio.high, high=1 / ratio.low)
            for rate, _ in _amounts(record, "variant"):
                if rate is not metrics.COMPUTE_RATE:
                    yield _effect(key._replace(metric=rate.name), rate, inverse, statistics.SAME_MARGIN, len(logs))


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


def _quality(record: Record) -> Iterator[Measurement]:
    for name in record.scores:
        yield _measurement(Key(name, QUALITY, "variant"), BY_NAME[name], _score(record, name))


def _quality_effects(record: Record) -> Iterator[Effect]:
    """Agreement over that of the baseline with itself, which is one."""
    name = metrics.QUALITY_AGREEMENT.name
    if name in record.scores:
        share = _score(record, name)
        key = Key(name, QUALITY, "variant")
        verdict = statistics.agreement_verdict(share.low, share.high)
        yield _effect(key, metrics.QUALITY_AGREEMENT, share, 0.0, 1, verdict)


def _score(record: Record, name: str) -> Estimate:
    """Mean over items; outputs that are the same bit for bit leave nothing to be uncertain about."""
    values = record.scores[name]
    if record.identical:
        value = float(values.mean())
        return Estimate(value, value, value, len(values), float(len(values)))
    if name == metrics.QUALITY_AGREEMENT.name:
        return statistics.wilson(int(values.sum()), len(values))
    return statistics.bootstrap_mean(values, record.spec.seed)


def _remarks(record: Record) -> Iterator[str]:
    """What a reader must know."""
    for arm in ("baseline", "variant"):
        steps = record.steps.get(record.latency(arm))
        if steps and min(float(np.median(values)) for values in steps.values()) < SHORTEST_S:
            yield f"A step of the {arm} takes less than a millisecond: much of it is the calling of operators."
    for proof in record.proofs:
        if proof.ran == "fell_back":
            yield f"{proof.technique} was asked for in the {proof.arm} and did not run: {proof.detail}"
        elif proof.ran == "emulated":
            yield f"{proof.technique} is emulated in the {proof.arm}: {proof.detail}"
    if record.thinned > 1:
        yield f"Of the raw samples every {record.thinned}th is kept; the summaries are of all."
    busy = max(record.contention.values(), default=0.0)
    if busy >= CONTENDED:
        yield (
            f"Others kept up to {busy:.0%} of the processors busy meanwhile; intervals are widened for that. Measure again on "
            "a quiet machine."
        )


def _between(record: Record) -> Spread:
    """How far apart step times of fresh processes are known to lie."""
    known = statistics.APART if record.apart else statistics.PAIRED
    return known.under(record.contention.get("measure", 0.0))


def _spread(record: Record, metric: Metric) -> Spread:
    """The same for what a process shows once: a time, or memory in use."""
    if metric.unit == "s":
        return statistics.COLD.under(record.contention.get("start", 0.0))
    return statistics.RESIDENT


def _startle(metric: Metric, value: float) -> float:
    """Standard error of the logarithm of a time that was seen once; none for what is not a time."""
    return min(STARTLE_S / value, NO_IDEA) if metric.unit == "s" else 0.0


def _measurement(key: Key, metric: Metric, estimate: Estimate) -> Measurement:
    return Measurement(
        metric=key.metric,
        phase=key.phase,
        arm=key.arm,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unit=metric.unit,
        n=estimate.n,
        effective_n=estimate.effective_n,
    )


def _effect(
    key: Key, metric: Metric, ratio: Estimate, margin: float, pairs: int, verdict: Verdict | None = None
) -> Effect:
    return Effect(
        metric=key.metric,
        phase=key.phase,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=verdict or statistics.verdict(metric, ratio.low, ratio.high, margin),
        pairs=pairs,
    )
