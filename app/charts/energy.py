"""Energy: joules of a token, a sample or a step for each variant, with how they were read, and what they cost at a price."""

from collections.abc import Sequence
from typing import Any

from app.charts.axis import axis
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import Chart, Choice, Figure, NotDrawn, chosen, runs_at, scale_for, table
from app.charts.rows import Panel, Row, Shade, panels, row_of, shown, spelled
from app.charts.units import digits, readable
from app.study.comparison import ComparedRun, Comparison, Scale, reading
from app.study.pareto import Reading
from app.study.quantities import Quantity
from workers.catalog import metrics
from workers.catalog.environment import NO_ENERGY

PER: dict[str, tuple[str, int]] = {
    metrics.ENERGY_TOKEN.name: ("million tokens", 1_000_000),
    metrics.ENERGY_SAMPLE.name: ("thousand samples", 1_000),
    metrics.ENERGY_STEP.name: ("thousand steps", 1_000),
}
"""What a cost is told for, by metric; the first that was measured is shown."""
JOULES_IN_KWH = 3.6e6


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """One row a variant at one point of the sweep; ``choice.x`` names the quantity, ``choice.price`` adds the cost.

    Raises:
        NotDrawn: no run read its energy; says why, as the measuring machine told it.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    if not comparison.quantities:
        raise NotDrawn("Nothing has been measured yet.")
    runs = runs_at(comparison, choice)
    quantity = _quantity(comparison, choice, runs)
    scale = scale_for(comparison, choice)
    read = [(run, found) for run in runs if not run.failed and (found := reading(run, quantity, scale)) is not None]
    if not read:
        raise NotDrawn(f"No run at this point has {quantity.title}: {_reason(runs)}")
    across = axis(quantity, [found for _, found in read], scale)
    rows = tuple(_row(run, found, quantity, scale, choice.price) for run, found in read)
    null = next((found for run, found in read if run.is_baseline), None)
    data, layout = panels([Panel(across, rows, (Shade(null.low, null.high),) if null else ())])
    methods = tuple(dict.fromkeys(run.energy_method for run, _ in read if run.energy_method))
    layout["meta"] = {
        "families": list(dict.fromkeys(run.family for run, _ in read)),
        "scale": scale,
        "caption": _caption(quantity, scale, methods, choice.price, comparison.baseline if null else None),
        "basis": basis(rests_on((found for _, found in read)), INTERVALS, (run for run, _ in read)),
        "table": _table(read, quantity, scale, choice.price),
    }
    return {"data": data, "layout": layout}


CHART = Chart(
    "energy", "Energy", "What does a token or a step of each variant take, and what does it cost?", figure, "energy"
)


def cost(quantity: Quantity, found: Reading, price: float) -> str:
    """What an amount of work costs, with the interval of its energy."""
    for_what, amount = PER[quantity.metric]
    value, low, high = (joules * amount / JOULES_IN_KWH * price for joules in (found.value, found.low, found.high))
    return f"{digits(value)} ({digits(low)}–{digits(high)}) per {for_what}"


def _quantity(comparison: Comparison, choice: Choice, runs: tuple[ComparedRun, ...]) -> Quantity:
    if choice.x is not None:
        picked = chosen(comparison, "x", choice.x)
        if picked.metric not in PER:
            raise NotDrawn(f"{picked.title} is no amount of energy. Pick one of {', '.join(_titles())}.")
        return picked
    quantity = next((found for name in PER if (found := comparison.quantity(name))), None)
    if quantity is None:
        raise NotDrawn(_reason(runs))
    return quantity


def _titles() -> list[str]:
    return [metrics.BY_NAME[name].title.lower() for name in PER]


def _reason(runs: tuple[ComparedRun, ...]) -> str:
    """Why there is no figure of energy, as the machine that measured says it."""
    said = [run.energy_method for run in runs if run.energy_method and run.energy_method.startswith(NO_ENERGY)]
    return f"{said[0][0].upper()}{said[0][1:]}." if said else "Not measurable here: no run brought a figure of energy."


def _row(run: ComparedRun, found: Reading, quantity: Quantity, scale: Scale, price: float | None) -> Row:
    costs = cost(quantity, found, price) if price and scale == "measured" else None
    power = next((value for key, value in run.readings.items() if key.startswith(metrics.POWER_MEAN.name)), None)
    idle = next((value for key, value in run.readings.items() if key.startswith(metrics.POWER_IDLE.name)), None)
    hover = [f"{quantity.title}: {spelled(found, quantity.unit, scale)}"]
    if costs:
        hover.append(f"cost: {costs}")
    if power:
        at_rest = f", at rest {readable(idle.value, 'W')}" if idle else ""
        hover.append(f"mean power {readable(power.value, 'W')}{at_rest}")
    if run.energy_method:
        hover.append(run.energy_method)
    effect = run.effects.get(quantity.key)
    if effect and not run.is_baseline:
        hover.append(f"{effect.verdict} over the baseline, {effect.pairs} pairs")
    figures = shown(found.value, quantity.unit, scale)
    if costs and price:
        figures += f" · cost {digits(found.value * PER[quantity.metric][1] / JOULES_IN_KWH * price)}"
    return row_of(run, found, figures, hover)


def _caption(
    quantity: Quantity, scale: Scale, methods: tuple[str, ...], price: float | None, baseline: str | None
) -> str:
    over = ", over the baseline of the same sitting" if scale == "ratio" else ""
    text = f"{quantity.title}{over}; idle power is part of it."
    text += f" Read by: {'; '.join(methods)}." if methods else " How it was read is not known."
    if baseline:
        text += f" Shaded: the interval of {baseline} in its null test."
    if price and scale == "measured":
        text += f" Cost: of the energy for a {PER[quantity.metric][0]} alone, at {price:g} for a kilowatt-hour."
    elif price:
        text += " Ratios have no cost; values as measured do."
    return text


def _table(
    read: Sequence[tuple[ComparedRun, Reading]], quantity: Quantity, scale: Scale, price: float | None
) -> dict[str, Any]:
    priced = price if scale == "measured" else None
    columns = ["Variant", quantity.title, "Read by", *(["Cost"] if priced else [])]
    return table(
        columns,
        (
            [
                run.variant,
                spelled(found, quantity.unit, scale),
                run.energy_method or "",
                *([cost(quantity, found, priced)] if priced else []),
            ]
            for run, found in read
        ),
    )
