"""What to measure next: where a measurement is most likely to change the pick, for what it costs, as variants to be queued.

Value of information of a candidate (Howard 1966, Information value theory): with d the advantage over the pick in log time, s its
standard deviation, φ and Φ of the standard normal, the expected gain of knowing is ``s φ(d / s) + d Φ(d / s)``, less what is gained
without knowing.
"""

from collections.abc import Sequence
from math import erf, exp, log, pi, sqrt
from typing import Any

from app.frozen import Frozen
from app.guide.evidence import Z
from app.guide.options import Option
from app.guide.situation import Situation
from app.guide.techniques import by_word

MOST = 6
"""Experiments that are offered."""
LEAST_VALUE = 1e-4
"""Expected gain in log time below which nothing is offered."""


class Experiment(Frozen):
    """One stack to be measured against the stack there is now."""

    words: tuple[str, ...]
    titles: tuple[str, ...]
    value: float
    """Expected gain in log time for its cost; of experiments the larger is the better."""
    because: str
    variant: tuple[dict[str, Any], ...] | None
    """The stack as the catalogue has it; None where the catalogue cannot measure it."""
    baseline: tuple[dict[str, Any], ...] | None
    missing: tuple[str, ...] = ()
    """Titles of techniques that nothing measures here yet."""


def experiments(
    situation: Situation, pick: Option | None, options: Sequence[Option], before: Option
) -> tuple[Experiment, ...]:
    """What to measure, the most worth first; what the catalogue can measure comes before what it cannot, the pick before all.

    Args:
        situation: what is asked.
        pick: the stack that is advised; None where there is none.
        options: all that were found.
        before: the stack there is now.
    """
    found: list[tuple[float, Option, str]] = []
    for one in options:
        if one.words == before.words or _hopeless(one, situation):
            continue
        value, because = _value(one, pick, situation)
        # Whoever measures at all wants to see what the advice itself brings.
        if value > LEAST_VALUE or (pick is not None and one.words == pick.words and not missing(one.words)):
            found.append((value / (1 + one.effort_place), one, because))
    first = pick.words if pick else None
    ordered = sorted(
        found,
        key=lambda each: (bool(missing(each[1].words)), each[1].words != first, -each[0], len(each[1].words)),
    )
    chosen: list[tuple[float, Option, str]] = []
    for each in ordered:
        words = set(each[1].words)
        # What is contained in another experiment, or contains one, teaches mostly the same.
        if len(chosen) < MOST and not any(words <= set(one.words) or words >= set(one.words) for _, one, _ in chosen):
            chosen.append(each)
    return tuple(_experiment(value, one, because, situation, before) for value, one, because in chosen)


def in_catalogue(words: Sequence[str], situation: Situation) -> tuple[dict[str, Any], ...] | None:
    """A stack as the catalogue's techniques with their parameters; None where it has not all of them.

    Args:
        words: of the stack.
        situation: whose sizes parameters may follow.
    """
    if missing(words):
        return None
    stack: list[dict[str, Any]] = []
    replaced = {name: entry for word in words for name, entry in by_word()[word].instead.items()}
    for word in words:
        for entry in (replaced[word],) if word in replaced else by_word()[word].catalogue or ():
            filled = {name: situation.batch if value == "@batch" else value for name, value in entry.items()}
            stack.append(filled)
    if not any(entry["technique"] in ("precision", "autocast") for entry in stack):
        stack.insert(0, {"technique": "precision", "dtype": "fp32"})
    return tuple(stack)


def missing(words: Sequence[str]) -> tuple[str, ...]:
    """Titles of those that the catalogue cannot measure yet."""
    return tuple(by_word()[word].title for word in words if by_word()[word].catalogue is None)


def _hopeless(one: Option, situation: Situation) -> bool:
    """Whether no measurement could make it the pick."""
    for broken in one.broken:
        if broken.limit == "effort" or (broken.limit == "budget" and one.fits == "no"):
            return True
        if broken.limit == "tolerance" and one.loss.low > situation.tolerance:
            return True
        if broken.limit == "latency" and situation.latency is not None and one.time.low > situation.latency:
            return True
    return False


def _value(one: Option, pick: Option | None, situation: Situation) -> tuple[float, str]:
    chance, why = 1.0, []
    if one.unknown:
        titles = ", ".join(by_word()[word].title for word in one.unknown)
        why.append(f"nothing better than an article is known of {titles}")
    if one.loss_unknown:
        chance *= 0.5
        why.append("nobody scored its quality in a setting like this")
    elif one.loss.high > situation.tolerance:
        deviation = max(1e-6, (one.loss.high - one.loss.value) / Z)
        chance *= _below((situation.tolerance - one.loss.value) / deviation)
        why.append("its loss may lie on either side of what is allowed")
    if one.fits == "tight":
        share = (situation.free - one.memory.low) / (one.memory.high - one.memory.low)
        chance *= min(1.0, max(0.0, share))
        why.append("it may or may not fit")
    if situation.latency is not None and any(each.limit == "latency" and not each.sure for each in one.broken):
        chance *= (situation.latency - one.time.low) / (one.time.high - one.time.low)
        why.append("it may or may not be fast enough")
    half = (log(one.ratio.high) - log(one.ratio.low)) / 2
    if pick is None:
        return chance * max(half / Z, 0.01), _said(why)
    of_pick = (log(pick.ratio.high) - log(pick.ratio.low)) / 2
    deviation = max(1e-6, sqrt(half**2 + (of_pick**2 if pick.words != one.words else 0.0)) / Z)
    ahead = 0.0 if pick.words == one.words else log(pick.ratio.value) - log(one.ratio.value)
    gain = deviation * _density(ahead / deviation) + ahead * _below(ahead / deviation)
    settled = not one.broken and not one.loss_unknown and not one.unknown
    gain -= max(0.0, ahead) if settled else 0.0
    if pick.words == one.words:
        why.append("it is the pick, and its gain is known roughly")
    elif settled:
        why.append("it may be faster than the pick")
    return chance * max(0.0, gain), _said(why)


def _said(why: Sequence[str]) -> str:
    text = "; ".join(why) or "its gain is known roughly"
    return f"{text[0].upper()}{text[1:]}."


def _experiment(value: float, one: Option, because: str, situation: Situation, before: Option) -> Experiment:
    return Experiment(
        words=one.words,
        titles=one.titles,
        value=value,
        because=because,
        variant=in_catalogue(one.words, situation),
        baseline=in_catalogue(before.words, situation),
        missing=tuple(dict.fromkeys(missing((*one.words, *before.words)))),
    )


def _below(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2


def _density(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)
