"""Runs of any studies side by side: in what they differ, their effects, their values. Pure functions.

A ratio over the run's own baseline holds wherever it was measured, because both arms shared a sitting. Values as measured
stand side by side only where nothing differs that changes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from app.frozen import Frozen
from app.study.comparison import ComparedRun, Comparison
from app.study.differences import Difference, Surroundings, orders, surroundings
from app.study.environments import Fields
from app.study.interaction import Quotient, independent, quotient
from app.study.quantities import Quantity, in_order
from app.study.verdicts import Ratio
from workers.catalog.spec import Point, RunSpec

FEWEST, MOST = 2, 12
"""Runs that a comparison holds."""
LETTERS = "ABCDEFGHIJKL"
OWN = "its own baseline"


class Belonging(NamedTuple):
    """A run with what its row does not say of itself."""

    run: ComparedRun
    study: Comparison
    model: str
    workload: str
    spec: JsonValue


class Chosen(Frozen):
    """One run of the selection, with what it belongs to."""

    letter: str
    """A, B, …: how tables and charts call it."""
    study: str
    study_name: str
    model: str
    workload: str
    baseline: str
    """Name of its own baseline."""
    run: ComparedRun
    environment: int | None
    """Number of its environment in this comparison; null where none was told."""
    spec: JsonValue
    """What the measuring program reads on standard input, to measure it again."""


class Indirect(Frozen):
    """One variant of a study over another one, through the baseline of both; of no score of quality."""

    run: str
    against: str
    """Letters of both."""
    quantity: str
    ratio: float
    low: float
    high: float


class LeftOut(Frozen):
    """A run of a chosen study that has no figures."""

    run: str
    variant: str
    point: Point
    why: str


class SideBySide(Frozen):
    """Chosen runs beside each other."""

    runs: tuple[Chosen, ...]
    comparable: bool
    """Whether values as measured may stand side by side."""
    same_baseline: bool
    """Whether all ratios are over the same stack."""
    environments: tuple[Surroundings, ...]
    environment: tuple[Difference, ...]
    """One value for each of ``environments``; what affects values first."""
    order: tuple[Difference, ...]
    """One value for each of ``runs``."""
    quantities: tuple[Quantity, ...]
    opens: str | None
    """Key of the quantity whose effects a chart opens with."""
    between: tuple[Indirect, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Letters of the runs that stand to each other through a common baseline."""
        return tuple(dict.fromkeys((one.run, one.against) for one in self.between))

    @property
    def obstacles(self) -> tuple[Difference, ...]:
        """Every difference because of which values as measured do not stand side by side."""
        return tuple(one for one in (*self.environment, *self.order) if one.affects == "values")

    def indirect(self, pair: tuple[str, str], key: str) -> Indirect | None:
        """How the runs of a pair stand to each other in one quantity."""
        return next((one for one in self.between if (one.run, one.against) == pair and one.quantity == key), None)


def side_by_side(
    selection: Sequence[Belonging], fields: Mapping[str, Fields], left_out: Sequence[LeftOut] = ()
) -> SideBySide:
    """Bring runs together.

    Args:
        selection: runs with figures, 2 to 12 of them.
        fields: of the environments they were measured in.
        left_out: runs that the selection was to hold and cannot.
    """
    lettered = list(zip(LETTERS, selection, strict=False))
    measured = [(letter, one.run.environment) for letter, one in lettered if one.run.environment is not None]
    environments, environment = surroundings(measured, fields)
    number = {letter: one.number for one in environments for letter in one.letters}
    runs = tuple(
        Chosen(
            letter=letter,
            study=one.study.study,
            study_name=one.study.name,
            model=one.model,
            workload=one.workload,
            baseline=one.study.baseline,
            run=one.run,
            environment=number.get(letter),
            spec=one.spec,
        )
        for letter, one in lettered
    )
    order = orders([RunSpec.model_validate(one.spec) for one in runs])
    affected = {one.affects for one in (*environment, *order)}
    quantities = _quantities(one.study.quantities for one in selection)
    return SideBySide(
        runs=runs,
        # Where an environment is not known, nobody can say that it is the same.
        comparable="values" not in affected and len(measured) == len(runs),
        same_baseline="ratios" not in affected,
        environments=environments,
        environment=environment,
        order=order,
        quantities=quantities,
        opens=_opens(runs, quantities, selection[0].study),
        between=tuple(_indirects(runs, quantities, environment)),
        left_out=tuple(left_out),
    )


def between(a: Ratio, b: Ratio) -> Quotient | None:
    """Ratio of two variants through the baseline of both, with its 95 % interval; None without positive intervals.

    Each was measured in a sitting with a baseline arm of its own, so the errors are independent
    (``app/study/interaction.py``); of scores of quality they are not. The interval is wider than either one's.

    Args:
        a: the variant above the line, over the baseline.
        b: the one below it, over the same baseline.
    """
    return quotient(a, b) if a.low > 0 and b.low > 0 else None


def as_one(side: SideBySide) -> Comparison:
    """The selection as a comparison at one point, for charts: each run over its own baseline, named with its letter."""
    baselines = {one.baseline for one in side.runs}
    return Comparison(
        study="",
        name="compare",
        baseline=baselines.pop() if side.same_baseline and len(baselines) == 1 else OWN,
        main_phase=side.opens.partition("@")[2] if side.opens else "",
        points=({},),
        quantities=side.quantities,
        columns=(),
        axes=None,
        runs=tuple(
            one.run.model_copy(update={"point": {}, "variant": f"{one.letter} · {one.run.variant}"})
            for one in side.runs
        ),
    )


def has_figures(run: ComparedRun) -> bool:
    """Whether a run has anything to compare."""
    return bool(run.readings or run.effects)


def _indirects(
    runs: Sequence[Chosen], quantities: Sequence[Quantity], environment: Sequence[Difference]
) -> Iterable[Indirect]:
    """Each variant over the first one of its study at the same point, in environments whose difference does not matter.

    Scores of quality are left out: the errors of two variants' effects are not independent there.
    """
    firsts: dict[tuple[str, str], Chosen] = {}
    for one in runs:
        if one.run.is_baseline:
            continue
        first = firsts.setdefault((one.study, str(one.run.point)), one)
        if first is one or not _alike(first, one, environment):
            continue
        for quantity in quantities:
            a, b = one.run.effects.get(quantity.key), first.run.effects.get(quantity.key)
            if a is None or b is None or not independent(quantity.aspect):
                continue
            found = between(a, b)
            if found is not None:
                yield Indirect(run=one.letter, against=first.letter, quantity=quantity.key, **found._asdict())


def _alike(a: Chosen, b: Chosen, environment: Sequence[Difference]) -> bool:
    """Whether nothing that matters differs between the environments of two runs."""
    if a.environment is None or b.environment is None:
        return False
    here, there = a.environment - 1, b.environment - 1
    return all(one.values[here] == one.values[there] for one in environment if one.affects == "values")


def _quantities(measured: Iterable[Sequence[Quantity]]) -> tuple[Quantity, ...]:
    """All that was measured; figures of one definition never share a row with those of another."""
    return in_order({quantity.key: quantity for some in measured for quantity in some}.values())


def _opens(runs: Sequence[Chosen], quantities: Sequence[Quantity], first: Comparison) -> str | None:
    """The quantity with effects in most runs; of these the one that the first run's study opens with, if it is there."""
    counts = {one.key: sum(1 for run in runs if one.key in run.run.effects) for one in quantities}
    most = [key for key, count in counts.items() if count and count == max(counts.values())]
    usual = first.axes[0] if first.axes else None
    return usual if usual in most else next(iter(most), None)
