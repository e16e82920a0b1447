"""Every technique that is not in the pick, with the one reason why: nothing disappears without a sentence."""

from collections.abc import Mapping, Sequence
from typing import Literal

from app.frozen import Frozen
from app.guide.accuracy import Loss
from app.guide.options import Option
from app.guide.rank import EPSILON
from app.guide.situation import Situation
from app.guide.techniques import (
    IN_MEMORY,
    TERM_WORDS,
    TOUCHES,
    Technique,
    Term,
    by_word,
    misplaced,
    techniques,
    too_much_effort,
    unable,
)
from app.planner.roofline import Class

Stage = Literal["task", "device", "unasked", "effort", "evidence", "limits", "regime", "outranked"]
STAGES: dict[Stage, str] = {
    "task": "has no place in the task",
    "device": "the device cannot",
    "unasked": "torch does as much unasked",
    "effort": "too much effort",
    "evidence": "unknown, measure",
    "limits": "breaks a limit",
    "regime": "does not touch what binds",
    "outranked": "another stack is better",
}
CLASS_WORDS: dict[Class, str] = {
    "compute": "arithmetic", "bandwidth": "memory bandwidth", "overhead": "calling overhead", "communication": "exchange between devices",
}  # fmt: skip


class Rejected(Frozen):
    """A technique that is not in the pick."""

    word: str
    title: str
    stage: Stage
    because: str
    evidence: tuple[str, ...] = ()
    """Ids of the rows that the reason rests on."""


def rejected(
    situation: Situation, pick: Option | None, options: Sequence[Option], before: Option, losses: Mapping[str, Loss]
) -> tuple[Rejected, ...]:
    """The reason for each technique that the pick has not, in the order in which the question is decided.

    Args:
        situation: what is asked.
        pick: the stack that is advised; None where none keeps all limits.
        options: all stacks that were found.
        before: the stack there is now.
        losses: of each technique alone, by its word.
    """
    found = [
        _reason(technique, situation, pick, options, before, losses)
        for technique in techniques()
        if pick is None or technique.word not in pick.words
    ]
    order = list(STAGES)
    return tuple(sorted(found, key=lambda one: order.index(one.stage)))


def _reason(
    technique: Technique,
    situation: Situation,
    pick: Option | None,
    options: Sequence[Option],
    before: Option,
    losses: Mapping[str, Loss],
) -> Rejected:
    def because(stage: Stage, said: str, evidence: Sequence[str] = ()) -> Rejected:
        return Rejected(word=technique.word, title=technique.title, stage=stage, because=said, evidence=tuple(evidence))

    if said := misplaced(technique, situation):
        return because("task", said)
    if said := unable(technique, situation.device, situation.devices):
        return because("device", said)
    better = by_word().get(technique.fallback or "")
    if better is not None and unable(better, situation.device, situation.devices) is None:
        return because("outranked", f"{better.title} does the same, and {situation.device.title} can run it.")
    if technique.unasked is not None:
        return because("unasked", f"{technique.unasked[0].upper()}{technique.unasked[1:]}.")
    if said := too_much_effort(technique, situation.effort):
        return because("effort", said)
    loss = losses[technique.word]
    if technique.unknown or loss.unknown:
        what = "time" if technique.unknown else "quality"
        said = f"What {technique.title} means for {what} here, nothing better than an article says: measure it."
        return because("evidence", said)
    with_it = [one for one in options if technique.word in one.words]
    if pick is not None and not _touches(technique, before, pick):
        return because("regime", _elsewhere(technique, before, pick))
    if loss.high > situation.tolerance:
        limit = f"the {situation.tolerance:.1%} {'assumed' if situation.assumes_tolerance else 'that is allowed'}"
        said = f"{technique.title} may lose {loss.high:.1%} of quality in a model of this size, more than {limit}.{_slower(with_it, pick)}"
        return because("limits", said, [cited.id for cited in loss.cited])
    keeping = [one for one in with_it if not one.broken]
    if with_it and not keeping:
        nearest = min(with_it, key=lambda one: (len(one.broken), one.memory.low))
        return because(
            "limits", f"No stack with {technique.title} keeps all limits. The nearest: {nearest.broken[0].says}"
        )
    rival = _rival(technique, pick)
    best = min(keeping, key=lambda one: one.ratio.value, default=None)
    if best is not None and pick is not None:
        slower = best.ratio.value > pick.ratio.value * (1 + EPSILON)
        if rival is not None:
            how = "slower than the pick" if slower else "no better than the pick on the whole"
            return because(
                "outranked",
                f"{rival} stands in its place; the fastest stack with {technique.title} is {how}.",
                best.ratio.evidence,
            )
        how = (
            f"The fastest stack with it takes {best.ratio.value / pick.ratio.value:.2f} times the time of the pick."
            if slower
            else "Beside the pick it brings too little for one technique more."
        )
        return because("outranked", f"{technique.title} is feasible. {how}", best.ratio.evidence)
    if rival is not None:
        return because("outranked", f"{rival} stands in its place.")
    return because("regime", _elsewhere(technique, before, pick or before))


def _rival(technique: Technique, pick: Option | None) -> str | None:
    """What stands in the pick instead, of the same group or not to be combined with it."""
    for word in pick.words if pick else ():
        other = by_word()[word]
        if other.group == technique.group or word in technique.conflicts or technique.word in other.conflicts:
            return other.title
    return None


def _slower(with_it: Sequence[Option], pick: Option | None) -> str:
    """That it would not be faster either, where that is so."""
    fastest = min(with_it, key=lambda one: one.ratio.value, default=None)
    if pick is None or fastest is None or fastest.ratio.value <= pick.ratio.value * (1 + EPSILON):
        return ""
    return f" Nor would it be faster: at best {fastest.ratio.value / pick.ratio.value:.1f} times the time of the pick."


def _touches(technique: Technique, before: Option, pick: Option) -> bool:
    """Whether it changes what binds now or with the pick, or memory that is short."""
    binding = frozenset[Term]().union(*(TOUCHES[word] for word in (*before.binding, *pick.binding)))
    return bool(technique.terms & binding) or (before.fits != "fits" and bool(technique.terms & IN_MEMORY))


def _elsewhere(technique: Technique, before: Option, pick: Option) -> str:
    terms = ", ".join(TERM_WORDS[term] for term in sorted(technique.terms))
    binding = " and ".join(dict.fromkeys(CLASS_WORDS[word] for word in (*before.binding, *pick.binding)))
    return f"{technique.title} changes {terms}; what binds, now and with the pick, is {binding}: it brings next to nothing."
