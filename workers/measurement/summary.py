"""A record becomes a report: medians with intervals, ratios with verdicts, and what a reader must know."""

import math
from collections.abc import Iterator

import numpy as np

from workers.catalog import metrics
from workers.catalog.metrics import BY_NAME, Metric
from workers.catalog.report import Arm, Effect, Measurement, Report
from workers.measurement import protocol, statistics
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Array, Interval

ONCE = frozenset({metrics.MODEL_PARAMETERS.name})
"""Counts that no technique changes: no effect is reported."""
SHORT_STEP_S = 1e-3


def summarise(record: Record, seconds: float) -> Report:
    """The report of a sitting that went to its end."""
    measurements = [*_measured(record), *_derived(record), *_quality(record)]
    effects = [*_effects(record), *_derived_effects(record), *_quality_effects(record, measurements)]
    _remark(record, effects)
    return Report(
        outcome="ok",
        measurements=tuple(measurements),
        effects=tuple(effects),
        samples=tuple(record.samples),
        proofs=tuple(record.proofs),
        environment=record.environment,
        unmet=tuple(dict.fromkeys(record.unmet)),
        notes=tuple(record.notes),
        seconds=seconds,
    )


def _measured(record: Record) -> Iterator[Measurement]:
    """What was sampled."""
    for key, pairs in record.series.items():
        metric = BY_NAME[key.metric]
        processes = [np.array(values) for values in pairs.values()]
        if _exact(metric):
            value = float(np.median(np.concatenate(processes)))
            interval = Interval(value, value, value)
        else:
            interval = statistics.over_processes(processes, metric)
        yield _measurement(key, metric, interval, sum(map(len, processes)))


def _derived(record: Record) -> Iterator[Measurement]:
    """What follows from the latency: throughput and achieved rate; and the work counted."""
    for arm, flops in record.flops.items():
        phase = record.spec.workload.main_phase
        latency = record.series[Key(metrics.LATENCY.name, phase, arm)]
        processes = [np.array(values) for values in latency.values()]
        n = sum(map(len, processes))
        yield _measurement(
            Key(metrics.COMPUTE_FLOPS.name, phase, arm), metrics.COMPUTE_FLOPS, Interval(flops, flops, flops), 1
        )
        interval = statistics.over_processes(processes, metrics.LATENCY)
        for metric, amount in _amounts(record, arm):
            rate = Interval(
                amount / interval.value, amount / interval.high, amount / interval.low, interval.effective_n
            )
            yield _measurement(Key(metric.name, phase, arm), metric, rate, n)


def _amounts(record: Record, arm: Arm) -> Iterator[tuple[Metric, float]]:
    """What one step gets done, by the metric of its rate."""
    workload = record.spec.workload
    if workload.tokens is not None:
        yield metrics.THROUGHPUT_TOKENS, workload.tokens
    if workload.samples is not None:
        yield metrics.THROUGHPUT_SAMPLES, workload.samples
    if record.flops.get(arm):
        yield metrics.COMPUTE_RATE, record.flops[arm]


def _effects(record: Record) -> Iterator[Effect]:
    """Ratios of everything that was sampled in both arms and is not zero."""
    for key, variants in record.series.items():
        baseline = record.series.get(key._replace(arm="baseline"))
        if key.arm != "variant" or baseline is None or key.metric in ONCE:
            continue
        metric = BY_NAME[key.metric]
        if min(min(map(min, variants.values())), min(map(min, baseline.values()))) <= 0:
            continue
        pairs = _pairs(record, key)
        if _exact(metric):
            share = float(pairs[0][1][0] / pairs[0][0][0])
            ratio = Interval(share, share, share)
        else:
            ratio = statistics.paired_ratio(pairs, metric)
        yield _effect(key.metric, key.phase, ratio, metric, len(variants))


def _pairs(record: Record, key: Key) -> list[tuple[Array, Array]]:
    """Baseline's and variant's figures of every pair: turn by turn where there are turns, else once a process."""
    other = key._replace(arm="baseline")
    if key in record.turns:
        variants, baselines = record.turns[key], record.turns[other]
    else:
        variants = {pair: [float(np.median(values))] for pair, values in record.series[key].items()}
        baselines = {pair: [float(np.median(values))] for pair, values in record.series[other].items()}
    return [(np.array(baselines[pair]), np.array(variants[pair])) for pair in variants]


def _derived_effects(record: Record) -> Iterator[Effect]:
    """A rate's ratio is that of the work over that of the latency."""
    phase = record.spec.workload.main_phase
    key = Key(metrics.LATENCY.name, phase, "variant")
    latency = statistics.paired_ratio(_pairs(record, key), metrics.LATENCY)
    baseline = dict(_amounts(record, "baseline"))
    for metric, amount in _amounts(record, "variant"):
        if metric in baseline:
            share = amount / baseline[metric]
            ratio = Interval(share / latency.value, share / latency.high, share / latency.low)
            yield _effect(metric.name, phase, ratio, metric, len(record.series[key]))


def _quality(record: Record) -> Iterator[Measurement]:
    """Scores over items; agreement of the baseline with itself is one by definition and not a measurement."""
    for name, items in record.scores.items():
        metric = BY_NAME[name]
        values = np.array(items)
        if metric is metrics.QUALITY_AGREEMENT:
            interval = statistics.wilson(float(values.mean()), len(values))
        else:
            interval = statistics.bootstrap_mean(values, record.spec.seed)
        yield _measurement(Key(name, "quality", "variant"), metric, interval, len(values))


def _quality_effects(record: Record, measurements: list[Measurement]) -> Iterator[Effect]:
    """Agreement over that of the baseline with itself, which is one."""
    for measured in measurements:
        if measured.metric == metrics.QUALITY_AGREEMENT.name:
            metric = metrics.QUALITY_AGREEMENT
            ratio = Interval(measured.value, measured.low, measured.high)
            yield _effect(metric.name, measured.phase, ratio, metric, 1)


def _remark(record: Record, effects: list[Effect]) -> None:
    """Add what a reader must know: goals not met, steps too short for the clock, techniques that fell back."""
    phase = record.spec.workload.main_phase
    for effect in effects:
        if effect.metric == metrics.LATENCY.name and effect.phase == phase:
            half = math.expm1(math.log(effect.high / effect.low) / 2)
            if half > protocol.PRECISION_GOAL:
                record.unmet.append(
                    f"The latency ratio is known to ±{half:.1%} over {effect.pairs} "
                    f"{'pair' if effect.pairs == 1 else 'pairs'} of processes; the goal is ±{protocol.PRECISION_GOAL:.0%}."
                )
    for arm in ("baseline", "variant"):
        steps = record.series[Key(metrics.LATENCY.name, phase, arm)]
        if min(float(np.median(values)) for values in steps.values()) < SHORT_STEP_S:
            record.notes.append(f"A step of the {arm} takes less than a millisecond; its figures hold much overhead.")
    for proof in record.proofs:
        if proof.ran == "fell_back":
            record.notes.append(f"{proof.technique} fell back in the {proof.arm}: {proof.detail}")


def _exact(metric: Metric) -> bool:
    """Whether the figure is a count that repeats to the byte."""
    return metric in (metrics.MODEL_PARAMETERS, metrics.MEMORY_WEIGHTS, metrics.MODEL_SIZE)


def _measurement(key: Key, metric: Metric, interval: Interval, n: int) -> Measurement:
    return Measurement(
        metric=key.metric,
        phase=key.phase,
        arm=key.arm,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        unit=metric.unit,
        n=n,
        effective_n=interval.effective_n,
    )


def _effect(name: str, phase: str, ratio: Interval, metric: Metric, pairs: int) -> Effect:
    return Effect(
        metric=name,
        phase=phase,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=statistics.verdict(ratio, metric),
        pairs=pairs,
    )
