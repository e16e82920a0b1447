"""Memory over time: bytes held by tensors through one step, baseline and variant."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from app.charts.axis import frame
from app.charts.basis import basis, counted
from app.charts.chart import SYMBOLS, Figure, NotDrawn, RunChart, plain
from app.charts.units import readable, scale
from app.study.sittings import HELD, Series, Sitting

MOST = 1_500
"""Points of one line that are drawn; of a longer one the lowest and the highest of each stretch."""
DASH = {"baseline": "dot", "variant": "solid"}


def figure(sitting: Sitting) -> Figure:
    """One line for each arm and phase.

    Raises:
        NotDrawn: the run brought no timeline of its memory.
    """
    lines = [series for series in sitting.series if series.metric == HELD and series.values]
    if not lines:
        raise NotDrawn("The run brought no timeline of its memory.")
    several = len({series.phase for series in lines}) > 1
    longest = max(series.at_s[-1] for series in lines)
    highest = max(max(series.values) for series in lines)
    time, held = scale("s", longest), scale("B", highest)
    peaks = ", ".join(f"{_name(sitting, series, several)} {readable(max(series.values), 'B')}" for series in lines)
    return {
        "data": [_line(sitting, series, several, time.divisor, held.divisor) for series in lines],
        "layout": {
            "height": 330,
            "xaxis": _axis(f"Time in the step ({time.unit})", longest / time.divisor),
            "yaxis": _axis(f"Held by tensors ({held.unit})", highest / held.divisor * 1.06),
            "meta": {
                "caption": f"Highest: {peaks}. The dotted line is the baseline. "
                "Read with the allocation events on, so times are longer than the latency.",
                "basis": basis(counted([1], "step", "a line"), "no intervals, as of a single step", [sitting.run]),
                "families": list(dict.fromkeys(_family(sitting, series) for series in lines)),
            },
        },
    }


RUN_CHART = RunChart(
    "memory_over_time", "Memory over time", "When in the step is the memory held, and where is the peak?", figure
)


def thinned(at: Sequence[float], values: Sequence[float], most: int = MOST) -> tuple[list[float], list[float]]:
    """At most so many points of a line, with the lowest and the highest of every stretch among them."""
    if len(values) <= most:
        return list(at), list(values)
    kept = sorted(set(_extremes(values, math.ceil(len(values) / (most // 2 - 1)))))
    return [at[index] for index in kept], [values[index] for index in kept]


def _extremes(values: Sequence[float], stretch: int) -> Iterator[int]:
    yield 0
    for start in range(0, len(values), stretch):
        part = range(start, min(start + stretch, len(values)))
        yield min(part, key=values.__getitem__)
        yield max(part, key=values.__getitem__)
    yield len(values) - 1


def _name(sitting: Sitting, series: Series, several: bool) -> str:
    return sitting.arm_name(series.arm) + (f" ({series.phase.replace('_', ' ')})" if several else "")


def _family(sitting: Sitting, series: Series) -> str:
    return "baseline" if series.arm == "baseline" else sitting.run.family


def _line(sitting: Sitting, series: Series, several: bool, second: float, byte: float) -> dict[str, Any]:
    at, values = thinned(series.at_s, series.values)
    name = plain(_name(sitting, series, several))
    family = _family(sitting, series)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [moment / second for moment in at],
        "y": [value / byte for value in values],
        # Bytes are held until the next event, not on the way to it.
        "line": {"shape": "hv", "width": 2, "dash": DASH[series.arm], "color": f"var(--family-{family})"},
        "marker": {"symbol": SYMBOLS[family]},
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{name}</b><br>{readable(value, 'B')} at {readable(moment, 's')}"
            for moment, value in zip(at, values, strict=True)
        ],
        "customdata": [{"run": sitting.run.run}] * len(at),
        "showlegend": False,
    }


def _axis(title: str, highest: float) -> dict[str, Any]:
    return frame(title) | {"range": [0, highest or 1.0], "nticks": 7, "automargin": True}
