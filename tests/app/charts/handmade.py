"""Small comparisons made by hand, so that the right answer of a chart is known before it is drawn."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.study.comparison import ComparedRun, Comparison
from app.study.pareto import Counted, Reading
from app.study.quantities import Quantity
from app.study.verdicts import Ratio
from workers.catalog import metrics
from workers.catalog.spec import Point


def read(value: float, spread: float = 0.0, n: int = 40, counts: Counted = "value") -> Reading:
    """A reading whose interval goes so far to both sides, as a share of it."""
    return Reading(value=value, low=value * (1 - spread), high=value * (1 + spread), n=n, counts=counts)


def over(ratio: float, spread: float = 0.01, items: int | None = None) -> Ratio:
    """An effect whose interval goes so far to both sides, as a factor; of a score over so many items."""
    low, high, pairs = ratio / (1 + spread), ratio * (1 + spread), 3 if items is None else 1
    return Ratio(ratio=ratio, low=low, high=high, verdict="undecided", pairs=pairs, items=items)


def run(
    variant: str,
    parts: tuple[str, ...] = (),
    *,
    readings: Mapping[str, Reading] | None = None,
    effects: Mapping[str, Ratio] | None = None,
    point: Point | None = None,
    **more: Any,
) -> ComparedRun:
    """A finished run; without parts it is the null test."""
    found = {
        "run": f"{variant} {point or {}}",
        "variant": variant,
        "is_baseline": not parts,
        "label": " + ".join(parts) or "as built",
        "parts": parts,
        "family": "precision" if parts else "baseline",
        "point": point or {},
        "state": "done",
        "outcome": "ok",
        "outcome_phase": None,
        "message": None,
        "readings": dict(readings or {}),
        "beside": {},
        "effects": dict(effects or {}),
    }
    return ComparedRun(**found | more)


def study(runs: Iterable[ComparedRun], phase: str = "prefill") -> Comparison:
    """The comparison of runs; its quantities are those that a run reads."""
    found = tuple(runs)
    keys = {key for one in found for key in (*one.readings, *one.effects)}
    quantities = [
        _quantity(metric.name, key)
        for metric in metrics.METRICS
        for key in sorted(keys)
        if key.partition("@")[0] == metric.name
    ]
    points: list[Point] = []
    for one in found:
        if one.point not in points:
            points.append(one.point)
    return Comparison(
        study="01KSTUDY0000000000000000AA",
        name="made by hand",
        baseline=next(one.variant for one in found if one.is_baseline),
        main_phase=phase,
        points=tuple(points),
        quantities=tuple(quantities),
        columns=(),
        axes=None,
        runs=found,
    )


def _quantity(name: str, key: str) -> Quantity:
    metric = metrics.BY_NAME[name]
    return Quantity(
        key=key,
        metric=name,
        phase=key.partition("@")[2],
        title=metric.title,
        unit=metric.unit,
        better=metric.better,
        aspect=metric.aspect,
        definition=metric.definition,
    )
