"""Axes of a chart: unit, range and ticks for a set of readings."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts.units import digits, scale
from app.study.comparison import Scale
from app.study.pareto import Reading
from app.study.quantities import Quantity
from workers.catalog.metrics import Better

LOG_FROM = 16.0
"""Largest over smallest value from which an axis is logarithmic."""
FAINT = "var(--chart-grid)"
INK = "var(--ink-2)"
FINE = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 5, 8)
"""Ticks of a narrow axis of ratios."""
NARROW = 12.0
"""Largest over smallest ratio up to which an axis is narrow."""
LARGEST = 1e6
"""Ratios beyond this, and below its inverse, are drawn at the edge."""


class Axis(NamedTuple):
    """One axis, ready to place readings on."""

    title: str
    divisor: float
    """Base units in one unit of the axis."""
    log: bool
    low: float
    """Ends in the axis's unit, padded."""
    high: float
    ratios: bool = False
    """Whether its marks are written as ratios: ×0.5."""

    def at(self, value: float) -> float:
        """A base-unit value on the axis."""
        return value / self.divisor

    def share(self, value: float) -> float:
        """Where a base-unit value lies between the ends, 0 to 1."""
        low, high, here = self.low, self.high, self.at(value)
        if self.log:
            low, high, here = math.log10(low), math.log10(high), math.log10(here)
        return (here - low) / (high - low)

    def layout(self, **more: Any) -> dict[str, Any]:
        """Plotly's description of the axis."""
        drawn = frame(self.title) | {"automargin": True}
        if self.log:
            fine = self.ratios and self.high / self.low <= NARROW
            values = [v for v in FINE if self.low <= v <= self.high] if fine else ticks(self.low, self.high)
            drawn |= {
                "type": "log",
                "range": [math.log10(self.low), math.log10(self.high)],
                "tickvals": values,
                "ticktext": [f"×{value:g}" if self.ratios else digits(value, 1) for value in values],
            }
        else:
            drawn |= {"range": [self.low, self.high], "nticks": 7}
        return drawn | more


def frame(title: str) -> dict[str, Any]:
    """What every axis with a line and ticks has in Plotly's description."""
    return {
        "title": {"text": title, "font": {"size": 13, "color": INK}, "standoff": 12},
        "gridcolor": FAINT,
        "linecolor": "var(--chart-line)",
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "var(--chart-line)",
        "tickfont": {"size": 12, "color": INK},
    }


def axis(quantity: Quantity, readings: Sequence[Reading], on: Scale) -> Axis:
    """An axis on which all readings and their intervals have room."""
    low = min(reading.low for reading in readings)
    high = max(reading.high for reading in readings)
    chosen = scale(quantity.unit, max(abs(low), abs(high))) if on == "measured" else None
    divisor = chosen.divisor if chosen else 1.0
    unit = (chosen.unit if chosen else "× baseline").strip()
    title = f"{quantity.title} ({unit})" if unit else quantity.title
    if quantity.better != "neither":
        title += f" · {quantity.better} is better"
    low, high = low / divisor, high / divisor
    if low > 0 and high / low >= LOG_FROM:
        return Axis(title, divisor, True, low / 1.35, high * 1.35)
    span = high - low
    room = span * 0.12 if span > 0 else abs(high) * 0.1 or 1.0
    bottom = 0.0 if low >= 0 and low < 0.6 * high else low - room
    return Axis(title, divisor, False, bottom if low < 0 else max(0.0, bottom), high + room)


def ratio_axis(
    title: str, better: Better, readings: Sequence[Reading], ranges: Sequence[tuple[float, float]] = ()
) -> Axis:
    """A logarithmic axis of ratios over the baseline, with room for the baseline itself.

    Args:
        title: of the quantity.
        better: its good direction.
        readings: ratios with their intervals.
        ranges: what has to lie on the axis besides; the upper end may be infinite.
    """
    way = {"lower": " · left is better", "higher": " · right is better", "neither": ""}[better]
    lows = [*(reading.low for reading in readings), *(low for low, _ in ranges)]
    highs = [*(reading.high for reading in readings), *(high if math.isfinite(high) else low for low, high in ranges)]
    low = max(min(min(lows) / 1.15, 0.8), 1 / LARGEST)
    high = min(max(max(highs) * 1.15, 1.25), LARGEST)
    return Axis(f"{title}, over the baseline{way}", 1.0, True, low, high, ratios=True)


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every power of ten between two positive values; powers of ten alone over more than three of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [value for value in found if low <= value <= high]
