"""What is believed of a stack's effect: the roofline's prediction, moved by rows of evidence, each counted by what it is worth.

Rows are residuals: log of what was seen over what the roofline predicts for the setting it was seen in, so that an effect of
another device arrives scaled. With precisions ``p = w k / s²`` (w of the grade, k of the similarity of settings, s of the row),
and ``p0 = 1 / t²`` of the prediction itself:

    mean      m = Σ p r / Σ p
    between   b = Σ_rows p (r − m)² / Σ p
    variance  v = 1 / Σ p + b

Sources that disagree widen the interval through b. A row that agrees (r = m) leaves m as it is and lowers both terms.

A stack adds up what its techniques are believed to do beyond the prediction, each by its influence: what leaving it out would
change by the prediction, from a quarter (what formulas see nothing of) to all (a factor of two and more).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log, sqrt
from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.guide import memory, work
from app.guide import settings as settings_of
from app.guide.likeness import similarity
from app.guide.priors import WEIGHTS, Metric, Prior, Setting, of_technique
from app.guide.settings import of_words
from app.guide.situation import PHASES, Situation
from app.guide.techniques import by_word, chosen, clash, unable
from app.knowledge.sources import Grade
from app.planner.machines import Machine, of_title, titles

Kind = Literal["measured", "predicted", "literature"]
Z = 1.96
TAU = 0.25
"""Standard deviation of the roofline's log error without any measurement: a prediction that is not calibrated is within 25 %."""
LEAST = 0.02
"""Least standard deviation of a measured log-ratio: no run is known better than 2 %."""
SINGLE = 0.1
"""Standard deviation of a published ratio that comes without an interval: runs move by a tenth."""
SAME = 0.98
"""Similarity from which on a row is of the very same setting."""
TRANSFER = 0.15
"""Least standard deviation of a measured log-ratio in any other setting: what the roofline does not see moves from one setting to
another. Residuals of bf16 over four lengths and batches of one model (``demo``) spread by 0.2."""
COUNTS = 0.2
"""Grade times similarity from which on a row says something about the situation."""
ORDER: tuple[Grade, ...] = ("A", "B", "C", "D")


class Measured(Frozen):
    """An effect that was measured by the team itself: a stack over its baseline."""

    id: str
    url: str | None = None
    stack: tuple[str, ...]
    """Words of all techniques of the variant."""
    baseline: tuple[str, ...] = ()
    metric: Metric
    ratio: float
    """After over before; for quality the relative loss."""
    low: float
    high: float
    setting: Setting
    device: Machine | None = None
    """What it was measured on; None where only its setting names it, and then it counts for that very device alone."""

    @property
    def device_name(self) -> str | None:
        """What it was measured on; None where nobody said."""
        return self.device.title if self.device else self.setting.device


class Row(NamedTuple):
    """One piece of evidence, as far as it says something about a situation."""

    id: str
    kind: Kind
    grade: Grade
    residual: float
    deviation: float
    weight: float
    """Grade times similarity, from 0 to 1."""
    here: bool

    @property
    def precision(self) -> float:
        """What it counts."""
        return self.weight / self.deviation**2


class Cited(Frozen):
    """A row of evidence as an answer shows it."""

    id: str
    kind: Kind
    grade: Grade
    weight: float
    """Grade times similarity of its setting."""


class Belief(Frozen):
    """A log-effect with its uncertainty, and what it rests on."""

    mean: float
    variance: float
    kind: Kind
    grade: Grade
    cited: tuple[Cited, ...] = ()

    @property
    def half(self) -> float:
        """Half of the 95 % interval."""
        return Z * sqrt(self.variance)


def posterior(mean: float, variance: float, rows: Sequence[Row]) -> tuple[float, float]:
    """Mean and variance after rows of evidence, by the formulas at the head of this file.

    Args:
        mean: of the prediction.
        variance: of the prediction.
        rows: their residuals are on the same scale as ``mean``.
    """
    first = 1 / variance
    of_rows = sum(row.precision for row in rows)
    if of_rows == 0:
        return mean, variance
    total = first + of_rows
    middle = (first * mean + sum(row.precision * row.residual for row in rows)) / total
    between = sum(row.precision * (row.residual - middle) ** 2 for row in rows) / total
    return middle, 1 / total + between


class Evidence:
    """All rows that say something about a situation, ready to be asked about stacks."""

    def __init__(self, situation: Situation, measured: Sequence[Measured], before: Sequence[str]) -> None:
        """Take stock.

        Args:
            situation: what is asked.
            measured: what the team measured.
            before: words of the stack that effects are told against.
        """
        self.situation = situation
        self.before = tuple(before)
        self._measured = [one for one in measured if _phase(one.setting.task) in (None, situation.phase)]
        self._single: dict[tuple[str, Metric], list[Row]] = {}
        self._whole: dict[tuple[frozenset[str], Metric], list[Row]] = {}
        self._effects: dict[tuple[str, Metric, frozenset[str]], Belief] = {}
        for one in self._measured:
            self._take(one)

    def knows(self, metric: Metric) -> bool:
        """Whether anything was measured of a metric."""
        return any(one.metric == metric for one in self._measured)

    def rows(self, words: Sequence[str], metric: Metric) -> tuple[Row, ...]:
        """What was measured of a whole stack.

        Args:
            words: of all its techniques.
            metric: time or memory.
        """
        return tuple(self._whole.get((frozenset(words), metric), ()))

    def effect(self, word: str, metric: Metric = "time", used: frozenset[str] = frozenset()) -> Belief:
        """What a technique does to a metric beyond what the roofline predicts, as a log-ratio.

        Args:
            word: of the technique.
            metric: time or memory.
            used: ids of rows that count elsewhere already.
        """
        if (word, metric, used) not in self._effects:
            measured = [row for row in self._single.get((word, metric), []) if row.id not in used]
            rows = [*measured, *self._literature(word, metric)]
            usable = [row for row in rows if row.weight > 0]
            mean, variance = posterior(0.0, TAU**2, usable)
            kind, grade = _standing(usable)
            if by_word()[word].unknown and not any(row.here or row.grade in ("A", "B") for row in usable):
                # No formula covers it, and articles do not tell how they measured.
                grade = "D"
            self._effects[word, metric, used] = Belief(
                mean=mean, variance=variance, kind=kind, grade=grade, cited=_cited(usable)
            )
        return self._effects[word, metric, used]

    def of_stack(
        self, words: Sequence[str], metric: Metric, predicted: float, influence: Mapping[str, float]
    ) -> Belief:
        """What is believed of a stack's log-effect over the stack before.

        Args:
            words: of the whole stack.
            metric: time or memory.
            predicted: log-ratio by the roofline, or by the planner.
            influence: of each technique that only one of both stacks has, from 0 to 1.
        """
        added = [word for word in words if word not in self.before]
        changed = [(1.0, word) for word in added] + [(-1.0, word) for word in self.before if word not in words]
        rows = self.rows(words, metric)
        # A row of the whole stack tells nothing more of its parts.
        used = frozenset(row.id for row in rows)
        parts = [(sign * influence[word], self.effect(word, metric, used)) for sign, word in changed]
        mean = predicted + sum(factor * part.mean for factor, part in parts)
        variance = max(LEAST**2, sum(factor**2 * part.variance for factor, part in parts))
        kind: Kind = "predicted"
        grade: Grade = "C"
        cited = tuple(one for _, part in parts for one in part.cited)
        if added:
            beliefs = [self.effect(word, metric, used) for word in added]
            grade = max((one.grade for one in beliefs), key=ORDER.index)
            kind = "measured" if all(one.kind == "measured" for one in beliefs) else "predicted"
        elif not changed:
            kind, grade = "predicted", "B"
        if rows:
            moved = [row._replace(residual=predicted + row.residual) for row in rows]
            if any(row.deviation < TRANSFER for row in rows):
                # Measured in the very setting: what is known of the parts is no surer of the whole than of another setting.
                variance = max(variance, TRANSFER**2)
            mean, variance = posterior(mean, variance, moved)
            kind, grade = _standing(rows)
            cited = (*_cited(rows), *cited)
        elif kind == "measured" and len(added) > 1:
            # Each was measured alone; how they act together was not.
            kind, grade = "predicted", "B"
        return Belief(mean=mean, variance=variance, kind=kind, grade=grade, cited=_once(cited))

    def _take(self, one: Measured) -> None:
        if one.metric == "quality":
            return
        known = by_word()
        if any(word not in known for word in (*one.stack, *one.baseline)):
            return
        device = self.situation.device
        here = one.device.alike(device) if one.device is not None else one.setting.device == device.title
        if one.device is None and not here:
            # Of a device that nobody knows no formula says what it would do there.
            return
        if one.device is not None and not here and _emulated(one, one.device) != _emulated(one, device):
            # How slowly a device emulates a format says nothing of one that has units for it.
            return
        setting = one.setting.model_copy(update={"kind": one.device.kind}) if one.device is not None else one.setting
        near = similarity(setting, self.situation, one.metric, here=here)
        if near == 0:
            return
        own = _own(self.situation, setting, one.device)
        predicted = _predicted(own, one.baseline, one.stack, one.metric)
        if predicted is None:
            return
        exact = here and near > SAME
        deviation = max(LEAST if exact else TRANSFER, (log(one.high) - log(one.low)) / (2 * Z))
        row = Row(one.id, "measured", "A" if here else "B", log(one.ratio) - predicted, deviation, near, here)
        differ = set(one.stack) ^ set(one.baseline)
        if len(differ) == 1:
            # What is gained without a technique is lost with it.
            (word,) = differ
            alone = row if word in one.stack else row._replace(residual=-row.residual)
            self._single.setdefault((word, one.metric), []).append(alone)
        self._whole.setdefault((frozenset(one.stack), one.metric), []).append(row)

    def _literature(self, word: str, metric: Metric) -> Iterable[Row]:
        for prior in of_technique(word):
            effect = prior.effects.get(metric)
            # Memory is computed, never looked up; a single operator says nothing of a whole model.
            if effect is None or metric != "time" or prior.setting.task == "operator":
                continue
            device = _of(prior, self.situation)
            if device is None:
                # As of what was measured: of a device that nobody knows no formula says what it would do there.
                continue
            own = _own(self.situation, prior.setting, device)
            base = _based(own, prior)
            predicted = None if base is None else _predicted(own, base, (*base, word), metric)
            if predicted is None:
                continue
            spread = (log(effect.high) - log(effect.low)) / (2 * Z)
            weight = WEIGHTS[prior.grade] * similarity(prior.setting, self.situation, metric)
            yield Row(
                prior.id, "literature", prior.grade, log(effect.mid) - predicted, max(SINGLE, spread), weight, False
            )


def _emulated(one: Measured, device: Machine) -> set[str]:
    """Words of techniques of both stacks whose format a device has no units for."""
    needs = {word: by_word()[word].requires.computes for word in {*one.stack, *one.baseline}}
    return {word for word, need in needs.items() if need is not None and not device.computes(need)}


def _phase(task: str | None) -> str | None:
    """The phase of a task; a phase is its own."""
    return next((phase for known, phase in PHASES.items() if known == task), task)


def _of(prior: Prior, situation: Situation) -> Machine | None:
    """The device of a published row; None where nobody told it or described it.

    Machines with one processor differ in memory, which is nothing to time: theirs is taken to be that of the situation's device.
    """
    title = prior.setting.device
    return of_title(title, situation.device.memory) if title in titles() else None


def _own(situation: Situation, setting: Setting, device: Machine | None) -> Situation:
    """The situation as a setting had it, as far as that is told; the model's shape stays."""
    values: dict[str, object] = {"devices": setting.devices if setting.devices > 1 else situation.devices}
    if device is not None:
        values["device"] = device
    if setting.batch is not None:
        values["batch"] = setting.batch
    if setting.sequence is not None:
        values["sequence"] = setting.sequence
    return situation.model_copy(update=values)


def _based(own: Situation, prior: Prior) -> tuple[str, ...] | None:
    """The stack that a published effect was seen against: what was usual there, and what stands in both arms."""
    usual = [word for word in settings_of.plain(own) if word not in prior.stack]
    word = prior.stack[0]
    technique = by_word()[word]
    if technique.group == "precision":
        usual = [one for one in usual if by_word()[one].group != "precision"]
    usual = [one for one in usual if one not in technique.conflicts]
    base = [*usual, *(one for one in prior.beside if one not in usual)]
    if word == "qlora":
        base.append("autocast_bf16" if own.device.computes("bfloat16") else "autocast_fp16")
    stack = chosen((*base, word))
    return None if clash(stack) or any(unable(one, own.device, own.devices) for one in stack) else tuple(base)


def _predicted(own: Situation, baseline: Sequence[str], stack: Sequence[str], metric: Metric) -> float | None:
    """Log-ratio that formulas give for the setting of a row; None where they do not cover it."""
    if any(word not in by_word() for word in (*baseline, *stack)):
        return None
    before, after = of_words(tuple(baseline)), of_words(tuple(stack))
    if metric == "memory":
        needed = (memory.while_running(memory.needed(own, settings)) for settings in (after, before))
        return log(next(needed) / next(needed))
    return log(work.time(own, after).seconds / work.time(own, before).seconds)


def _standing(rows: Sequence[Row]) -> tuple[Kind, Grade]:
    """What a belief rests on: measured where what was measured here counts most; literature alone is never better than B."""
    here = sum(row.precision for row in rows if row.here)
    elsewhere = sum(row.precision for row in rows if not row.here)
    if here > elsewhere:
        return "measured", "A"
    if any(row.kind == "measured" for row in rows):
        return "predicted", "B"
    told = [row for row in rows if row.weight >= COUNTS]
    if any(row.grade in ("A", "B") for row in told):
        return "predicted", "B"
    return "predicted", "C"


def _cited(rows: Sequence[Row]) -> tuple[Cited, ...]:
    ordered = sorted(rows, key=lambda row: -row.precision)
    return tuple(Cited(id=row.id, kind=row.kind, grade=row.grade, weight=round(row.weight, 3)) for row in ordered)


def _once(cited: Sequence[Cited]) -> tuple[Cited, ...]:
    return tuple({one.id: one for one in cited}.values())
