"""The plane of a trade-off: where the runs lie on two quantities, which keep the budgets, and the front of those.

``trade_off.py`` draws it, the study's page lists it, and ``static/js/trade_off.js`` reads it while a slider moves.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from app.charts.axis import axis
from app.charts.chart import MIXED, Choice, NotDrawn, chosen, runs_at
from app.charts.rows import same
from app.frozen import Frozen
from app.study.budgets import Limit, Option, Weighed, broken, weigh
from app.study.comparison import ComparedRun, Comparison, Scale, axes, candidates, reading
from app.study.pareto import Candidate, Reading, pareto
from app.study.quantities import Quantity
from workers.catalog import metrics

ONE_ALONE = "A trade-off needs two kinds of figures, and these runs have one; Effects and Memory show it."
LIMITED: tuple[tuple[str, ...], ...] = (
    (metrics.MEMORY_PEAK_ALLOCATED.name, metrics.MEMORY_HOST.name, metrics.MEMORY_WEIGHTS.name),
    (metrics.LATENCY.name, metrics.LATENCY_TTFT.name),
    (
        metrics.QUALITY_PERPLEXITY.name,
        metrics.QUALITY_LOSS.name,
        metrics.QUALITY_TASK.name,
        metrics.QUALITY_TOP1.name,
        metrics.QUALITY_NEXT_TOKEN.name,
        metrics.QUALITY_KL.name,
        metrics.QUALITY_AGREEMENT.name,
    ),
    (metrics.ENERGY_TOKEN.name, metrics.ENERGY_SAMPLE.name, metrics.ENERGY_STEP.name),
)
"""Quantities a reader can set a budget for without naming one: of memory, time, quality and energy the first measured."""

Standing = Literal["front", "possible", "dominated", "over", "fell_back"]


class Spot(Frozen):
    """One run on the plane."""

    run: str
    variant: str
    label: str
    family: str
    is_baseline: bool
    fell_back: bool
    """Something else ran than was asked: no option, and never on the front."""
    x: Reading
    y: Reading
    colour: float | None
    size: float | None
    values: dict[str, float]
    """As measured, in base units, of every quantity that has a budget or can have one."""
    over: tuple[str, ...]
    """Quantities whose budgets it does not keep."""
    standing: Standing | None
    """None where an axis has no better direction."""


class Budget(Frozen):
    """A quantity that can be limited, and what its limit does where there is one."""

    quantity: Quantity
    field: str
    """How it is written in an address, for example ``max.latency@prefill``."""
    least: float
    """Of the options, in the base unit."""
    most: float
    weighed: Weighed | None


class Plane(Frozen):
    """Runs at one point of the sweep on two quantities."""

    x: Quantity
    y: Quantity
    colour: Quantity | None
    colour_scale: Scale
    """The plane's own, or as measured where the quantity has no ratios."""
    size: Quantity | None
    size_scale: Scale
    scale: Scale
    per: tuple[float, float]
    """Base units in one unit of each axis as it is drawn."""
    spots: tuple[Spot, ...]
    front: tuple[str, ...] | None
    """Runs on the Pareto front among the options that keep every budget, from small x to large; None without one."""
    knee: str | None
    options: int
    """Runs that can be chosen: all that did not fall back."""
    fitting: int
    """Options that keep every budget."""
    budgets: tuple[Budget, ...]
    no_budgets: str | None = None
    """Why there are none."""

    @property
    def columns(self) -> tuple[Quantity, ...]:
        """The quantities that say where an option stands: those on screen, and those that have a budget."""
        drawn = [q for q in (self.x, self.y, self.colour, self.size) if q is not None]
        return tuple({q.key: q for q in (*drawn, *(budget.quantity for budget in self.budgets))}.values())

    def spot(self, run: str) -> Spot | None:
        """Where a run lies; None where it lacks figures."""
        return next((spot for spot in self.spots if spot.run == run), None)


def plane(comparison: Comparison, choice: Choice) -> Plane:
    """Place the runs of one point of the sweep, keep to the budgets, and find the front.

    Raises:
        NotDrawn: no run has figures on both axes, or a budget is the wrong way round.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    runs = runs_at(comparison, choice)
    x, y = _axes(comparison, choice)
    colour, size = (
        chosen(comparison, field, wanted) if wanted else None
        for field, wanted in (("colour", choice.colour), ("size", choice.size))
    )
    scale, places = _placed(comparison, choice, runs, x, y)
    by_run = {run.run: run for run in runs}
    mixed = comparison.environments_differ and not choice.across_environments
    limits = [] if mixed else _limits(comparison, choice)
    quantities = [] if mixed else _limited(comparison, limits)
    values = {
        place.key: {q.key: found.value for q in quantities if (found := by_run[place.key].readings.get(q.key))}
        for place in places
    }
    options = [Option(place.key, values[place.key]) for place in places if not by_run[place.key].fell_back]
    over = {key: broken(Option(key, found), limits) for key, found in values.items()}
    fitting = [place for place in places if not by_run[place.key].fell_back and not over[place.key]]
    front = pareto(fitting, x.better, y.better)

    def standing(run: ComparedRun) -> Standing | None:
        if run.fell_back:
            return "fell_back"
        return "over" if over[run.run] else front.standings[run.run] if front else None

    (colours, colour_scale), (sizes, size_scale) = (_shades(runs, q, scale, mixed) for q in (colour, size))
    return Plane(
        x=x,
        y=y,
        colour=colour,
        colour_scale=colour_scale,
        size=size,
        size_scale=size_scale,
        scale=scale,
        per=(
            axis(x, [place.x for place in places], scale).divisor,
            axis(y, [place.y for place in places], scale).divisor,
        ),
        spots=tuple(
            Spot(
                **by_run[place.key].model_dump(include={"run", "variant", "label", "family", "is_baseline"}),
                fell_back=by_run[place.key].fell_back,
                x=place.x,
                y=place.y,
                colour=colours.get(place.key),
                size=sizes.get(place.key),
                values=values[place.key],
                over=over[place.key],
                standing=standing(by_run[place.key]),
            )
            for place in places
        ),
        front=front.line if front else None,
        knee=front.knee if front else None,
        options=len(options),
        fitting=len(fitting),
        budgets=_budgets(quantities, options, limits),
        no_budgets=MIXED if mixed else None,
    )


def drift(runs: Iterable[ComparedRun], quantity: Quantity) -> float:
    """By how much the baselines of the runs' sittings differ, as a share of the smallest.

    0.0 where they stay within the margin in which ratios count as the same, and where no share can be told because one
    of them is zero or below.
    """
    found = [run.beside[quantity.key] for run in runs if quantity.key in run.beside]
    values = [one.value for one in found]
    if not values or min(values) <= 0:
        return 0.0
    share = max(values) / min(values) - 1.0
    return share if share > same(found) else 0.0


def limit_field(quantity: Quantity) -> str:
    """How a budget for a quantity is written in an address."""
    return f"{'min' if quantity.better == 'higher' else 'max'}.{quantity.key}"


def named_limit(comparison: Comparison, limit: Limit) -> Limit:
    """A budget under the full name of its quantity.

    Raises:
        NotDrawn: it limits the good end of the quantity.
        UnknownQuantity: the quantity was not measured.
    """
    word = "min" if limit.better == "higher" else "max"
    quantity = chosen(comparison, f"{word}.{limit.quantity}", limit.quantity)
    if limit_field(quantity) != f"{word}.{quantity.key}":
        raise NotDrawn(
            f"Of {quantity.title} {quantity.better} is better, so its budget is written {limit_field(quantity)}."
        )
    return limit.model_copy(update={"quantity": quantity.key})


def _axes(comparison: Comparison, choice: Choice) -> tuple[Quantity, Quantity]:
    usual = axes(comparison)
    if usual is None and (choice.x is None or choice.y is None):
        raise NotDrawn(ONE_ALONE if comparison.quantities else "Nothing has been measured yet.")
    x = chosen(comparison, "x", choice.x) if choice.x is not None else usual[0] if usual else None
    y = chosen(comparison, "y", choice.y) if choice.y is not None else usual[1] if usual else None
    if x is None or y is None:
        raise NotDrawn("Nothing has been measured yet.")
    return x, y


def _placed(
    comparison: Comparison, choice: Choice, runs: Sequence[ComparedRun], x: Quantity, y: Quantity
) -> tuple[Scale, list[Candidate]]:
    """Where the runs lie, on the scale that was picked; without a pick on that of ratios, if any run has both.

    Raises:
        NotDrawn: no run has figures on both axes.
    """
    mixed = comparison.environments_differ and not choice.across_environments
    if choice.scale == "measured" and mixed:
        raise NotDrawn(MIXED)
    scale: Scale = choice.scale or "ratio"
    places = candidates(runs, x, y, scale)
    if places:
        return scale, places
    measured = candidates(runs, x, y, "measured")
    if choice.scale is None and measured and not mixed:
        return "measured", measured
    if scale == "ratio" and measured:
        raise NotDrawn(
            "No run has an effect over the baseline for both of these. "
            + (MIXED if mixed else "The scale “as measured” shows them.")
        )
    raise NotDrawn("No run has measured both of these yet.")


def _shades(
    runs: Sequence[ComparedRun], quantity: Quantity | None, scale: Scale, mixed: bool
) -> tuple[dict[str, float], Scale]:
    """What colours or sizes the points: on the plane's scale, or as measured where a quantity has no ratios."""
    if quantity is None:
        return {}, scale
    scales: tuple[Scale, ...] = (scale,) if mixed else (scale, "measured")
    for on in scales:
        found = {run.run: place.value for run in runs if (place := reading(run, quantity, on)) is not None}
        if found:
            return found, on
    return {}, scale


def _limits(comparison: Comparison, choice: Choice) -> list[Limit]:
    """The budgets that were set, each for a quantity of this study, the last one for each.

    Raises:
        NotDrawn: one limits the good end of a quantity.
        UnknownQuantity: one names a quantity that was not measured.
    """
    found: dict[str, Limit] = {}
    for limit in choice.limits:
        named = named_limit(comparison, limit)
        found[named.quantity] = named
    return list(found.values())


def _limited(comparison: Comparison, limits: Sequence[Limit]) -> list[Quantity]:
    """Quantities that have a budget, or that a reader is offered one for."""
    usual = [next((q for name in names if (q := comparison.quantity(name))), None) for names in LIMITED]
    named = [comparison.quantity(limit.quantity) for limit in limits]
    return list({quantity.key: quantity for quantity in (*usual, *named) if quantity is not None}.values())


def _budgets(quantities: Sequence[Quantity], options: Sequence[Option], limits: Sequence[Limit]) -> tuple[Budget, ...]:
    """Each quantity with its span among the options; one that all options share is offered only where it is limited."""
    weighed = {one.limit.quantity: one for one in weigh(options, limits)}
    found: list[Budget] = []
    for quantity in quantities:
        values = [option.values[quantity.key] for option in options if quantity.key in option.values]
        if values and (len(set(values)) > 1 or quantity.key in weighed):
            found.append(
                Budget(
                    quantity=quantity,
                    field=limit_field(quantity),
                    least=min(values),
                    most=max(values),
                    weighed=weighed.get(quantity.key),
                )
            )
    return tuple(found)
