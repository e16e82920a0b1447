"""What one run of an invented study measured, and how it compares."""

import math
import random
from collections.abc import Mapping
from typing import Any

from app.results.figures import FIGURES, Cell
from benchmarks.invented.kinds import Kind, Planned
from workers.catalog import metrics
from workers.catalog.metrics import Metric
from workers.catalog.report import Verdict

FAILS = 0.04
"""Share of variants' runs that end without figures."""

Rows = list[dict[str, Any]]
Effects = dict[tuple[str, str], dict[str, Any]]


def figures(kind: Kind, plan: Planned, pace: float, dice: random.Random) -> tuple[Rows, Effects]:
    """What one run measured, and its effects by metric and phase; nothing where it failed."""
    if not plan.is_baseline and dice.random() < FAILS:
        return [], {}
    shape = plan.shape
    is_text = kind.workload == "prefill"
    latency = kind.latency * pace
    size = (plan.batch_size or 1) * (plan.length or 128)
    peak = kind.weights * (1.15 + 2e-4 * size)
    speed = metrics.THROUGHPUT_TOKENS if is_text else metrics.THROUGHPUT_SAMPLES
    scored = metrics.QUALITY_PERPLEXITY if is_text else metrics.QUALITY_TOP1
    score, worse = (14.2, 1 + 3 * shape.kl) if is_text else (0.91, 1 - 3 * shape.kl)
    plain: list[tuple[Metric, str, float, float, float]] = [
        (metrics.LATENCY, kind.phase, latency, shape.latency, shape.spread),
        (speed, kind.phase, size / latency, 1 / shape.latency, shape.spread),
        (metrics.COLD_FIRST_CALL, "first_call", 3 * latency, shape.first_call, 0.06),
        (metrics.MEMORY_PEAK_ALLOCATED, kind.phase, peak, shape.peak, 0.0),
        (metrics.MEMORY_HOST, kind.phase, 7e8 + peak, 0.5 + 0.5 * shape.peak, 0.01),
        (metrics.MEMORY_WEIGHTS, "load", kind.weights, shape.weights, 0.0),
        (scored, "quality", score, worse, 0.004),
    ]
    if kind.device.kind == "cuda":
        plain.append((metrics.ENERGY_STEP, kind.phase, 250 * latency, 0.2 + 0.8 * shape.latency, 0.03))
    # Variants do not always do the same good; the null test does nothing at all.
    luck = 1.0 if plan.is_baseline else math.exp(dice.gauss(0, 0.12))
    measured: Rows = []
    effects: Effects = {}
    for metric, phase, start, factor, spread in plain:
        moves = 1.0 if metric.aspect == "quality" else luck if metric.better == "lower" else 1 / luck
        ratio = factor * moves * (1 + dice.gauss(0, spread / 3))
        for arm, value in (("baseline", start), ("variant", start * ratio)):
            measured.append(_measurement(metric, phase, arm, value, spread))
        effects[metric.name, phase] = {
            "metric": metric.name,
            "phase": phase,
            "ratio": ratio,
            "low": ratio * (1 - spread),
            "high": ratio * (1 + spread),
            "verdict": _verdict(metric, ratio, spread),
            "pairs": 3,
            "p_value": math.erfc(abs(math.log(ratio)) / (spread / 1.96) / math.sqrt(2)) if spread else None,
            "method": "moderated t over 3 pairs" if spread else None,
        }
    kl = shape.kl * luck
    measured.append(_measurement(metrics.QUALITY_KL, "quality", "variant", kl, 0.1))
    measured.append(_measurement(metrics.QUALITY_AGREEMENT, "quality", "variant", max(0.0, 1 - 20 * kl), 0.001))
    return measured, effects


def _measurement(metric: Metric, phase: str, arm: str, value: float, spread: float) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "phase": phase,
        "arm": arm,
        "value": value,
        "low": value * (1 - spread),
        "high": value * (1 + spread),
        "unit": metric.unit,
        "n": 420 if spread else 1,
        "definition": metric.version,
    }


def cells(measured: Rows, effects: Effects, verdicts: Mapping[tuple[str, str], Verdict]) -> dict[str, Cell]:
    """The figures by word; each metric stands in one phase here, so no phase has to be picked."""
    own = {row["metric"]: row for row in measured if row["arm"] == "variant"}
    found = {}
    for figure in FIGURES:
        row = next((own[metric.name] for metric in figure.metrics if metric.name in own), None)
        if row is None:
            continue
        key = (row["metric"], row["phase"])
        values = {part: row[part] for part in ("value", "low", "high", "definition")}
        values["items"] = row["n"] if figure.scored else None
        if key in effects:
            values |= {"ratio": effects[key]["ratio"], "ratio_low": effects[key]["low"]}
            values |= {"ratio_high": effects[key]["high"], "pairs": effects[key]["pairs"], "verdict": verdicts[key]}
        found[figure.word] = Cell.model_construct(**values)
    return found


def _verdict(metric: Metric, ratio: float, spread: float) -> Verdict:
    words: dict[str, tuple[Verdict, Verdict]] = {
        "memory": ("smaller", "larger"),
        "energy": ("smaller", "larger"),
        "quality": ("better", "worse"),
    }
    good, bad = words.get(metric.aspect, ("faster", "slower"))
    if metric.better == "higher":
        ratio = 1 / ratio
    if ratio * (1 + spread) < 0.98:
        return good
    if ratio * (1 - spread) > 1.02:
        return bad
    return "same" if spread < 0.02 else "undecided"
