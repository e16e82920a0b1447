"""How techniques act on one another, where a stack was measured beside its parts: on one model, workload and device.

When two techniques do not touch each other, the ratio of both together is the product of their ratios. An interaction is
the ratio of both over that product; its interval comes from the three intervals as independent errors, in logarithms.

What ran emulated is held against what ran emulated: a stack that ran as asked against parts that did, and one with an emulated
technique against parts of which one was. Where both parts were measured either way, nothing says which of them was emulated in
the stack, and it is left out.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.knowledge.cases import Cases, Effect, word_of
from app.results.figures import BY_WORD
from workers.catalog.verdict import COUNTED_MARGIN, SAME_MARGIN

FIGURES = ("latency", "memory")
MOST = 40

Says = Literal["adds", "cancels", "independent", "undecided"]
EMULATED = "emulated"
Context = tuple[object, ...]
Key = tuple[Context, frozenset[str], bool]
"""Where a stack was measured, what it adds to the baseline, and whether any of it was emulated."""


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
    ran: str
    """As asked, or emulated: the stack and at least one of its parts."""
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
    measured: dict[Key, int] = {}
    for case in range(cases.count):
        stack = cases.stack(case)
        if stack is None or not stack.turned_on:
            continue
        key = (_context(cases, case), stack.added, cases.word("ran", case) == EMULATED)
        # How quality was scored says nothing about time and memory: of such cases the one with most runs counts.
        if key not in measured or cases.runs[case] > cases.runs[measured[key]]:
            measured[key] = case
    found = [
        one
        for key, case in measured.items()
        if len(key[1]) > 1 and any(word_of(part) == technique for part in key[1])
        for one in _apart(cases, measured, technique, key, case)
    ]
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


def _apart(cases: Cases, measured: Mapping[Key, int], technique: str, key: Key, whole: int) -> Iterator[_Apart]:
    """One stack over its two parts, in every figure that all three have."""
    context, added, emulated = key
    part = next(part for part in added if word_of(part) == technique)
    rest = added - {part}
    pairs = [
        (single, other)
        for alone, beside in itertools.product((False, True), repeat=2)
        if (alone or beside) == emulated
        and (single := measured.get((context, frozenset({part}), alone))) is not None
        and (other := measured.get((context, rest, beside))) is not None
    ]
    if len(pairs) != 1:
        return
    single, other = pairs[0]
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
        **{name: cases.word(name, one.case) for name in ("model", "workload", "hardware", "ran")},
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
    """What has to be the same for ratios to be multiplied, besides what ran."""
    names = tuple(cases.word(name, case) for name in ("model", "workload", "device", "hardware"))
    sizes = tuple(cases.size(name, case) for name in ("batch_size", "length"))
    point = tuple(sorted(cases.table.rows[cases.newest[case]].point.items()))
    return (*names, *sizes, point, cases.against(case))


def _down(effect: Effect) -> float:
    return math.log(effect.ratio / effect.low)


def _up(effect: Effect) -> float:
    return math.log(effect.high / effect.ratio)
