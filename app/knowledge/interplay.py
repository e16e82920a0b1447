"""How techniques act on one another, where a stack was measured beside its parts: on one model, workload and device.

An interaction is the ratio of a stack over the product of its parts' ratios (``app/study/interaction.py``), of figures alone whose
errors are independent.

What ran emulated is held against what ran emulated: a stack that ran as asked against parts that did, and one with an emulated
technique against parts of which one was. Where both parts were measured either way, nothing says which of them was emulated in
the stack, and it is left out.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.frozen import Frozen
from app.knowledge.cases import Cases, word_of
from app.results.figures import BY_WORD
from app.study.interaction import Quotient, Says, quotient

FIGURES = ("latency", "memory")
MOST = 40

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
        if not stack.turned_on:
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
    found.sort(key=lambda one: (one.says in ("undecided", "independent"), -abs(math.log(one.over.ratio))))
    return tuple(_shown(cases, one) for one in found[:MOST])


class _Apart(NamedTuple):
    """An interaction with the number of the stack's case."""

    case: int
    part: str
    rest: frozenset[str]
    figure: str
    over: Quotient
    runs: int

    @property
    def says(self) -> Says:
        """What its interval means."""
        return self.over.says(BY_WORD[self.figure].better)


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
            yield _Apart(whole, part, rest, figure, quotient(*effects), effects[0].runs)


def _shown(cases: Cases, one: _Apart) -> Interaction:
    return Interaction(
        part=one.part,
        rest=tuple(sorted(one.rest)),
        figure=one.figure,
        says=one.says,
        batch_size=cases.size("batch_size", one.case),
        length=cases.size("length", one.case),
        url=f"/runs/{cases.table.rows[cases.newest[one.case]].run_id}",
        runs=one.runs,
        **one.over._asdict(),
        **{name: cases.word(name, one.case) for name in ("model", "workload", "hardware", "ran")},
    )


def _context(cases: Cases, case: int) -> Context:
    """What has to be the same for ratios to be multiplied, besides what ran."""
    names = tuple(cases.word(name, case) for name in ("model", "workload", "device", "hardware"))
    sizes = tuple(cases.size(name, case) for name in ("batch_size", "length"))
    point = tuple(sorted(cases.table.rows[cases.newest[case]].point.items()))
    return (*names, *sizes, point, cases.against(case))
