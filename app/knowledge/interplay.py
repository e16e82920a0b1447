"""How techniques act on one another, where a stack was measured beside its parts: on one model, workload and device.

When two techniques do not touch each other, the ratio of both together is the product of their ratios. An interaction is
the ratio of both over that product; its interval comes from the three intervals as independent errors, in logarithms.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.knowledge.cases import Cases, Effect, word_of
from app.knowledge.pooling import COUNTED_MARGIN, SAME_MARGIN
from app.results.figures import BY_WORD

FIGURES = ("latency", "memory")
MOST = 40

Says = Literal["adds", "cancels", "independent", "undecided"]
Context = tuple[object, ...]


class Interaction(Frozen):
    """A technique on top of the rest of a stack, over what both do apart from each other."""

    part: str
    """The technique with its parameters."""
    rest: tuple[str, ...]
    figure: str
    ratio: float
    low: float
    high: float
    says: Says
    """Adds when both together bring more than the product of their ratios, cancels when they bring less."""
    model: str
    workload: str
    hardware: str
    batch_size: int | None
    length: int | None
    url: str
    """A run of the stack."""
    runs: int
    """Behind the stack's effect."""


def interactions(cases: Cases, technique: str) -> tuple[Interaction, ...]:
    """Every stack with a technique in it that was measured beside the technique alone and beside the rest alone.

    Args:
        cases: of all techniques.
        technique: the word of one of them.
    """
    measured: dict[tuple[Context, frozenset[str]], int] = {}
    stacks: list[tuple[Context, frozenset[str], int]] = []
    for case in range(cases.count):
        stack = cases.stack(case)
        if stack is None or not stack.turned_on:
            continue
        context = _context(cases, case)
        measured.setdefault((context, stack.added), case)
        if len(stack.added) > 1 and any(word_of(part) == technique for part in stack.added):
            stacks.append((context, stack.added, case))
    found = [one for stack in stacks for one in _apart(cases, measured, technique, *stack)]
    found.sort(key=lambda one: (one.says in ("undecided", "independent"), -abs(math.log(one.ratio))))
    return tuple(_shown(cases, one) for one in found[:MOST])


class _Apart(NamedTuple):
    """An interaction with the number of the stack's case."""

    case: int
    part: str
    rest: frozenset[str]
    figure: str
    ratio: float
    low: float
    high: float
    says: Says
    runs: int


def _apart(
    cases: Cases,
    measured: dict[tuple[Context, frozenset[str]], int],
    technique: str,
    context: Context,
    added: frozenset[str],
    whole: int,
) -> Iterator[_Apart]:
    """One stack over its two parts, in every figure that all three have."""
    part = next(part for part in added if word_of(part) == technique)
    rest = added - {part}
    single, other = measured.get((context, frozenset({part}))), measured.get((context, rest))
    if single is None or other is None:
        return
    for figure in FIGURES:
        effects = [effect for case in (whole, single, other) if (effect := cases.effect(case, figure))]
        if len(effects) == 3:
            ratio, low, high = over_product(*effects)
            said = says(low, high, BY_WORD[figure].better)
            yield _Apart(whole, part, rest, figure, ratio, low, high, said, effects[0].runs)


def over_product(together: Effect, alone: Effect, other: Effect) -> tuple[float, float, float]:
    """The ratio of both together over the product of their ratios, with the ends of its interval."""
    centre = math.log(together.ratio) - math.log(alone.ratio) - math.log(other.ratio)
    below = math.hypot(_down(together), _up(alone), _up(other))
    above = math.hypot(_up(together), _down(alone), _down(other))
    return math.exp(centre), math.exp(centre - below), math.exp(centre + above)


def _shown(cases: Cases, one: _Apart) -> Interaction:
    return Interaction(
        part=one.part,
        rest=tuple(sorted(one.rest)),
        figure=one.figure,
        ratio=one.ratio,
        low=one.low,
        high=one.high,
        says=one.says,
        batch_size=cases.size("batch_size", one.case),
        length=cases.size("length", one.case),
        url=f"/runs/{cases.table.rows[cases.newest[one.case]].run_id}",
        runs=one.runs,
        **{name: cases.word(name, one.case) for name in ("model", "workload", "hardware")},
    )


def says(low: float, high: float, better: str) -> Says:
    """What the interval of an interaction means."""
    margin = COUNTED_MARGIN if low == high else SAME_MARGIN
    if 1 / (1 + margin) <= low and high <= 1 + margin:
        return "independent"
    if low <= 1 <= high:
        return "undecided"
    return "adds" if (high < 1) == (better == "lower") else "cancels"


def _context(cases: Cases, case: int) -> Context:
    """What has to be the same for ratios to be multiplied."""
    names = tuple(cases.word(name, case) for name in ("model", "workload", "device", "hardware"))
    sizes = tuple(cases.size(name, case) for name in ("batch_size", "length"))
    point = tuple(sorted(cases.table.rows[cases.newest[case]].point.items()))
    return (*names, *sizes, point, cases.against(case))


def _down(effect: Effect) -> float:
    return math.log(effect.ratio / effect.low)


def _up(effect: Effect) -> float:
    return math.log(effect.high / effect.ratio)
