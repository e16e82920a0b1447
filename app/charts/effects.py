"""Effects: a forest plot of one quantity, variant over baseline with its interval, on a logarithmic axis."""

from app.charts.axis import ratio_axis
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import Chart, Choice, Figure, NotDrawn, certainty, chosen, runs_at
from app.charts.rows import Panel, Row, panels, row_of, same, spelled, unchanged
from app.charts.units import times
from app.study.comparison import ComparedRun, Comparison, axes
from app.study.quantities import Quantity


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """One row a variant at one point of the sweep, the null test first; ``choice.x`` names the quantity.

    Raises:
        NotDrawn: no run has an effect for it.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    usual = axes(comparison)
    wanted = choice.x or (usual[0].key if usual else None)
    if wanted is None:
        raise NotDrawn("Nothing has been measured yet.")
    quantity = chosen(comparison, "x", wanted)
    runs = [run for run in runs_at(comparison, choice) if (found := run.effects.get(quantity.key)) and found.low > 0]
    if not runs:
        raise NotDrawn(f"No run has an effect for {quantity.title} with an interval.")
    rows = [_row(run, quantity) for run in runs]
    readings = [row.reading for row in rows]
    margin = same(readings)
    data, layout = panels([Panel(ratio_axis(quantity.title, quantity.better, readings), rows, unchanged(margin))])
    layout["meta"] = {
        "families": list(dict.fromkeys(row.family for row in rows)),
        "caption": f"{quantity.title}, variant over {comparison.baseline}. "
        + f"Shaded: within {margin * 100:g} % of the baseline, which counts as the same.",
        "basis": basis(rests_on(readings), INTERVALS, runs),
    }
    return {"data": data, "layout": layout}


CHART = Chart(
    "effects", "Effects", "How much does each variant change one quantity, and how sure is that?", figure, "effects"
)


def _row(run: ComparedRun, quantity: Quantity) -> Row:
    effect = run.effects[quantity.key]
    hover = [f"{quantity.title} {spelled(effect.reading, quantity.unit, 'ratio')}", effect.verdict]
    if effect.p_value is not None:
        hover.append(certainty(effect))
    figures = f"{times(effect.ratio)} {effect.verdict}"
    return row_of(run, effect.reading, figures, hover, undecided=effect.verdict == "undecided")
