"""Rows of readings: one line of words above each value and its interval, in one panel or several with an axis each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts.axis import Axis
from app.charts.chart import RAN, SYMBOLS, plain, shortened
from app.charts.units import THIN, between, digits, readable, times
from app.study.comparison import ComparedRun, Scale
from app.study.pareto import Reading

ROW = 46
"""Pixels of one row."""
GAP = 78
"""Pixels between two panels: the ticks and the title of the upper one's axis."""
TOP, BOTTOM = 8, 52
"""Pixels of the margins."""


class Row(NamedTuple):
    """One run in one panel."""

    run: ComparedRun
    reading: Reading
    figures: str
    """What stands at the right of the name."""
    hover: tuple[str, ...]
    """Lines below the name."""


class Panel(NamedTuple):
    """Rows that share an axis."""

    across: Axis
    rows: tuple[Row, ...]
    band: tuple[float, float] | None
    """What is shaded from top to bottom, in base units: the baseline's interval."""


def panels(stacked: Sequence[Panel]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Plotly's data and layout of panels, the first on top."""
    area = sum(ROW * len(panel.rows) for panel in stacked) + GAP * (len(stacked) - 1)
    layout: dict[str, Any] = {
        "height": TOP + area + BOTTOM,
        "margin": {"l": 14, "r": 14, "t": TOP, "b": BOTTOM},
        "shapes": [],
        "annotations": [],
    }
    data: list[dict[str, Any]] = []
    top = float(area)
    for number, panel in enumerate(stacked, start=1):
        suffix = "" if number == 1 else str(number)
        bottom = top - ROW * len(panel.rows)
        layout[f"xaxis{suffix}"] = panel.across.layout(anchor=f"y{suffix}", fixedrange=True, automargin=False)
        layout[f"yaxis{suffix}"] = {
            "domain": [max(0.0, bottom / area), min(1.0, top / area)],
            "range": [-0.55, len(panel.rows) - 0.25],
            "anchor": f"x{suffix}",
            "visible": False,
            "fixedrange": True,
        }
        if panel.band:
            layout["shapes"].append(_band(panel.across, panel.band, suffix))
        for index, row in enumerate(panel.rows):
            height = len(panel.rows) - 1 - index
            data.append(_interval(row, panel.across, height, suffix))
            layout["annotations"] += _words(row, height, suffix)
        top = bottom - GAP
    return data, layout


def shown(value: float, unit: str, scale: Scale) -> str:
    """A value alone."""
    return times(value) if scale == "ratio" else readable(value, unit)


def spelled(reading: Reading, unit: str, scale: Scale) -> str:
    """A value with its interval and what it rests on."""
    if scale == "ratio":
        return f"{times(reading.value)} ({digits(reading.low)}–{digits(reading.high)}), {reading.n} pairs"
    span = between(reading.low, reading.high, unit, reading.value)
    return f"{readable(reading.value, unit)} ({span}), n{THIN}={THIN}{reading.n:,}"


def _interval(row: Row, across: Axis, height: int, suffix: str) -> dict[str, Any]:
    run, reading = row.run, row.reading
    colour = f"var(--family-{run.family})"
    lines = [f"<b>{plain(run.variant)}</b>", *(plain(line) for line in row.hover)]
    if run.ran is not None:
        lines.append(f"ran {RAN[run.ran]}")
    return {
        "type": "scatter",
        "mode": "markers",
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
        "x": [across.at(reading.value)],
        "y": [height - 0.16],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [across.at(max(0.0, reading.high - reading.value))],
            "arrayminus": [across.at(max(0.0, reading.value - reading.low))],
            "color": colour,
            "thickness": 3,
            "width": 0,
        },
        "marker": {
            "size": 10,
            "symbol": f"{SYMBOLS[run.family]}-open" if run.fell_back else SYMBOLS[run.family],
            "color": colour,
            "line": {"width": 2} if run.fell_back else {"width": 1.5, "color": "var(--surface)"},
        },
        "hoverinfo": "text",
        "hovertext": ["<br>".join(lines)],
        "customdata": [{"run": run.run}],
        "showlegend": False,
        "cliponaxis": False,
    }


def _words(row: Row, height: int, suffix: str) -> list[dict[str, Any]]:
    name = f"{plain(shortened(row.run.variant, 30))}{' · null test' if row.run.is_baseline else ''}"
    common = {
        "xref": "paper",
        "yref": f"y{suffix}",
        "y": height + 0.26,
        "showarrow": False,
        "bgcolor": "var(--surface)",
        "borderpad": 2,
        "yanchor": "middle",
    }
    return [
        common | {"text": name, "x": 0, "xanchor": "left", "font": {"size": 13, "color": "var(--ink-1)"}},
        common
        | {"text": plain(row.figures), "x": 1, "xanchor": "right", "font": {"size": 13, "color": "var(--ink-2)"}},
    ]


def _band(across: Axis, band: tuple[float, float], suffix: str) -> dict[str, Any]:
    """An interval without width, as of something counted, is drawn as a line."""
    low, high = across.at(band[0]), across.at(band[1])
    return {
        "type": "rect",
        "xref": f"x{suffix}",
        "yref": f"y{suffix} domain",
        "x0": low,
        "x1": high,
        "y0": 0,
        "y1": 1,
        "line": {"width": 1 if low == high else 0, "color": "var(--ink-3)"},
        "fillcolor": "var(--chart-band)",
        "layer": "below",
    }
