"""Stacks that could be advised, found by beam search from the simplest ones, each with the memory and time that formulas give.

The search knows nothing of limits: what fits is decided afterwards, so that more memory or a wider tolerance only ever adds.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from app.guide import memory, work
from app.guide.settings import Settings, of_words, plain
from app.guide.situation import Situation
from app.guide.techniques import Technique, by_word, chosen, clash, misplaced, techniques, unable
from app.planner.memory.parts import Needed
from app.planner.roofline import Time

WIDTH = 54
"""Stacks that are carried on from each depth: the fastest, the smallest, and those good at both, of all, of the sure and of the gentle ones."""
DEPTH = 4
"""Techniques that are added beyond a precision."""
DEEP_STARTS = 2
"""Stacks from which memory is followed down as far as it goes: what is asked about, and what somebody has who chose nothing."""
NOTICED = 0.005
"""Share of memory or time below which a technique changes nothing."""
CHOSEN_FIRST = "precision"
"""Group that every stack chooses from before anything else."""


class Composed(NamedTuple):
    """One stack with what formulas say of it."""

    words: tuple[str, ...]
    settings: Settings
    needed: Needed
    time: Time

    @property
    def bytes(self) -> float:
        """Peak of its memory."""
        return self.needed.peak.bytes


Compose = Callable[[tuple[str, ...]], Composed]


def usable(situation: Situation) -> tuple[Technique, ...]:
    """Techniques that have a place in the task and that the device can run; no second best that does the same, and nothing that torch
    does unasked, unless it is asked about.
    """
    able = [
        one
        for one in techniques()
        if misplaced(one, situation) is None and unable(one, situation.device, situation.devices) is None
    ]
    words = {one.word for one in able}
    return tuple(
        one
        for one in able
        if (one.word in situation.stack and not one.as_torch) or (one.fallback not in words and one.unasked is None)
    )


def composed(situation: Situation, words: Iterable[str]) -> Composed:
    """One stack, computed.

    Args:
        situation: what is asked.
        words: of its techniques, in any order.
    """
    stack = tuple(one.word for one in chosen(tuple(words)))
    settings = of_words(stack)
    return Composed(
        stack,
        settings,
        memory.needed(situation, settings),
        work.time(situation, settings),
    )


def completed(situation: Situation, words: Sequence[str]) -> tuple[str, ...]:
    """A stack with what its techniques cannot do without: of each need the first that the device can run.

    Args:
        situation: what is asked.
        words: of its techniques.
    """
    found = list(words)
    groups = {by_word()[word].group for word in found}
    for word in plain(situation):
        if by_word()[word].group not in groups and not clash(chosen((*found, word))):
            found.append(word)
    able = {one.word for one in usable(situation)}
    for word in tuple(found):
        for need in by_word()[word].needs:
            if not set(need) & set(found):
                found += [each for each in need if each in able][:1]
    return tuple(one.word for one in chosen(found))


def search(situation: Situation, doubtful: frozenset[str] = frozenset()) -> dict[tuple[str, ...], Composed]:
    """Every stack that the search came by, the simplest among them.

    Args:
        situation: what is asked.
        doubtful: words of techniques of which too little is known to advise them; they take no other's place.
    """

    @cache
    def compose(words: tuple[str, ...]) -> Composed:
        return composed(situation, words)

    able = usable(situation)
    starts = [compose(words) for words in _starts(situation, able)]
    found = {one.words: one for one in starts}
    frontier = starts
    for _ in range(DEPTH):
        grown: dict[tuple[str, ...], Composed] = {}
        for one in frontier:
            for new in _grown(compose, one, able):
                if new.words not in found:
                    grown[new.words] = new
        if not grown:
            break
        found |= grown
        frontier = _kept(list(grown.values()), doubtful)
    for one in starts[:DEEP_STARTS]:
        found |= {new.words: new for new in _ever_smaller(compose, one, able, doubtful)}
    return found


def _ever_smaller(
    compose: Compose, one: Composed, able: Sequence[Technique], doubtful: frozenset[str]
) -> Iterable[Composed]:
    """From a stack on, always the technique that saves most memory and loses least, until none saves any: where memory is short,
    more techniques are needed together than the search goes deep.
    """
    while True:
        smaller = [
            new
            for new in _grown(compose, one, able)
            if new.needed.high < one.needed.high * (1 - NOTICED) and not doubtful & set(new.words)
        ]
        gentle = [new for new in smaller if all(_gentle(by_word()[word]) for word in new.words)]
        if not smaller:
            return
        one = min(gentle or smaller, key=lambda new: (new.needed.high, new.time.seconds))
        yield one


def _starts(situation: Situation, able: Sequence[Technique]) -> Iterable[tuple[str, ...]]:
    """Words of the stacks that the search begins with: what is asked about, what somebody has who chose nothing, each precision."""
    base = [word for word in plain(situation) if by_word()[word].group != CHOSEN_FIRST]
    asked = [word for word in situation.stack if by_word()[word] in able]
    precisions = [
        [*base, *([one.word] if one else [])] for one in (None, *(one for one in able if one.group == CHOSEN_FIRST))
    ]
    seen: set[tuple[str, ...]] = set()
    for stack in (*([completed(situation, asked)] if asked else []), plain(situation), *precisions):
        words = tuple(one.word for one in chosen(tuple(stack)))
        if words not in seen and clash(chosen(words)) is None:
            seen.add(words)
            yield words


def _grown(compose: Compose, one: Composed, able: Sequence[Technique]) -> Iterable[Composed]:
    """The stack with one technique more, wherever that changes anything."""
    for technique in able:
        if technique.word in one.words:
            continue
        stack = chosen((*one.words, technique.word))
        if clash(stack) is not None:
            continue
        new = compose(tuple(each.word for each in stack))
        if technique.unknown or _differs(one, new):
            yield new


def _differs(one: Composed, new: Composed) -> bool:
    if abs(new.bytes / one.bytes - 1) >= NOTICED or abs(new.needed.high / one.needed.high - 1) >= NOTICED:
        return True
    return abs(new.time.seconds / one.time.seconds - 1) >= NOTICED


def _kept(stacks: list[Composed], doubtful: frozenset[str]) -> list[Composed]:
    """The best by three orders each of all, of those without doubt, and of those that lose nothing and are little work."""
    share = WIDTH // 9
    sure = [one for one in stacks if not doubtful & set(one.words)]
    gentle = [one for one in sure if all(_gentle(by_word()[word]) for word in one.words)]
    kept: dict[tuple[str, ...], Composed] = {}
    for pool in (stacks, sure, gentle):
        for key in (_by_time, _by_memory, _by_both):
            for one in _distinct(sorted(pool, key=key))[:share]:
                kept[one.words] = one
    return list(kept.values())


def _gentle(technique: Technique) -> bool:
    return technique.quality == "none" and technique.effort != "high"


def _distinct(ordered: list[Composed]) -> list[Composed]:
    """Of stacks that formulas cannot tell apart, such as two 16-bit formats, the first."""
    seen: set[tuple[str, str]] = set()
    found = []
    for one in ordered:
        place = (f"{one.time.seconds:.3g}", f"{one.bytes:.3g}")
        if place not in seen:
            seen.add(place)
            found.append(one)
    return found


def _by_time(one: Composed) -> tuple[float, float]:
    return one.time.seconds, one.bytes


def _by_memory(one: Composed) -> tuple[float, float]:
    return one.bytes, one.time.seconds


def _by_both(one: Composed) -> tuple[float, float]:
    return one.time.seconds * one.bytes, one.bytes
