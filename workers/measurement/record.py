"""What a sitting has read so far: one place that takes every answer of an arm and keeps it as samples."""

import math
from typing import Any, NamedTuple

import numpy as np

from workers.catalog import metrics
from workers.catalog.metrics import Metric
from workers.catalog.report import Arm, Proof, Samples
from workers.catalog.spec import RunSpec
from workers.measurement import protocol
from workers.measurement.statistics import Array

MOST_RAW = 2_000
"""Raw values kept of one metric from one process; of more, every n-th."""


class Key(NamedTuple):
    """One metric in one phase of one arm."""

    metric: str
    phase: str
    arm: Arm


class Record:
    """Everything one sitting reads.

    ``series`` holds for each key and pair the counted samples; ``turns`` the median of every block in its order.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.series: dict[Key, dict[int, list[float]]] = {}
        self.turns: dict[Key, dict[int, list[float]]] = {}
        self.warm_ups: dict[Key, dict[int, list[float]]] = {}
        self.flops: dict[Arm, int] = {}
        self.proofs: list[Proof] = []
        self.scores: dict[str, list[float]] = {}
        self.environment: dict[str, Any] = {}
        self.notes: list[str] = []
        self.unmet: list[str] = []

    def put(self, metric: Metric, phase: str, arm: Arm, pair: int, value: float) -> None:
        """One more sample."""
        self.series.setdefault(Key(metric.name, phase, arm), {}).setdefault(pair, []).append(float(value))

    def loaded(self, arm: Arm, pair: int, answer: dict[str, Any]) -> None:
        """Times, sizes and peaks of loading and converting."""
        self.put(metrics.COLD_LOAD, "load", arm, pair, answer["load_s"])
        self.put(metrics.COLD_CONVERT, "convert", arm, pair, answer["convert_s"])
        self.put(metrics.MODEL_PARAMETERS, "load", arm, pair, answer["parameters"])
        self.put(metrics.MEMORY_WEIGHTS, "convert", arm, pair, answer["weights"])
        self.put(metrics.MODEL_SIZE, "convert", arm, pair, answer["size"])
        for phase, figures in answer["memory"].items():
            self._figures(phase, arm, pair, figures)

    def first_called(self, arm: Arm, pair: int, answer: dict[str, Any]) -> None:
        """Time of the first call, and what of it the compiler took."""
        self.put(metrics.COLD_FIRST_CALL, "first_call", arm, pair, answer["seconds"])
        self.put(metrics.COLD_COMPILE, "first_call", arm, pair, answer["compile_s"])
        self._figures("first_call", arm, pair, answer["memory"])

    def warmed(self, arm: Arm, pair: int, answer: dict[str, Any]) -> None:
        """The warm-up series."""
        self.warm_ups.setdefault(self._latency(arm), {}).setdefault(pair, []).extend(answer["series"])
        if not answer["settled"]:
            self.unmet.append(f"The {arm}'s warm-up had not settled after {len(answer['series'])} steps.")

    def timed(self, arm: Arm, pair: int, taken: dict[str, Any], discarded: int) -> None:
        """One block."""
        keyed: dict[Key, tuple[list[float], int]] = {self._latency(arm): (list(taken["whole"]), 1)}
        for part in self.spec.workload.parts:
            keyed[Key(part.metric.name, part.phase, arm)] = (list(taken["parts"][part.phase]), part.divisor)
        for key, (values, divisor) in keyed.items():
            values = [value / divisor for value in values]
            self.warm_ups.setdefault(key, {}).setdefault(pair, []).extend(values[:discarded])
            counted = values[discarded:]
            self.series.setdefault(key, {}).setdefault(pair, []).extend(counted)
            self.turns.setdefault(key, {}).setdefault(pair, []).append(float(np.median(counted)))

    def remembered(self, arm: Arm, pair: int, answer: dict[str, Any]) -> None:
        """Peaks of one step, and of its parts."""
        for phase, figures in answer["phases"].items():
            self._figures(phase or self.spec.workload.main_phase, arm, pair, figures)

    def pace(self, arm: Arm, pair: int) -> float:
        """Seconds one warm step takes: median of the second half of the warm-up."""
        series = self.warm_ups[self._latency(arm)][pair]
        return float(np.median(series[len(series) // 2 :]))

    def turn_ratios(self, pair: int) -> Array:
        """Log-ratio of latency, variant over baseline, of every turn of a pair [T]."""
        baseline, variant = (np.array(self.turns[self._latency(arm)][pair]) for arm in ("baseline", "variant"))
        ratios: Array = np.log(variant) - np.log(baseline)
        return ratios

    def precision(self, pair: int, half: float, turns: int) -> None:
        """Note when a pair ended on its budget instead of its precision."""
        goal = protocol.PRECISION_GOAL / 2
        if half > goal:
            self.unmet.append(
                f"Pair {pair + 1} ended after {turns} turns with its latency ratio known to ±{math.expm1(half):.1%}; "
                f"the goal inside a pair is ±{goal:.0%}."
            )

    @property
    def samples(self) -> list[Samples]:
        """The raw values, thinned where there are very many."""
        kept: list[Samples] = []
        for warm_up, series in ((True, self.warm_ups), (False, self.series)):
            for key, pairs in series.items():
                for pair, values in pairs.items():
                    every = -(-len(values) // MOST_RAW)
                    kept.append(
                        Samples(
                            metric=key.metric,
                            phase=key.phase,
                            arm=key.arm,
                            pair=pair,
                            warm_up=warm_up,
                            values=tuple(values[::every]),
                        )
                    )
        return kept

    def _latency(self, arm: Arm) -> Key:
        return Key(metrics.LATENCY.name, self.spec.workload.main_phase, arm)

    def _figures(self, phase: str, arm: Arm, pair: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.put(metrics.BY_NAME[name], phase, arm, pair, value)
