"""What a sitting has read so far: one place that takes every answer of an arm and keeps it by metric, phase and pair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

from workers.catalog.ceilings import Ceilings
from workers.catalog.evaluation import Scores
from workers.catalog.metrics import LATENCY
from workers.catalog.report import Arm, Artifact, Bottleneck, Kernel, Proof, Samples, Timeline
from workers.catalog.spec import RunSpec
from workers.measurement import statistics
from workers.measurement.messages import Answer

MOST_RAW = 60_000
"""Values of all series together that a report carries; 8 MB is the most it may weigh, a value has about 20 characters."""
MOST_ITEMS = 20_000
"""The same of scores of items, all metrics of both arms together."""


class Key(NamedTuple):
    """One metric in one phase of one arm."""

    metric: str
    phase: str
    arm: Arm

    def of(self, arm: Arm) -> Key:
        """The same of an arm."""
        return self._replace(arm=arm)


Values = dict[Key, dict[int, list[float]]]
"""By key and pair."""


class Record:
    """Everything one sitting reads.

    ``once`` holds what a process shows a single time (load, peaks, counts); ``steps`` the counted samples of blocks;
    ``turns`` the median of every block in order; ``warm_ups`` the samples that do not count.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.once: Values = {}
        self.steps: Values = {}
        self.turns: Values = {}
        self.warm_ups: Values = {}
        self.scores: dict[str, Scores] = {}
        """Of the evaluation, by metric."""
        self.again: dict[str, Scores] = {}
        """The same of the baseline's second answers, as if they were the variant's."""
        self.identical = False
        """Whether both arms gave the evaluation bit for bit the same outputs."""
        self.apart = False
        """Whether the arms were measured one after the other, because both together did not fit."""
        self.contention: dict[str, float] = {}
        """Largest share of the processors that others kept busy, while arms ``start`` and while they are ``measure``d."""
        self.aside: list[tuple[Key, int, bool, tuple[float, ...]]] = []
        """Samples of pairs that others disturbed and that were measured again: kept, and in no summary."""
        self.proofs: list[Proof] = []
        self.formats: dict[tuple[Arm, str], dict[str, int]] = {}
        """FLOPs of one eager step by number format, by arm and phase."""
        self.ceilings: Ceilings | None = None
        """What the device can do, where that has been measured."""
        self.bottlenecks: list[Bottleneck] = []
        self.kernels: list[Kernel] = []
        self.artifacts: list[Artifact] = []
        self.timelines: dict[tuple[str, str, Arm], Timeline] = {}
        """By metric, phase and arm; of the first pair, whose processes show what all others do."""
        self.environment: dict[str, JsonValue] = {}
        self.notes: list[str] = []
        self.unmet: list[str] = []

    def take(self, arm: Arm, pair: int, answer: Answer) -> None:
        """What is read once a process, and what is said besides."""
        for reading in answer.readings:
            _append(self.once, Key(reading.metric, reading.phase, arm), pair, reading.value)
        self.proofs += [proof for proof in answer.proofs if proof not in self.proofs]
        self.formats |= {(arm, phase): found for phase, found in answer.formats.items()}
        self.bottlenecks += answer.bottlenecks
        self.kernels += answer.kernels
        self.artifacts += answer.artifacts
        if pair == 0:
            self.timelines |= {(each.metric, each.phase, each.arm): each for each in answer.timelines}
        self.notes += [note for note in answer.notes if note not in self.notes]
        self.environment |= answer.environment

    def warmed(self, arm: Arm, pair: int, answer: Answer) -> None:
        """Samples of the warm-up."""
        for series in answer.series:
            _append(self.warm_ups, Key(series.metric, series.phase, arm), pair, *series.values)

    def timed(self, arm: Arm, pair: int, answer: Answer, discard: int) -> None:
        """One block; its first samples only warmed up again."""
        for series in answer.series:
            key = Key(series.metric, series.phase, arm)
            counted = series.values[discard:]
            if discard:
                _append(self.warm_ups, key, pair, *series.values[:discard])
            _append(self.steps, key, pair, *counted)
            _append(self.turns, key, pair, statistics.middle(counted))

    def forget(self, pair: int) -> None:
        """Drop everything of a pair that has to be measured again in another way."""
        if pair == 0:
            self.proofs.clear()
            self.bottlenecks.clear()
            self.kernels.clear()
            self.artifacts.clear()
            self.timelines.clear()
        for values in (self.once, self.steps, self.turns, self.warm_ups):
            for pairs in values.values():
                pairs.pop(pair, None)
            for key in [key for key, pairs in values.items() if not pairs]:
                del values[key]

    def set_aside(self, pair: int) -> None:
        """Keep a pair that others disturbed where no summary sees it; it is measured again under the same number."""
        self.aside += [each for each in self._raw() if each[1] == pair]
        self.forget(pair)

    def latency(self, arm: Arm) -> Key:
        """The whole step's time."""
        return Key(LATENCY.name, self.spec.workload.main_phase, arm)

    def warm_up(self, arm: Arm, pair: int) -> list[float]:
        """Times of the steps of a warm-up so far."""
        return self.warm_ups.get(self.latency(arm), {}).get(pair, [])

    def pace(self, arm: Arm, pair: int) -> float:
        """Seconds a warm step takes: the median of those that count, before there are any of the warm-up's second half."""
        if counted := self.steps.get(self.latency(arm), {}).get(pair):
            return statistics.middle(counted)
        series = self.warm_up(arm, pair)
        return statistics.middle(series[len(series) // 2 :])

    def ratios(self, pair: int, key: Key) -> list[float]:
        """Logarithm of variant over baseline, turn by turn."""
        baseline, variant = self.turns[key.of("baseline")][pair], self.turns[key.of("variant")][pair]
        return [math.log(new / old) for old, new in zip(baseline, variant, strict=False)]

    def samples(self) -> tuple[Samples, ...]:
        """The raw values; every n-th one when there are too many, which the caller says in a note."""
        every = self.thinned
        taken = (
            Samples(
                metric=key.metric,
                phase=key.phase,
                arm=key.arm,
                pair=pair,
                warm_up=warm_up,
                contended=contended,
                values=values[::every],
            )
            for series, contended in ((self._raw(), False), (self.aside, True))
            for key, pair, warm_up, values in series
        )
        return (*taken, *self._items())

    @property
    def thinned(self) -> int:
        """Every how many-th raw value a report carries."""
        return max(1, math.ceil(self._size / MOST_RAW))

    @property
    def _size(self) -> int:
        """Raw values of all pairs, those set aside too."""
        return sum(len(values) for _, _, _, values in (*self._raw(), *self.aside))

    def _raw(self) -> Iterator[tuple[Key, int, bool, tuple[float, ...]]]:
        for values, warm_up in ((self.warm_ups, True), (self.steps, False), (self.once, False)):
            for key, pairs in values.items():
                for pair, series in pairs.items():
                    # Nanoseconds are as fine as the clock.
                    yield key, pair, warm_up, tuple(round(value, 9) for value in series)

    def _items(self) -> Iterator[Samples]:
        """Scores of the evaluation's items; the same items of every metric and arm, so that they can be paired again."""
        series = [
            (key.of(arm), items)
            for key, scores in ((Key(name, "quality", "variant"), scores) for name, scores in self.scores.items())
            for arm, items in scores.of_arms()
        ]
        every = max(1, math.ceil(sum(len(items) for _, items in series) / MOST_ITEMS))
        for key, items in series:
            values = tuple(round(float(value), 9) for value in items[::every])
            yield Samples(metric=key.metric, phase=key.phase, arm=key.arm, pair=0, values=values)


def _append(values: Values, key: Key, pair: int, *new: float) -> None:
    values.setdefault(key, {}).setdefault(pair, []).extend(new)
