"""The guide's answer: from a situation and what was measured to ranked stacks with reasons, evidence, alternatives and next steps."""

from collections.abc import Sequence
from math import log2
from statistics import median

from app.errors import Invalid
from app.frozen import Frozen
from app.guide import accuracy, rank, relax, work
from app.guide.compose import Composed, completed, composed, search
from app.guide.evidence import Evidence, Measured
from app.guide.experiments import Experiment, experiments
from app.guide.options import Option, option
from app.guide.reasons import Outcome, Regime, assumed, headline, preferences, reasons, regime
from app.guide.rejected import Rejected, rejected
from app.guide.relax import Relaxation
from app.guide.settings import plain
from app.guide.situation import Situation, check
from app.guide.techniques import (
    by_word,
    chosen,
    clash,
    misplaced,
    techniques,
    too_much_effort,
    unable,
)
from app.guide.tree import Node, tree
from app.planner.memory.parts import Instant
from workers.catalog.declared import Problem

TWICE_AS_LONG = 0.1
"""Share of a limit that being nearer to it is worth twice the time; a judgement: bounds of memory are some tenths wide."""
MOST_SHOWN = 8
"""Stacks that an answer shows."""
MOST_LOSSIER = 2
"""Stacks besides that may lose more quality than was assumed."""
WORTH_A_REMARK = 0.1
"""Share of the pick's time or memory from which on such a stack is worth the doubt; a judgement."""


class Advice(Frozen):
    """The whole answer, ready to be shown or sent."""

    outcome: Outcome
    headline: str
    situation: Situation
    assumed: tuple[str, ...]
    """What was not said and is taken so."""
    before: Option
    """The stack there is now, or that was asked about."""
    anatomy: Instant
    """Where its memory goes at the peak, part by part."""
    regime: Regime
    ranked: tuple[Option, ...]
    """Stacks that keep every limit, best first, and then those that are faster and may only lose more than was assumed; where none
    surely fits, those that may."""
    reasons: tuple[str, ...]
    """Why the pick, in plain words."""
    knee: tuple[str, ...] | None
    first_step: str | None
    """Word of the cheapest reversible technique of the pick, to begin with."""
    changes: tuple[Relaxation, ...]
    """What would change the answer, or make one possible, the smallest first."""
    preferences: tuple[str, ...]
    """Which other stack wins if one goal counted more."""
    rejected: tuple[Rejected, ...]
    experiments: tuple[Experiment, ...]
    path: Node
    considered: int
    feasible: tuple[tuple[str, ...], ...]
    """Words of every stack that keeps all limits; where none surely does, of those that may."""

    @property
    def pick(self) -> Option | None:
        """The stack that is advised."""
        return self.ranked[0] if self.ranked else None

    @property
    def runner_up(self) -> Option | None:
        """The next best."""
        return self.ranked[1] if len(self.ranked) > 1 else None


def advise(situation: Situation, measured: Sequence[Measured] = ()) -> Advice:
    """Answer a situation.

    Args:
        situation: what is asked.
        measured: what the team measured, of any situation; what does not concern this one is left aside.

    Raises:
        Invalid: parts of the situation contradict each other, or a word of its stack is not known; every field named.
    """
    weighing = _Weighing(situation, measured)
    start, losses = weighing.start, weighing.losses
    found = search(
        situation, frozenset(word for word, loss in losses.items() if loss.unknown or by_word()[word].unknown)
    )
    found[start.words] = start
    before = weighing.option(start)
    options = [weighing.option(one) for one in found.values()]
    known = [one for one in options if not one.loss_unknown and not one.unknown]
    kept = [one for one in known if not one.broken]
    perhaps = [one for one in known if one.perhaps]
    noise = weighing.noise
    lossy = [one for one in perhaps if one.lossy]
    first = rank.ranked(rank.front(kept or lossy, noise), situation)
    if not kept:
        # What keeps everything but a loss that nobody set is surer than what may break a limit that is there.
        first += _nearest([one for one in perhaps if not one.lossy], situation, noise)
    first = first[:MOST_SHOWN]
    pick = first[0] if first else None
    lossier = _lossier(lossy, situation, pick, noise) if kept and pick else []
    ranked = [*first, *lossier]
    settled = pick if kept else None
    rejections = rejected(situation, pick, options, before, losses)
    changes = relax.of_limits(options, situation, better_than=settled)
    if not kept:
        in_memory = [one for one in known if {broken.limit for broken in one.broken} <= {"budget"}]
        if in_memory:
            smallest = min(in_memory, key=lambda one: (one.memory.high, one.ratio.value, len(one.words)))
            changes = [*changes, *relax.of_work(found[smallest.words], situation)]
        changes = sorted(changes, key=lambda one: one.factor)
    outcome = _outcome(pick, bool(kept), before, options)
    return Advice(
        outcome=outcome,
        headline=headline(outcome, situation, pick, before),
        situation=situation,
        assumed=tuple(assumed(situation, lossier)),
        before=before,
        anatomy=start.needed.peak,
        regime=regime(start),
        ranked=tuple(ranked),
        reasons=tuple(reasons(pick, before)) if pick else (),
        knee=rank.knee(first),
        first_step=pick.added[0] if pick and pick.added else None,
        changes=tuple(changes),
        preferences=tuple(preferences(kept, pick, situation, noise)) if settled else (),
        rejected=rejections,
        experiments=experiments(situation, pick, options, before),
        path=tree(situation, before, len(options), kept, first, rejections),
        considered=len(options),
        feasible=tuple(sorted(one.words for one in kept or perhaps)),
    )


def weighed(situation: Situation, words: Sequence[str], measured: Sequence[Measured] = ()) -> Option:
    """One stack over the stack there is now, whether or not it would be advised.

    Args:
        situation: what is asked.
        words: of the stack's techniques; what they cannot do without is added.
        measured: what the team measured.

    Raises:
        Invalid: as for ``advise``, or the words contradict each other or the device.
    """
    weighing = _Weighing(situation, measured)
    problems = []
    for place, technique in enumerate(chosen(tuple(words))):
        said = misplaced(technique, situation) or unable(technique, situation.device, situation.devices)
        if said:
            problems.append(Problem(f"words.{place}", "contradiction", said, "Leave it out."))
    stack = completed(situation, tuple(words))
    if not problems and (said := clash(chosen(stack))):
        problems.append(Problem("words", "contradiction", said, "Leave one of them out, or add what is needed."))
    if problems:
        raise Invalid.of(problems)
    return weighing.option(composed(situation, stack))


class _Weighing:
    """Everything that each stack of a situation is weighed with."""

    def __init__(self, situation: Situation, measured: Sequence[Measured]) -> None:
        check(situation)
        _check_stack(situation)
        asked = chosen(situation.stack)
        able = [
            one.word for one in asked if not one.as_torch and unable(one, situation.device, situation.devices) is None
        ]
        self.situation = situation
        self.start = composed(situation, completed(situation, able) if situation.stack else plain(situation))
        self.losses = {one.word: accuracy.of_technique_alone(one, situation, measured) for one in techniques()}
        here = [
            (one.high - one.low) / (2 * one.ratio)
            for one in measured
            if one.metric == "time" and one.device_name == situation.device.title
        ]
        self.noise = median(here) if here else 0.0
        """Half-width of what was measured on this device, relative to it."""
        self._evidence = Evidence(situation, measured, self.start.words)

    def option(self, one: Composed) -> Option:
        """A stack as an answer shows it."""
        token = work.per_token(self.situation, one.settings)
        return option(self.situation, one, self.start, self._evidence, self.losses, token)


def _check_stack(situation: Situation) -> None:
    problems = []
    stack = chosen(situation.stack)
    for place, word in enumerate(situation.stack):
        technique = by_word()[word]
        if said := misplaced(technique, situation):
            fitting = ", ".join(one.word for one in techniques() if misplaced(one, situation) is None)
            problems.append(Problem(f"stack.{place}", "contradiction", said, f"For this task: {fitting}."))
        elif said := too_much_effort(technique, situation.effort):
            problems.append(
                Problem("effort", "contradiction", said, f"At least {technique.effort}; or leave {word} out.")
            )
    if not problems and (said := clash(chosen(completed(situation, [one.word for one in stack])))):
        problems.append(Problem("stack", "contradiction", said, "Leave one of them out, or add what is needed."))
    if problems:
        raise Invalid.of(problems)


def _nearest(options: Sequence[Option], situation: Situation, noise: float) -> list[Option]:
    """The front of stacks that only may keep a limit, those that most probably do first."""

    def beyond(one: Option) -> float:
        return max(broken.asks / relax.allowed(broken.limit, situation) for broken in one.broken)

    # Being nearer to a limit is worth time, but not any: the faster one is worth trying first where it is about as near.
    return sorted(
        rank.front(options, noise),
        key=lambda one: (round(beyond(one) / TWICE_AS_LONG + log2(one.ratio.value), 3), len(one.words)),
    )


def _lossier(lossy: Sequence[Option], situation: Situation, pick: Option, noise: float) -> list[Option]:
    """Of stacks that may lose more than was assumed, those that are clearly faster than the pick or smaller."""
    clearly = 1 - max(WORTH_A_REMARK, noise)
    found = [
        one for one in lossy if min(one.ratio.value / pick.ratio.value, one.memory.value / pick.memory.value) < clearly
    ]
    return rank.ranked(rank.front(found, noise), situation)[:MOST_LOSSIER]


def _outcome(pick: Option | None, certain: bool, before: Option, options: Sequence[Option]) -> Outcome:
    if pick is not None and certain:
        return "keep" if pick.words == before.words else "advised"
    if pick is not None:
        return "tight"
    hidden = [one for one in options if (one.loss_unknown or one.unknown) and not one.broken]
    return "unknown" if hidden else "nothing_fits"
