"""A record becomes a report: values with intervals, ratios with verdicts, and what a reader must know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from workers.catalog import metrics
from workers.catalog.ceilings import CONTENDED
from workers.catalog.evaluation import Scores, Scoring
from workers.catalog.metrics import BY_NAME, Metric
from workers.catalog.report import Effect, Measurement, Report, Verdict, ran_as
from workers.catalog.verdict import COUNTED_MARGIN, SAME_MARGIN
from workers.catalog.verdict import verdict as verdict_of
from workers.measurement import derived, quality, statistics, typical
from workers.measurement.arms import ArmFailed
from workers.measurement.record import Key, Record
from workers.measurement.statistics import Estimate
from workers.measurement.typical import SHORTEST_S

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
PARTS_OF_THE_EXACT_PEAK = frozenset(
    {
        metrics.MEMORY_EXACT_PARAMETERS,
        metrics.MEMORY_EXACT_GRADIENTS,
        metrics.MEMORY_EXACT_OPTIMIZER,
        metrics.MEMORY_EXACT_ACTIVATIONS,
        metrics.MEMORY_EXACT_KV_CACHE,
        metrics.MEMORY_EXACT_TEMPORARY,
        metrics.MEMORY_EXACT_OTHER,
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
        metrics.MODEL_NONZERO,
        metrics.MODEL_TRAINABLE,
        metrics.MODEL_SIZE,
        metrics.MEMORY_PEAK_ALLOCATED,
        metrics.MEMORY_PEAK_RESERVED,
        metrics.MEMORY_ACTIVATIONS,
        *PARTS_OF_THE_PEAK,
        metrics.MEMORY_EXACT_PEAK,
        *PARTS_OF_THE_EXACT_PEAK,
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
        *(PARTS_OF_THE_EXACT_PEAK - {metrics.MEMORY_EXACT_OPTIMIZER}),
        # The same machine at rest, and the luck of one reading.
        metrics.POWER_IDLE,
        metrics.POWER_PEAK,
    }
)
QUALITY = "quality"
FELL_BACK = "no verdict: what was asked for is not what ran"
"""Method of every effect of a run in which a technique of either arm fell back."""
SIMULATED = "no verdict: only the rounding was simulated"
"""Method of every effect but those of quality where a technique of either arm was simulated."""


def whole(record: Record, seconds: float) -> Report:
    """The report of a sitting that went to its end."""
    measurements = [
        *_once(record),
        *_steps(record),
        *_derived(record),
        *_quality(record),
    ]
    effects = [*_once_effects(record), *_step_effects(record), *_quality_effects(record)]
    if any(not math.isfinite(value) for each in measurements for value in (each.value, each.low, each.high)):
        raise ArithmeticError("a summary is not a finite number")
    return Report(
        outcome="ok",
        measurements=tuple(measurements),
        effects=tuple(_claimed(record, effects)),
        samples=record.samples(),
        proofs=tuple(record.proofs),
        bottlenecks=tuple(record.bottlenecks),
        timelines=tuple(record.timelines.values()),
        kernels=tuple(record.kernels),
        artifacts=tuple(record.artifacts),
        environment=record.environment,
        unmet=(*record.unmet, *_at_odds(record)),
        notes=(*record.notes, *_remarks(record), *derived.paid_back(record)),
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


def _claimed(record: Record, effects: Iterable[Effect]) -> Iterator[Effect]:
    """Ratios, without a verdict where something else ran than the arms are named after: they show nothing about them."""
    fell_back = ran_as(record.proofs) == "fell_back"
    simulated = any(proof.simulated for proof in record.proofs)
    for effect in effects:
        if fell_back:
            yield _withheld(effect, FELL_BACK)
        elif simulated and effect.phase != QUALITY:
            yield _withheld(effect, SIMULATED)
        else:
            yield effect


def _withheld(effect: Effect, method: str) -> Effect:
    return effect.model_copy(update={"verdict": "undecided", "p_value": None, "method": method})


def _once(record: Record) -> Iterator[Measurement]:
    """What a process shows a single time."""
    for key, pairs in record.once.items():
        metric = BY_NAME[key.metric]
        values = [value for series in pairs.values() for value in series]
        if metric in EXACT:
            estimate = Estimate(values[0], values[0], values[0], 1, 1.0)
        elif metric in COUNTERS or min(values) <= 0:
            estimate = Estimate(statistics.middle(values), min(values), max(values), len(values), float(len(values)))
        else:
            logs = [math.log(value) for value in values]
            estimate = statistics.over_processes(
                logs, [typical.startle(metric, v) for v in values], typical.spread(record, metric)
            )
        yield _measurement(key, metric, estimate, values)


def _steps(record: Record) -> Iterator[Measurement]:
    """Medians of timed steps: inside each process, then over processes."""
    for key, pairs in record.steps.items():
        values = [value for series in pairs.values() for value in series]
        yield _measurement(key, BY_NAME[key.metric], typical.step(record, pairs), values)


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
            ratio = Estimate(statistics.middle(ratios), min(ratios), max(ratios), len(ratios), float(len(ratios)))
            yield _effect(key, metric, ratio, COUNTED_MARGIN, len(shared))
        else:
            errors = [
                math.hypot(typical.startle(metric, a), typical.startle(metric, b))
                for a, b in zip(old, new, strict=True)
            ]
            ratio = statistics.over_processes(logs, errors, typical.spread(record, metric))
            yield _effect(key, metric, ratio, SAME_MARGIN, len(shared))


def _step_effects(record: Record) -> Iterator[Effect]:
    """Ratios of step times, pair by pair, and of the throughputs that follow from them."""
    for key in record.steps:
        if key.arm != "variant" or key.of("baseline") not in record.steps:
            continue
        metric = BY_NAME[key.metric]
        ratio = typical.ratio(record, key)
        yield _effect(key, metric, ratio, SAME_MARGIN, ratio.n)
        if key == record.latency("variant"):
            inverse = ratio._replace(value=1 / ratio.value, low=1 / ratio.high, high=1 / ratio.low)
            for rate, _ in derived.amounts(record, "variant"):
                if rate is not metrics.COMPUTE_RATE:
                    yield _effect(key._replace(metric=rate.name), rate, inverse, SAME_MARGIN, ratio.n)


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
        if steps and min(statistics.middle(values) for values in steps.values()) < SHORTEST_S:
            yield f"A step of the {arm} takes less than a millisecond: much of it is the calling of operators."
    for proof in record.proofs:
        if proof.ran == "fell_back":
            yield f"{proof.technique} was asked for in the {proof.arm} and did not run: {proof.detail}"
        elif proof.ran == "emulated":
            yield f"{proof.technique} is emulated in the {proof.arm}: {proof.detail}"
        if proof.simulated:
            yield (
                f"Of {proof.technique} in the {proof.arm} quality is measured; time, memory and energy are those of the "
                "simulation, and nothing is claimed of them."
            )
    if record.thinned > 1:
        yield f"Of the raw samples every {record.thinned}th is kept; the summaries are of all."
    busy = max(record.contention.values(), default=0.0)
    if busy >= CONTENDED:
        yield (
            f"Others kept up to {busy:.0%} of the processors busy meanwhile; intervals are widened for that. Measure again on "
            "a quiet machine."
        )


def _derived(record: Record) -> Iterator[Measurement]:
    """What follows from others: it has no samples of its own."""
    for found in (derived.rates(record), derived.utilised(record), derived.paid_back_after(record)):
        for key, metric, estimate in found:
            yield _measurement(key, metric, estimate)


def _measurement(key: Key, metric: Metric, estimate: Estimate, samples: Sequence[float] = ()) -> Measurement:
    """A summary; with the quartiles of its samples, where it has any of its own."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if metric.unit == "B":  # A mean of logarithms; there are no parts of bytes.
        value, low, high = float(round(value)), float(math.floor(low)), float(math.ceil(high))
    quartiles = statistics.quantiles(samples, (0.25, 0.75)) if len(samples) > 0 else (None, None)
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
        q1=quartiles[0],
        q3=quartiles[1],
        definition=metric.version,
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
        verdict=verdict or verdict_of(metric, ratio.low, ratio.high, margin),
        pairs=pairs,
        p_value=ratio.p_value,
        method=None if ratio.p_value is None else f"moderated t over {pairs} {'pair' if pairs == 1 else 'pairs'}",
    )
