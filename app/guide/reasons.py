"""The sentences of an answer: its headline, why the pick, what was assumed, and what other wishes would bring."""

from collections.abc import Sequence
from typing import Literal

from app.frozen import Frozen
from app.guide import rank
from app.guide.compose import Composed
from app.guide.options import Option
from app.guide.rejected import CLASS_WORDS
from app.guide.situation import TASKS, Decoder, Situation
from app.guide.techniques import IN_MEMORY, TERM_WORDS, TOUCHES, Technique, Term, by_word
from app.planner.plan import beyond_context
from app.planner.roofline import Class

Outcome = Literal["advised", "keep", "tight", "nothing_fits", "unknown"]


class Regime(Frozen):
    """What binds the stack there is now."""

    binds: Class
    margin: float | None
    """How many times the next class; None where it stands alone."""
    says: str


def regime(start: Composed) -> Regime:
    """What binds a stack, with shares of its time."""
    time = start.time
    total = sum(time.shares.values())
    margin = time.margin if time.margin != float("inf") else None
    shares = [f"{CLASS_WORDS[word]} ({time.shares[word] / total:.0%} of the time)" for word in time.binding]
    return Regime(binds=time.binds, margin=margin, says=f"What binds is {_listed(shares)}.")


def headline(outcome: Outcome, situation: Situation, pick: Option | None, before: Option) -> str:
    """The answer in one sentence.

    Args:
        outcome: how the question ends.
        situation: what is asked.
        pick: the stack that is advised, or that may just fit.
        before: the stack there is now.
    """
    titles = _changes(pick) if pick else ""
    if outcome == "advised" and pick is not None:
        return f"{titles}: about {pick.ratio.value:.2g} times the time and {pick.memory_ratio.value:.2g} times the memory of what there is now."
    if outcome == "keep":
        return "Keep what there is: nothing that keeps every limit is clearly better."
    if outcome == "tight" and pick is not None:
        asked = "No, not as asked. " if before.fits == "no" else ""
        if pick.lossy:
            return (
                f"{asked}Only if more than the {situation.tolerance:.0%} of quality that is assumed may be lost, up to "
                f"{pick.loss.high:.1%}: {titles or ', '.join(pick.titles)}."
            )
        return f"{asked}Only just, perhaps: {titles or ', '.join(pick.titles)}. Try it before relying on it."
    if outcome == "unknown":
        return "Unknown, measure: what would keep every limit rests on nothing better than articles."
    return f"No: nothing makes {situation.model.name} fit within every limit on {situation.device.title}."


def assumed(situation: Situation, lossier: Sequence[Option] = ()) -> list[str]:
    """What was not said, and how it was taken.

    Args:
        situation: what is asked.
        lossier: stacks that may lose more quality than is assumed.
    """
    said = []
    fields = situation.model_fields_set
    if "task" not in fields:
        said.append(f"What is done: {TASKS[situation.task]}.")
    if "batch" not in fields:
        said.append(f"At a time: {situation.batch:,}.")
    if "sequence" not in fields and situation.model.kind == "decoder":
        said.append(f"Tokens of each sequence or prompt: {situation.sequence:,}.")
    if "generated" not in fields and situation.task == "chat":
        said.append(f"Tokens of each answer: {situation.generated:,}.")
    tokens = situation.sequence + situation.generated
    if isinstance(situation.model, Decoder) and (beyond := beyond_context(situation.model.anatomy, tokens)):
        said.append(beyond)
    if "devices" not in fields:
        said.append(f"Devices: {situation.devices:,}.")
    if situation.budget is None:
        said.append("Memory that is free: what is usually free on such a device.")
    if situation.assumes_tolerance:
        said.append(f"Loss of quality that is allowed: {situation.tolerance:.0%}.")
        said += [
            f"{', '.join(one.titles)} may lose more than the {situation.tolerance:.0%} assumed: up to {one.loss.high:.1%}, at "
            f"{one.ratio.value:.2g} times the time and {one.memory_ratio.value:.2g} times the memory of what there is now."
            for one in lossier
        ]
    if "effort" not in fields:
        said.append(f"Effort that is tolerated: {situation.effort}.")
    if not situation.stack:
        said.append(
            f"There is now: {'weights as published' if situation.phase == 'inference' else 'FP32'}"
            f"{', the attention of torch itself (SDPA)' if situation.model.kind == 'decoder' else ''}, nothing else chosen."
        )
    if not situation.device.measured:
        said.append("Bandwidth and peaks: what is typically reached of the datasheet.")
    return said


def reasons(pick: Option, before: Option) -> list[str]:
    """Why the pick: what was short or bound before, what each technique changes, what is expected of all.

    Args:
        pick: the stack that is advised.
        before: the stack there is now.
    """
    said = []
    if before.broken and pick.fits != before.fits:
        first = next((one.says for one in before.broken if one.limit == "budget"), None)
        if first:
            now = "it surely fits" if pick.fits == "fits" else "it may just fit"
            said.append(f"What there is now: {first} With the pick {now}.")
    first, then = _classes(before.binding), _classes(pick.binding)
    said.append(
        f"What binds before is {first}; after, it is {then}."
        if first != then
        else f"What binds, before and after, is {first}."
    )
    for word in pick.added:
        said.append(_why(word, before))
    for word in pick.dropped:
        if technique := _given_up(word, pick):
            said.append(f"{technique.title} is given up: {technique.unasked or 'the pick is better without it'}.")
    said.append(
        f"Together they take {pick.ratio.value:.2g} times the time ({pick.ratio.low:.2g} to {pick.ratio.high:.2g}) and "
        f"{pick.memory_ratio.value:.2g} times the memory, and lose at most {pick.loss.high:.1%} of quality."
    )
    return said


def _why(word: str, before: Option) -> str:
    technique = by_word()[word]
    memory = technique.terms & IN_MEMORY
    speed = technique.terms & frozenset[Term]().union(*(TOUCHES[one] for one in before.binding))
    if before.fits != "fits" and memory:
        terms = ", ".join(TERM_WORDS[term] for term in sorted(memory))
        return f"{technique.title} {technique.does}: less memory for {terms}, which is short."
    if speed:
        terms = ", ".join(TERM_WORDS[term] for term in sorted(speed))
        return f"{technique.title} {technique.does}: it changes {terms}, which binds."
    terms = ", ".join(TERM_WORDS[term] for term in sorted(technique.terms))
    return f"{technique.title} {technique.does}: it changes {terms}, which counts once the rest is done."


def preferences(kept: Sequence[Option], pick: Option | None, situation: Situation, noise: float) -> list[str]:
    """Which stack would win if one goal counted most.

    Args:
        kept: stacks that keep every limit.
        pick: the one that is advised.
        situation: what is asked.
        noise: of what was measured here, as for ``rank.front``.
    """
    front = rank.front(kept, noise)
    said = []
    for goal in ("time", "memory", "quality", "effort"):
        most = situation.weights.model_copy(update={goal: 10.0})
        first = rank.ranked(front, situation, most)[0]
        if pick is not None and first.words != pick.words:
            titles = ", ".join(first.titles) or "nothing at all"
            said.append(f"If {goal} counted most: {titles}.")
    return said


def _given_up(word: str, pick: Option) -> Technique | None:
    """A technique in use that the pick does without; None where another of its group replaces it, or brings what it has of its own."""
    technique = by_word()[word]
    others = [by_word()[each] for each in pick.words]
    replaced = any(
        one.group == technique.group or {one.word, word} & (one.conflicts | technique.conflicts) for one in others
    )
    return None if replaced else technique


def _changes(pick: Option) -> str:
    """What is added, and what is given up."""
    without = [_small(found.title) for word in pick.dropped if (found := _given_up(word, pick))]
    return ", ".join([*(by_word()[word].title for word in pick.added), *(f"no {title}" for title in without)])


def _small(title: str) -> str:
    """A title within a sentence: a word begins small, an acronym does not."""
    return title[0].lower() + title[1:] if title[1].islower() else title


def _classes(binding: Sequence[Class]) -> str:
    return _listed([CLASS_WORDS[word] for word in binding])


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
