"""Effects of one technique over models and devices: a forest plot of its cases in one figure, with what the literature says behind."""

import math
from collections.abc import Sequence
from typing import Any

from app.charts.axis import FAINT, INK, ticks
from app.charts.chart import RAN, SYMBOLS, plain, shortened
from app.charts.drawing import Drawing
from app.charts.units import digits, times
from app.knowledge.cases import Case, Effect
from app.knowledge.claims import Statement
from app.knowledge.pooling import COUNTED_MARGIN, SAME_MARGIN
from app.results.figures import Figure
from workers.catalog.technique import Family

NAME, TITLE = "effects", "Effects over models and devices"
ANSWERS = "Where does it help, where does it hurt, and is that what the literature says?"
ROW = 46
"""Pixels of one case: a line of words above its interval."""
LARGEST = 1e3
"""Ratios beyond this, and below its inverse, are drawn at the edge."""
FINE = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 5, 8)
"""Ticks of a narrow axis."""


def drawing(cases: Sequence[Case], figure: Figure, statements: Sequence[Statement], family: Family) -> Drawing:
    """The chart of the cases that have an effect in a figure.

    Args:
        cases: in the order of the rows.
        figure: what is compared.
        statements: of the literature, in whatever figure; those of this one are shaded.
        family: of the technique.
    """
    named = {"name": NAME, "title": TITLE, "answers": ANSWERS}
    rows = [(case, case.effects[figure.word]) for case in cases if figure.word in case.effects]
    if not rows:
        reason = f"No run that measured {figure.title.lower()} was brought by this technique by itself."
        return Drawing(**named, figure=None, reason=reason, caption="")
    said = [one for one in statements if one.figure == figure.word and not one.single]
    ranges = merged([(one.low, math.inf if one.high is None else one.high) for one in said])
    low = max(min(min(effect.low for _, effect in rows) / 1.15, 0.8), 1 / LARGEST)
    high = min(max(max(effect.high for _, effect in rows) * 1.15, 1.25), LARGEST)
    for start, end in ranges:
        low, high = max(min(low, start / 1.05), 1 / LARGEST), max(high, end * 1.05 if math.isfinite(end) else 0.0)
    drawn = {
        "data": [
            _interval(case, effect, figure, len(rows) - 1 - row, family) for row, (case, effect) in enumerate(rows)
        ],
        "layout": {
            "height": 84 + ROW * len(rows),
            "margin": {"l": 8, "r": 8, "t": 8, "b": 52},
            "xaxis": _axis(figure, low, high),
            "yaxis": {"range": [-0.55, len(rows) - 0.25], "visible": False, "fixedrange": True},
            "shapes": [*(_shade(start, min(end, high), "var(--accent-soft)") for start, end in ranges), *_same(rows)],
            "annotations": [
                words for row, (case, effect) in enumerate(rows) for words in _words(case, effect, len(rows) - 1 - row)
            ],
        },
    }
    return Drawing(**named, figure=drawn, reason=None, caption=_caption(figure, rows, ranges), families=(family,))


def merged(ranges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Ranges that overlap become one, from small to large."""
    found: list[tuple[float, float]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def where(case: Case) -> str:
    """A case in a few words."""
    sizes = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in case.sizes.items())
    return f"{case.model}, {case.workload.replace('_', ' ')}{f', {sizes}' if sizes else ''}"


def _axis(figure: Figure, low: float, high: float) -> dict[str, Any]:
    values = ticks(low, high) if high / low > 12 else [value for value in FINE if low <= value <= high]
    way = {"lower": " · left is better", "higher": " · right is better", "neither": ""}[figure.better]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": values,
        "ticktext": [f"×{value:g}" for value in values],
        "tickfont": {"size": 12, "color": INK},
        "gridcolor": FAINT,
        "linecolor": "var(--chart-line)",
        "showline": True,
        "zeroline": False,
        "title": {
            "text": f"{figure.title}, over the baseline{way}",
            "font": {"size": 13, "color": INK},
            "standoff": 10,
        },
        "fixedrange": True,
    }


def _interval(case: Case, effect: Effect, figure: Figure, height: int, family: Family) -> dict[str, Any]:
    colour = f"var(--family-{family})"
    decided = effect.verdict != "undecided"
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
            "symbol": SYMBOLS[family] if decided else f"{SYMBOLS[family]}-open",
            "color": colour,
            "line": {"width": 1.5 if decided else 2, **({"color": "var(--surface)"} if decided else {})},
        },
        "hoverinfo": "text",
        "hovertext": ["<br>".join(_hover(case, effect, figure))],
        "customdata": [{"run": case.run}],
        "showlegend": False,
        "cliponaxis": False,
    }


def _hover(case: Case, effect: Effect, figure: Figure) -> list[str]:
    lines = [
        f"<b>{plain(case.label)}</b>",
        plain(where(case)),
        plain(case.hardware),
        f"{figure.title} {times(effect.ratio)} ({digits(effect.low)}–{digits(effect.high)}), {effect.verdict}",
        f"{_counted(effect.runs, 'run')}, {_counted(case.environments, 'environment')}",
    ]
    against = f"against {plain(case.against)}" if case.against else "against a baseline that is not known"
    ran = {"as_asked": RAN["as_asked"], "emulated": RAN["emulated"]}.get(case.ran)
    return [*lines, against, *([f"ran {ran}"] if ran else [])]


def _words(case: Case, effect: Effect, height: int) -> list[dict[str, Any]]:
    common = {
        "xref": "paper",
        "yref": "y",
        "y": height + 0.26,
        "showarrow": False,
        "bgcolor": "var(--surface)",
        "borderpad": 2,
        "yanchor": "middle",
    }
    name = plain(shortened(f"{case.label} · {where(case)}, {case.hardware}", 110))
    # What a narrow screen has room for; the table says the rest.
    short = plain(shortened(f"{case.model}, {', '.join(f'{value:,}' for value in case.sizes.values())}", 32))
    said = f"{times(effect.ratio)} {effect.verdict}"
    return [
        common
        | {"text": name, "name": short, "x": 0, "xanchor": "left", "font": {"size": 13, "color": "var(--ink-1)"}},
        common | {"text": said, "x": 1, "xanchor": "right", "font": {"size": 13, "color": INK}},
    ]


def _same(rows: Sequence[tuple[Case, Effect]]) -> list[dict[str, Any]]:
    """What counts as the same, and the baseline."""
    margin = COUNTED_MARGIN if all(effect.low == effect.high for _, effect in rows) else SAME_MARGIN
    line = _shade(1, 1, "rgba(0,0,0,0)") | {"line": {"width": 1, "color": "var(--ink-3)"}}
    return [_shade(1 / (1 + margin), 1 + margin, "var(--chart-band)"), line]


def _shade(low: float, high: float, colour: str) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": low,
        "x1": high,
        "y0": 0,
        "y1": 1,
        "line": {"width": 0},
        "fillcolor": colour,
        "layer": "below",
    }


def _caption(figure: Figure, rows: Sequence[tuple[Case, Effect]], ranges: Sequence[tuple[float, float]]) -> str:
    text = (
        f"{figure.title}, variant over baseline, with 95 % intervals, pooled over "
        f"{_counted(sum(effect.runs for _, effect in rows), 'run')} in {_counted(len(rows), 'case')}. "
    )
    helped = sum(effect.tone == "improves" for _, effect in rows)
    hurt = sum(effect.tone == "worsens" for _, effect in rows)
    text += f"Better in {helped}, worse in {hurt}. "
    if ranges:
        spans = ", ".join(
            f"{times(low)} to {times(high)}" if math.isfinite(high) else f"{times(low)} and more"
            for low, high in ranges
        )
        text += f"Shaded in colour: what the literature says, {spans}, in whatever setting it is of. "
    return text + "Shaded in grey: what counts as the same."


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
