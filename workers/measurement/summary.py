"""A record becomes a report: values with intervals, ratios with verdicts, and what a reader must know."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from workers.catalog import metrics
from workers.catalog.ceilings import CONTENDED
from workers.catalog.evaluation import Scores, Scoring
from workers.catalog.metrics import BY_NAME, Metric
from workers.catalog.report import Arm, Effect, Measurement, Report, Verdict, ran_as
from workers.measurement import break_even, quality, statistics, utilisation
from workers.measurement.arms import ArmFailed
from workers.measurement.break_even import BreakEven, Uncertain
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Estimate, Spread

PARTS_OF_THE_PEAK = frozenset(
    {
        metrics.MEMORY_PEAK_WEIGHTS,
        metrics.MEMORY_PEAK_GRADIENTS,
        metrics.MEMORY_PEAK_OPTIMIZER_STATES,
        metrics.MEMORY_PEAK_ACTIVATIONS,
        metrics.MEMORY_PEAK_KV_CACHE,
        metrics.MEMORY_PEAK_TEMPORARY,
        metrics.MEMORY_PEAK_OTHER,
    }
)
EXACT = frozenset(
    {
        metrics.MODEL_PARAMETERS,
        metrics.COMPUTE_FLOPS,
        metrics.COMPUTE_TRAFFIC,
        metrics.COMPUTE_TRAFFIC_LEAST,
    }
)
"""Counts that cannot vary between processes."""
COUNTERS = frozenset(
    {
        metrics.MEMORY_WEIGHTS,
        metrics.MODEL_SIZE,
        metrics.MEMORY_PEAK_ALLOCATED,
        metrics.MEMORY_PEAK_RESERVED,
        metrics.MEMORY_ACTIVATIONS,
        *PARTS_OF_THE_PEAK,
    }
)
"""Counters that repeat to the byte, or nearly: their interval is what was seen."""
NO_EFFECT = frozenset(
    {
        metrics.MODEL_PARAMETERS,
        metrics.COMPUTE_FLOPS,
        metrics.COMPUTE_TRAFFIC,
        metrics.COMPUTE_TRAFFIC_LEAST,
        # It holds both arms, and everybody else.
        metrics.MEMORY_DEVICE,
        # Differences of others, which have effects of their own.
        metrics.MEMORY_OUTSIDE_TORCH,
        metrics.MEMORY_FRAGMENTATION,
        # Where a peak moves to another moment, these compare the one moment's with the other's.
        *(PARTS_OF_THE_PEAK - {metrics.MEMORY_PEAK_OPTIMIZER_STATES}),
        # The same machine at rest, and the luck of one reading.
        metrics.POWER_IDLE,
        metrics.POWER_PEAK,
    }
)
SHORTEST_S = 1e-3
"""Times below are no basis for a ratio when they were seen once; steps below carry a warning."""
STARTLE_S = 0.03
"""By how much a time seen once may be off for no reason: a few turns of the scheduler."""
NO_IDEA = 1.0
"""Most that may make of a logarithm's error: the interval then spans a factor of 24 either way, which says enough."""
QUALITY = "quality"
FELL_BACK = "no verdict: what was asked for is not what ran"
"""Method of every effect of a run in which a technique of either arm fell back."""


def whole(record: Record, seconds: float) -> Report:
    """The report of a sitting that went to its end."""
    measurements = [
        *_once(record),
        *_steps(record),
        *_rates(record),
        *_utilisation(record),
        *_break_even(record),
        *_quality(record),
    ]
    effects = [*_once_effects(record), *_step_effects(record), *_quality_effects(record)]
    if any(not math.isfinite(value) for each in measurements for value in (each.value, each.low, each.high)):
        raise ArithmeticError("a summary is not a finite number")
    return Report(
        outcome="ok",
        measurements=tuple(measurements),
        effects=tuple(effects) if ran_as(record.proofs) != "fell_back" else tuple(map(_withheld, effects)),
        samples=record.samples(),
        proofs=tuple(record.proofs),
        bottlenecks=tuple(record.bottlenecks),
        timelines=tuple(record.timelines.values()),
        kernels=tuple(record.kernels),
        artifacts=tuple(record.artifacts),
        environment=record.environment,
        unmet=(*record.unmet, *_at_odds(record)),
        notes=(*record.notes, *_remarks(record), *_paid_back(record)),
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


def _withheld(effect: Effect) -> Effect:
    """A ratio without a verdict: something else ran than the arms are named after, so nothing is shown about them."""
    return effect.model_copy(update={"verdict": "undecided", "p_value": None, "method": FELL_BACK})


def latency_ratio(record: Record) -> Estimate:
    """Variant over baseline for the whole step, over the pairs so far."""
    return _ratio(record, record.latency("variant"))


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


def _utilisation(record: Record) -> Iterator[Measurement]:
    """What follows from the counted work: of the whole step, and of its parts."""
    workload = record.spec.workload
    timed = [(metrics.LATENCY, workload.main_phase, 1)]
    timed += [(part.metric, part.phase, part.divisor) for part in workload.parts]
    for arm in ("baseline", "variant"):
        for timing, phase, divisor in timed:
            pairs = record.steps.get(Key(timing.name, phase, arm))
            if pairs is None:
                continue
            latency = _typical(record, pairs)
            whole = latency._replace(**{end: getattr(latency, end) * divisor for end in ("value", "low", "high")})
            counted = utilisation.Counted(
                flops=_counted(record, metrics.COMPUTE_FLOPS, phase, arm),
                formats=record.formats.get((arm, phase), {}),
                traffic=_counted(record, metrics.COMPUTE_TRAFFIC, phase, arm),
                compulsory=_counted(record, metrics.COMPUTE_TRAFFIC_LEAST, phase, arm),
            )
            for metric, value in utilisation.derived(counted, whole, record.ceilings):
                if metric is not metrics.COMPUTE_RATE or phase != workload.main_phase:
                    yield _measurement(Key(metric.name, phase, arm), metric, value)


def _counted(record: Record, metric: Metric, phase: str, arm: Arm) -> float | None:
    """A count of the first pair's eager step; None when it was not taken."""
    values = record.once.get(Key(metric.name, phase, arm), {}).get(0)
    return values[0] if values else None


def _break_even(record: Record) -> Iterator[Measurement]:
    """After how many calls the variant's one-off cost is paid back; only where there is such a number."""
    found = _break_even_found(record)
    if found is not None and found.calls is not None:
        key = Key(metrics.BREAK_EVEN.name, record.spec.workload.main_phase, "variant")
        pairs = len(record.steps[record.latency("variant")])
        yield _measurement(key, metrics.BREAK_EVEN, found.calls._replace(n=pairs, effective_n=float(pairs)))


def _paid_back(record: Record) -> Iterator[str]:
    """The same in words where there is no number."""
    found = _break_even_found(record)
    if found is not None and found.state in break_even.WORDS and not record.spec.is_null_test:
        yield break_even.WORDS[found.state]


def _break_even_found(record: Record) -> BreakEven | None:
    cold = {arm: _one_off(record, arm) for arm in ("baseline", "variant")}
    steps = record.steps.get(record.latency("baseline"))
    if cold["baseline"] is None or cold["variant"] is None or steps is None:
        return None
    ratio = Uncertain.of(_ratio(record, record.latency("variant")))
    latency = Uncertain.of(_typical(record, steps))
    return break_even.find(cold["baseline"], cold["variant"], latency, ratio, record.spec.seed)


def _one_off(record: Record, arm: Arm) -> Uncertain | None:
    """What an arm takes until it is ready: load, convert, and what the first call takes beyond a usual one."""
    steps = record.steps.get(record.latency(arm))
    load = record.once.get(Key(metrics.COLD_LOAD.name, "load", arm))
    first = record.once.get(Key(metrics.COLD_FIRST_CALL.name, "first_call", arm))
    if steps is None or load is None or first is None:
        return None
    convert = record.once.get(Key(metrics.COLD_CONVERT.name, "convert", arm), {})
    usual = _typical(record, steps).value
    totals = [
        load[pair][0] + convert.get(pair, [0.0])[0] + max(first[pair][0] - usual, 0.0)
        for pair in sorted(load.keys() & first.keys())
    ]
    logs = [math.log(max(total, SHORTEST_S)) for total in totals]
    errors = [_startle(metrics.COLD_LOAD, max(total, SHORTEST_S)) for total in totals]
    return Uncertain.of(statistics.over_processes(logs, errors, _spread(record, metrics.COLD_LOAD)))


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
        ratio = _ratio(record, key)
        yield _effect(key, metric, ratio, statistics.SAME_MARGIN, ratio.n)
        if key == record.latency("variant"):
            inverse = ratio._replace(value=1 / ratio.value, low=1 / ratio.high, high=1 / ratio.low)
            for rate, _ in _amounts(record, "variant"):
                if rate is not metrics.COMPUTE_RATE:
                    yield _effect(key._replace(metric=rate.name), rate, inverse, statistics.SAME_MARGIN, ratio.n)


def _ratio(record: Record, key: Key) -> Estimate:
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


def _quality(record: Record) -> Iterator[Measurement]:
    """What each arm scores; where a score is a comparison, the variant alone."""
    for scoring, scores in _scored(record):
        for arm, items in scores.of_arms():
            found = quality.value(scoring.scale, items, scores.clusters, record.spec.seed)
            if scores.baseline is None and record.identical:
                found = quality.exact(found)
            yield _measurement(Key(scoring.metric.name, QUALITY, arm), scoring.metric, found)


def _quality_effects(record: Record) -> Iterator[Effect]:
    """The variant's scores over the baseline's, item by item; undecided where the baseline is not at one with itself."""
    for scoring, scores in _scored(record):
        found = quality.compare(scoring, scores, record.spec.seed, identical=record.identical)
        if found is None:
            continue
        again = record.again.get(scoring.metric.name)
        unsure = again is not None and quality.disagreement(scoring, again) is not None
        key = Key(scoring.metric.name, QUALITY, "variant")
        effect = _effect(key, scoring.metric, found.ratio, 0.0, 1, "undecided" if unsure else found.verdict)
        yield effect.model_copy(update={"method": found.method})


def _scored(record: Record) -> Iterator[tuple[Scoring, Scores]]:
    for scoring in record.spec.evaluation.scorings if record.spec.evaluation else ():
        if scoring.metric.name in record.scores:
            yield scoring, record.scores[scoring.metric.name]


def _at_odds(record: Record) -> Iterator[str]:
    """Of every metric in which the baseline does not agree with itself, by how much."""
    for scoring, _ in _scored(record):
        again = record.again.get(scoring.metric.name)
        if again is not None and (sentence := quality.disagreement(scoring, again)):
            yield f"{sentence}; its verdict stays undecided"


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
    """The same for what a process shows once: a time, energy, or memory in use."""
    if metric.unit == "s":
        return statistics.COLD.under(record.contention.get("start", 0.0))
    if metric.aspect == "energy":
        return statistics.METERED.under(record.contention.get("energy", 0.0))
    return statistics.RESIDENT


def _startle(metric: Metric, value: float) -> float:
    """Standard error of the logarithm of a time that was seen once; none for what is not a time."""
    return min(STARTLE_S / value, NO_IDEA) if metric.unit == "s" else 0.0


def _measurement(key: Key, metric: Metric, estimate: Estimate) -> Measurement:
    value, low, high = estimate.value, estimate.low, estimate.high
    if metric.unit == "B":  # A mean of logarithms; there are no parts of bytes.
        value, low, high = float(round(value)), float(math.floor(low)), float(math.ceil(high))
    return Measurement(
        metric=key.metric,
        phase=key.phase,
        arm=key.arm,
        value=value,
        low=low,
        high=high,
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
        p_value=ratio.p_value,
        method=None if ratio.p_value is None else f"moderated t over {pairs} {'pair' if pairs == 1 else 'pairs'}",
    )
