"""What is known about one technique: its measured effects over models and devices, beside what the literature says.

How a statement of the literature is judged, case by case. Only comparable cases count: the same stack with nothing else
different, turned on against what it is compared with there, not emulated, in the setting the statement is of. Then

- contradicted: the measured interval lies wholly outside the range that was said;
- undecided: it meets the range, but reaches beyond both ends of it, or includes ×1 although the range does not;
- confirmed: it meets the range otherwise.

Ranges reach a little further than written, for rounding (``app.knowledge.claims``). Over several cases a statement is confirmed or
contradicted when all that decide agree, and mixed when they do not.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from statistics import median
from typing import Literal

import numpy as np

from app.errors import Invalid, NotFound
from app.frozen import Frozen
from app.knowledge import claims
from app.knowledge.cases import RATIOS, Case, Cases, Effect, Stack, measured
from app.knowledge.claims import Statement
from app.knowledge.interplay import Interaction, interactions
from app.results.columns import Mask, Table
from app.results.figures import BY_WORD, Figure
from app.results.matching import having
from app.study.verdicts import tone
from workers.catalog.declared import Problem, closest
from workers.catalog.technique import Technique
from workers.catalog.techniques import BY_WORD as BY_TECHNIQUE
from workers.catalog.techniques import TECHNIQUES

Status = Literal["confirmed", "contradicted", "mixed", "undecided", "not_measured"]
TYPICAL = ("latency", "memory")
"""Figures by which techniques are summed up."""
MOST_CASES = 40
"""Of a technique's table and chart; the rest is for Explore."""
MOST_JUDGED = 12
"""Cases shown beside one statement."""
EXTREMES = 3


class Typical(Frozen):
    """An effect over all cases in which a technique was turned on by itself."""

    figure: str
    ratio: float
    """Median of the cases."""
    low: float
    """Smallest of them."""
    high: float
    cases: int


class Summary(Frozen):
    """How much was measured of a technique, and what it typically does."""

    technique: str
    runs: int
    """That measured it by itself."""
    stacked: int
    """That measured it together with others."""
    failed: dict[str, int]
    """Runs of it by itself that ended otherwise, by outcome."""
    fell_back: int
    """Runs of it by itself in which something else ran than was asked."""
    cases: int
    typical: tuple[Typical, ...]


class Met(Frozen):
    """One case beside a statement."""

    case: Case
    effect: Effect
    status: Status


class Judged(Frozen):
    """A statement, and what was measured here in comparable settings."""

    statement: Statement
    status: Status
    cases: tuple[Met, ...]
    """Those with most runs."""
    counts: dict[str, int]
    """How many cases have which status."""
    runs: int
    environments: int


class Extreme(Frozen):
    """A case in which a technique helps, or hurts, most in one figure."""

    figure: str
    case: Case
    effect: Effect


class Used(Frozen):
    """Parameters with which a technique was measured by itself, and what it stood in for."""

    part: str
    before: str | None
    runs: int


class Knowledge(Frozen):
    """Everything known about one technique."""

    summary: Summary
    literature: tuple[Judged, ...]
    claims: tuple[Judged, ...]
    helps: tuple[Extreme, ...]
    hurts: tuple[Extreme, ...]
    cases: tuple[Case, ...]
    """By itself; those in which it was turned on first."""
    more_cases: int
    """Cases beyond these."""
    settings: tuple[Used, ...]
    interactions: tuple[Interaction, ...]


def overview(table: Table) -> dict[str, Summary]:
    """Every technique of the catalogue with what was measured of it, by its word."""
    codes, words = table.words["techniques"]
    single = np.isin(codes, [code for code, word in enumerate(words) if word and "+" not in word])
    cases = Cases(table, measured(table) & single, TYPICAL)
    return {technique.word: _summary(table, cases, technique.word) for technique in TECHNIQUES}


def known(table: Table, technique: type[Technique]) -> Knowledge:
    """What is known about a technique of the catalogue."""
    word = technique.word
    cases = Cases(table, measured(table) & _concerning(table, word))
    alone = _of(cases, word)
    on = [case for case in alone if _on(cases, case)]
    is_on = frozenset(on)
    order = sorted(alone, key=lambda case: (case not in is_on, *_place(cases, case)))
    return Knowledge(
        summary=_summary(table, cases, word),
        literature=tuple(_judge(cases, statement) for statement in claims.expected(technique)),
        claims=tuple(_judge(cases, statement) for statement in claims.claims(word)),
        helps=tuple(_extremes(cases, on, "improves")),
        hurts=tuple(_extremes(cases, on, "worsens")),
        cases=tuple(cases.case(case) for case in order[:MOST_CASES]),
        more_cases=max(0, len(order) - MOST_CASES),
        settings=_settings(cases, alone, word),
        interactions=interactions(cases, word),
    )


def judged(table: Table, statements: Sequence[Statement]) -> tuple[Judged, ...]:
    """Statements of any techniques, each with what was measured; one without techniques is of baselines against themselves."""
    codes, words = table.words["techniques"]
    wanted = {"+".join(statement.stack) for statement in statements}
    rows = np.isin(codes, [code for code, word in enumerate(words) if word in wanted])
    figures = tuple(dict.fromkeys(statement.figure for statement in statements))
    alone = having(table, "outcome", {"ok"}) & ~having(table, "ran", {"fell_back"})
    cases = Cases(table, rows & alone, figures)
    return tuple(_judge(cases, statement) for statement in statements)


def of_catalogue(word: str) -> type[Technique]:
    """A technique by its word.

    Raises:
        NotFound: the catalogue has none; names those that it has.
    """
    if word not in BY_TECHNIQUE:
        near = closest(word, BY_TECHNIQUE)
        hint = f"Did you mean {near}? " if near else ""
        raise NotFound(f"There is no technique {word!r}.", hint=f"{hint}Techniques: {', '.join(BY_TECHNIQUE)}.")
    return BY_TECHNIQUE[word]


def compared(word: str) -> Figure:
    """A figure that has a ratio over the baseline, by its word.

    Raises:
        Invalid: there is none; names the choices.
    """
    if word not in RATIOS:
        problem = Problem("figure", "unknown", "is not a figure with a ratio.", f"One of {', '.join(RATIOS)}.")
        raise Invalid("figure is not a figure with a ratio.", problems=[problem])
    return BY_WORD[word]


def judge(statement: Statement, effect: Effect) -> Status:
    """What one measured effect says about a statement; the rule stands at the head of this file."""
    low, high = statement.reach
    if effect.high < low or effect.low > high:
        return "contradicted"
    beyond = effect.low < low and effect.high > high
    direction = effect.low < 1 < effect.high and not low <= 1 <= high
    return "undecided" if beyond or direction else "confirmed"


def comparable(cases: Cases, case: int, statement: Statement) -> bool:
    """Whether a case is of the stack and the setting that a statement is of."""
    wanted = statement.setting
    return (
        cases.word("techniques", case) == "+".join(statement.stack)
        and wanted.device in (None, cases.word("device", case))
        and (not wanted.workloads or cases.word("workload", case) in wanted.workloads)
        and wanted.batch_size in (None, cases.size("batch_size", case))
        and wanted.length in (None, cases.size("length", case))
        and cases.word("ran", case) != "emulated"
        and (wanted.model is None or wanted.model in cases.word("model", case).casefold())
        and _of_stack(cases.stack(case), statement.stack, wanted.variant, wanted.baseline, wanted.lacks, wanted.also)
    )


@lru_cache(maxsize=8192)
def _of_stack(
    stack: Stack,
    techniques: tuple[str, ...],
    variant: tuple[str, ...],
    baseline: tuple[str, ...],
    lacks: tuple[str, ...],
    also: tuple[str, ...],
) -> bool:
    """Whether a stack is the one that a statement is of. Many cases share a stack, and all statements of a technique ask."""
    if not techniques:
        return not (stack.added or stack.removed)
    before = stack.baseline
    return (
        stack.turned_on
        and all(_against(stack, word) for word in techniques)
        and (not variant or any(part.startswith(variant) for part in stack.added))
        and (not baseline or any(part.startswith(baseline) for part in before))
        and not (lacks and any(part.startswith(lacks) for part in before))
        and all(any(part.startswith(each) for part in stack.both) for each in also)
    )


def _concerning(table: Table, technique: str) -> Mask:
    """Rows whose stack a technique sets apart, and those of the rest of such a stack without it."""
    codes, words = table.words["techniques"]
    sets = [frozenset(word.split("+")) for word in words]
    wanted = {one for one in sets if technique in one}
    wanted |= {one - {technique} for one in wanted}
    found: Mask = np.isin(codes, [code for code, one in enumerate(sets) if one in wanted])
    return found


def _against(stack: Stack, technique: str) -> bool:
    """Whether the baseline has of a technique what the literature compares it with."""
    known = claims.contrast(technique)
    before = stack.before(technique)
    if known is None:
        return before is None
    return known.absent if before is None else before.startswith(known.against)


def _judge(cases: Cases, statement: Statement) -> Judged:
    met: list[tuple[int, Effect, Status]] = []
    for case in _of(cases, "+".join(statement.stack)):
        effect = cases.effect(case, statement.figure) if comparable(cases, case, statement) else None
        if effect is not None:
            met.append((case, effect, judge(statement, effect)))
    counts = Counter(status for _, _, status in met)
    shown = sorted(met, key=lambda one: -one[1].runs)[:MOST_JUDGED]
    return Judged(
        statement=statement,
        status=_together(counts),
        cases=tuple(Met(case=cases.case(case), effect=effect, status=status) for case, effect, status in shown),
        counts=dict(counts),
        runs=sum(effect.runs for _, effect, _ in met),
        environments=cases.environments_of([case for case, _, _ in met]),
    )


def _together(counts: Counter[Status]) -> Status:
    if not counts:
        return "not_measured"
    if counts["confirmed"] and counts["contradicted"]:
        return "mixed"
    decided: tuple[Status, ...] = ("confirmed", "contradicted")
    return next((status for status in decided if counts[status]), "undecided")


def _summary(table: Table, cases: Cases, word: str) -> Summary:
    alone = having(table, "techniques", {word})
    codes, words = table.words["outcome"]
    ended = np.bincount(codes[alone], minlength=len(words)).tolist()
    whole = np.count_nonzero(having(table, "technique", {word}) & measured(table))
    runs = int(np.count_nonzero(alone & measured(table)))
    of = _of(cases, word)
    on = [case for case in of if _on(cases, case)]
    return Summary(
        technique=word,
        runs=runs,
        stacked=int(whole) - runs,
        failed={outcome: count for outcome, count in zip(words, ended, strict=False) if count and outcome != "ok"},
        fell_back=int(np.count_nonzero(alone & having(table, "ran", {"fell_back"}))),
        cases=len(of),
        typical=tuple(one for figure in TYPICAL if (one := _typical(cases, on, figure))),
    )


def _typical(cases: Cases, on: Sequence[int], figure: str) -> Typical | None:
    ratios = [effect.ratio for case in on if (effect := cases.effect(case, figure))]
    if not ratios:
        return None
    return Typical(figure=figure, ratio=median(ratios), low=min(ratios), high=max(ratios), cases=len(ratios))


def _extremes(cases: Cases, on: Sequence[int], wanted: Literal["improves", "worsens"]) -> list[Extreme]:
    """The farthest from ×1 among those whose verdict is decided, for each of the summing figures."""
    found = []
    for figure in TYPICAL:
        told = [(effect, case) for case in on if (effect := cases.effect(case, figure))]
        told = [(effect, case) for effect, case in told if tone(effect.verdict) == wanted]
        less = (BY_WORD[figure].better == "lower") == (wanted == "improves")
        told.sort(key=lambda one: one[0].ratio if less else -one[0].ratio)
        found += [Extreme(figure=figure, case=cases.case(case), effect=effect) for effect, case in told[:EXTREMES]]
    return found


def _settings(cases: Cases, alone: Sequence[int], word: str) -> tuple[Used, ...]:
    tally: Counter[tuple[str, str | None]] = Counter()
    for case in alone:
        stack = cases.stack(case)
        part = stack.part(word) if stack else None
        if stack and part:
            tally[part, stack.before(word)] += int(cases.runs[case])
    return tuple(Used(part=part, before=before, runs=runs) for (part, before), runs in tally.most_common())


def _of(cases: Cases, techniques: str) -> list[int]:
    """Cases whose stack is set apart by exactly these techniques, joined by "+"."""
    codes, words = cases.table.words["techniques"]
    wanted = [code for code, word in enumerate(words) if word == techniques]
    return np.flatnonzero(np.isin(codes[cases.newest], wanted)).tolist()


def _on(cases: Cases, case: int) -> bool:
    stack = cases.stack(case)
    return stack is not None and stack.turned_on


def _place(cases: Cases, case: int) -> tuple[str | int, ...]:
    names = (cases.word(name, case) for name in ("hardware", "model", "workload"))
    sizes = (cases.size(name, case) or 0 for name in ("batch_size", "length"))
    return (*names, *sizes, cases.table.rows[cases.newest[case]].label, cases.word("evaluation", case))
