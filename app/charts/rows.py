"""Rows of readings: one line of words above each value and its interval, in one panel or several with an axis each."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from app.charts.axis import INK, Axis
from app.charts.basis import behind
from app.charts.chart import SYMBOLS, plain, shortened
from app.charts.units import THIN, between, digits, readable, times
from app.study.comparison import ComparedRun, Scale
from app.study.outcomes import RAN
from app.study.pareto import Reading
from workers.catalog.verdict import COUNTED_MARGIN, SAME_MARGIN

ROW = 46
"""Pixels of one row."""
GAP = 78
"""Pixels between two panels: the ticks and the title of the upper one's axis."""
TOP, BOTTOM = 8, 52
"""Pixels of the margins."""
BAND = "var(--chart-band)"


class Row(NamedTuple):
    """One reading in one panel. Texts are as somebody typed them."""

    run: str
    """Id of the run it leads to."""
    name: str
    figures: str
    """What stands at the right of the name."""
    reading: Reading
    family: str
    hollow: bool
    """Whether nothing was decided, or something else ran than was asked."""
    hover: tuple[str, ...]
    """Lines, the first of them as a heading."""
    brief: str | None = None
    """The name where there is little room, if it is another one."""


class Shade(NamedTuple):
    """What is shaded from top to bottom, in base units; an interval without width is drawn as a line."""

    low: float
    high: float
    colour: str = BAND


class Panel(NamedTuple):
    """Rows that share an axis."""

    across: Axis
    rows: Sequence[Row]
    shades: Sequence[Shade] = ()


def row_of(run: ComparedRun, reading: Reading, figures: str, hover: Iterable[str], *, undecided: bool = False) -> Row:
    """The row of a study's run.

    Args:
        run: the run.
        reading: its value.
        figures: what stands at the right of the name.
        hover: lines below the name.
        undecided: whether nothing was decided of it.
    """
    ran = (f"ran {RAN[run.ran]}",) if run.ran is not None else ()
    return Row(
        run=run.run,
        name=f"{shortened(run.variant, 30)}{' · null test' if run.is_baseline else ''}",
        figures=figures,
        reading=reading,
        family=run.family,
        hollow=undecided or run.fell_back,
        hover=(run.variant, *hover, *ran),
    )


def same(readings: Iterable[Reading]) -> float:
    """How far from 1 such ratios still count as the same."""
    return COUNTED_MARGIN if all(found.low == found.high for found in readings) else SAME_MARGIN


def unchanged(margin: float) -> tuple[Shade, Shade]:
    """What counts as the same among ratios, and the baseline in its middle."""
    return Shade(1 / (1 + margin), 1 + margin), Shade(1.0, 1.0)


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
        layout["shapes"] += [_shade(panel.across, shade, suffix) for shade in panel.shades]
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
        return f"{times(reading.value)} ({digits(reading.low)}–{digits(reading.high)}), {behind(reading)}"
    span = between(reading.low, reading.high, unit, reading.value)
    return f"{readable(reading.value, unit)} ({span}), n{THIN}={THIN}{behind(reading)}"


def _interval(row: Row, across: Axis, height: int, suffix: str) -> dict[str, Any]:
    reading = row.reading
    colour = f"var(--family-{row.family})"
    heading, *lines = (plain(line) for line in row.hover)
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
            "symbol": f"{SYMBOLS[row.family]}-open" if row.hollow else SYMBOLS[row.family],
            "color": colour,
            "line": {"width": 2} if row.hollow else {"width": 1.5, "color": "var(--surface)"},
        },
        "hoverinfo": "text",
        "hovertext": ["<br>".join((f"<b>{heading}</b>", *lines))],
        "customdata": [{"run": row.run}],
        "showlegend": False,
        "cliponaxis": False,
    }


def _words(row: Row, height: int, suffix: str) -> list[dict[str, Any]]:
    common = {
        "xref": "paper",
        "yref": f"y{suffix}",
        "y": height + 0.26,
        "showarrow": False,
        "bgcolor": "var(--surface)",
        "borderpad": 2,
        "yanchor": "middle",
    }
    name = {"text": plain(row.name), "x": 0, "xanchor": "left", "font": {"size": 13, "color": "var(--ink-1)"}}
    # Scripts put an annotation's name in the place of its text on a narrow screen.
    brief = {"name": plain(row.brief)} if row.brief is not None else {}
    figures = {"text": plain(row.figures), "x": 1, "xanchor": "right", "font": {"size": 13, "color": INK}}
    return [common | name | brief, common | figures]


def _shade(across: Axis, shade: Shade, suffix: str) -> dict[str, Any]:
    low, high = across.at(shade.low), across.at(shade.high)
    return {
        "type": "rect",
        "xref": f"x{suffix}",
        "yref": f"y{suffix} domain",
        "x0": low,
        "x1": high,
        "y0": 0,
        "y1": 1,
        "line": {"width": 1 if low == high else 0, "color": "var(--ink-3)"},
        "fillcolor": shade.colour,
        "layer": "below",
    }
