"""Effects: a forest plot of one quantity, variant over baseline with its interval, on a logarithmic axis."""

import math
from typing import Any

from app.charts.axis import FAINT, INK, ticks
from app.charts.chart import RAN, SYMBOLS, Chart, Choice, Figure, NotDrawn, certainty, chosen, plain, runs_at, shortened
from app.charts.units import digits, times
from app.study.comparison import ComparedRun, Comparison, Quantity, axes
from app.study.verdicts import Ratio

ROW = 46
"""Pixels of one variant: a line of words above its interval."""
TIMES_MARGIN = 0.02
"""How far from 1 a measured effect still counts as the same, as the measuring program's verdicts have it."""
COUNTS_MARGIN = 0.005
"""The same for quantities that are counted, whose interval is a point."""
LARGEST = 1e6
"""Ratios beyond this, and below its inverse, are drawn at the edge."""


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
    rows = [(run, run.effects[quantity.key]) for run in runs_at(comparison, choice) if quantity.key in run.effects]
    rows = [(run, effect) for run, effect in rows if effect.low > 0]
    if not rows:
        raise NotDrawn(f"No run has an effect for {quantity.title} with an interval.")
    low = max(min(min(effect.low for _, effect in rows) / 1.15, 0.8), 1 / LARGEST)
    high = min(max(max(effect.high for _, effect in rows) * 1.15, 1.25), LARGEST)
    margin = COUNTS_MARGIN if all(effect.low == effect.high for _, effect in rows) else TIMES_MARGIN
    heights = {run.run: len(rows) - 1 - index for index, (run, _) in enumerate(rows)}
    values = (
        ticks(low, high)
        if high / low > 12
        else [
            v
            for v in (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 5, 8)
            if low <= v <= high
        ]
    )
    return {
        "data": [_interval(run, effect, quantity, heights[run.run]) for run, effect in rows],
        "layout": {
            "height": 84 + ROW * len(rows),
            "margin": {"l": 8, "r": 8, "t": 8, "b": 52},
            "xaxis": {
                "type": "log",
                "range": [math.log10(low), math.log10(high)],
                "tickvals": values,
                "ticktext": [
                    f"×{digits(value, 1 if value < 1 else 3).rstrip('0').rstrip('.')}" if value != 1 else "×1"
                    for value in values
                ],
                "tickfont": {"size": 12, "color": INK},
                "gridcolor": FAINT,
                "linecolor": "var(--chart-line)",
                "showline": True,
                "zeroline": False,
                "title": {"text": _direction(quantity), "font": {"size": 13, "color": INK}, "standoff": 10},
                "fixedrange": True,
            },
            "yaxis": {"range": [-0.55, len(rows) - 0.25], "visible": False, "fixedrange": True},
            "shapes": [_band(margin), _line()],
            "annotations": [words for run, effect in rows for words in _words(run, effect, heights[run.run])],
            "meta": {
                "families": list(dict.fromkeys(run.family for run, _ in rows)),
                "caption": f"{quantity.title}, variant over {comparison.baseline}, with 95 % intervals. "
                + f"Shaded: within {margin * 100:g} % of the baseline, which counts as the same.",
            },
        },
    }


CHART = Chart(
    "effects", "Effects", "How much does each variant change one quantity, and how sure is that?", figure, "effects"
)


def _interval(run: ComparedRun, effect: Ratio, quantity: Quantity, height: int) -> dict[str, Any]:
    colour = f"var(--family-{run.family})"
    decided = effect.verdict != "undecided" and not run.fell_back
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [effect.ratio],
        "y": [height - 0.16],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [effect.high - effect.ratio],
            "arrayminus": [effect.ratio - effect.low],
            "color": colour,
            "thickness": 3,
            "width": 0,
        },
        "marker": {
            "size": 10,
            "symbol": SYMBOLS[run.family] if decided else f"{SYMBOLS[run.family]}-open",
            "color": colour,
            "line": {"width": 1.5 if decided else 2, **({"color": "var(--surface)"} if decided else {})},
        },
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{plain(run.variant)}</b><br>{quantity.title} {times(effect.ratio)} "
            f"({digits(effect.low)}–{digits(effect.high)})<br>{effect.verdict}, {effect.pairs} pairs"
            + (f"<br>{certainty(effect)}" if effect.p_value is not None else "")
            + (f"<br>ran {RAN[run.ran]}" if run.ran else "")
        ],
        "customdata": [{"run": run.run}],
        "showlegend": False,
        "cliponaxis": False,
    }


def _words(run: ComparedRun, effect: Ratio, height: int) -> list[dict[str, Any]]:
    name = f"{plain(shortened(run.variant, 30))}{' · null test' if run.is_baseline else ''}"
    figures = f"{times(effect.ratio)} {effect.verdict}"
    common = {
        "xref": "paper",
        "yref": "y",
        "y": height + 0.26,
        "showarrow": False,
        "bgcolor": "var(--surface)",
        "borderpad": 2,
        "yanchor": "middle",
    }
    return [
        common | {"text": name, "x": 0, "xanchor": "left", "font": {"size": 13, "color": "var(--ink-1)"}},
        common | {"text": figures, "x": 1, "xanchor": "right", "font": {"size": 13, "color": INK}},
    ]


def _band(margin: float) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": 1 / (1 + margin),
        "x1": 1 + margin,
        "y0": 0,
        "y1": 1,
        "line": {"width": 0},
        "fillcolor": "var(--chart-band)",
        "layer": "below",
    }


def _line() -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": 1,
        "x1": 1,
        "y0": 0,
        "y1": 1,
        "line": {"width": 1, "color": "var(--ink-3)"},
        "layer": "below",
    }


def _direction(quantity: Quantity) -> str:
    if quantity.better == "neither":
        return f"{quantity.title}, over the baseline"
    return f"{quantity.title}, over the baseline · {'left' if quantity.better == 'lower' else 'right'} is better"
