"""Roofs of a device on a roofline: slopes for bandwidths, levels for peaks, drawn where they can bind, with their names."""

import math
from collections.abc import Iterable, Sequence, Set
from typing import Any, NamedTuple

from app.charts.axis import Axis
from app.charts.chart import plain
from app.charts.units import readable
from app.devices.what_if import Nominal
from workers.catalog.ceilings import Ceilings

CACHE_FROM = 1.2
"""A small working set's bandwidth over the large one's from which it is drawn as a roof of its own."""
ROOM = 0.42
"""Share of the plot's width that a name takes at most on a narrow screen."""
SOLID, CACHE, DATASHEET = "solid", "dash", "dot"
"""How roofs are drawn."""
MEASURED = "var(--front)"
NOMINAL = "var(--ink-2)"
"""What a datasheet says is drawn apart from what was measured."""


class Roof(NamedTuple):
    """One ceiling: a slope for a bandwidth, a level for a peak of products."""

    name: str
    value: float
    """Bytes or operations per second."""
    slope: bool
    dash: str
    colour: str = MEASURED


def measured(device: Ceilings, dtypes: Set[str]) -> list[Roof]:
    """Those that were measured on a device, with the peaks of some formats; of all where none of them was measured."""
    found: list[Roof] = []
    if device.bandwidths:
        sizes = [each.working_set for each in device.bandwidths]
        memory, cache = device.bandwidth(max(sizes)), device.bandwidth(min(sizes))
        if memory:
            found.append(Roof(f"memory {readable(memory, 'B/s')}", memory, True, SOLID))
        if memory and cache and cache >= CACHE_FROM * memory:
            found.append(Roof(f"cache {readable(cache, 'B/s')}", cache, True, CACHE))
    known = dict.fromkeys(each.dtype for each in device.products)
    # A format that nothing computes in binds nothing, and names of levels that lie close would cover one another.
    peaks = {dtype: device.peak(dtype) for dtype in known if dtype in dtypes or not dtypes & known.keys()}
    for dtype, peak in sorted(peaks.items(), key=lambda entry: -(entry[1] or 0.0)):
        if peak:
            found.append(Roof(f"{dtype} {readable(peak, 'FLOP/s')}", peak, False, SOLID))
    return found


def nominal(device: Nominal, dtypes: Iterable[str]) -> list[Roof]:
    """Those that a datasheet says, with the peaks of some formats."""
    memory = f"memory {readable(device.bandwidth, 'B/s')}"
    found = [Roof(memory, device.bandwidth, True, DATASHEET, NOMINAL)]
    for dtype in dict.fromkeys(dtypes):
        if dtype in device.peaks:
            name = f"{dtype} {readable(device.peaks[dtype], 'FLOP/s')}, datasheet"
            found.append(Roof(name, device.peaks[dtype], False, DATASHEET, NOMINAL))
    return found


def ridges(roofs: Sequence[Roof]) -> list[float]:
    """Operations a byte at which each slope of a device meets its highest level."""
    levels = [roof.value for roof in roofs if not roof.slope]
    return [max(levels) / roof.value for roof in roofs if roof.slope] if levels else []


def line(roof: Roof, roofs: Sequence[Roof], across: Axis, up: Axis) -> dict[str, Any]:
    """A roof, as far as it can bind among those of its device."""
    (x0, y0), (x1, y1) = span(roof, roofs, across, up)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": roof.name,
        "x": [across.at(x0), across.at(x1)],
        "y": [up.at(y0), up.at(y1)],
        "line": {"width": 2, "dash": roof.dash, "color": roof.colour},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def span(roof: Roof, roofs: Sequence[Roof], across: Axis, up: Axis) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of a roof that can bind: a slope up to the highest level, a level from the steepest slope on."""
    low, high = across.low * across.divisor, across.high * across.divisor
    levels, slopes = [r.value for r in roofs if not r.slope], [r.value for r in roofs if r.slope]
    if roof.slope:
        top = max(levels, default=up.high * up.divisor)
        start = max(low, up.low * up.divisor / roof.value)
        end = min(high, top / roof.value)
        return (start, start * roof.value), (end, end * roof.value)
    start = max(low, roof.value / max(slopes)) if slopes else low
    return (start, roof.value), (high, roof.value)


def label(roof: Roof, roofs: Sequence[Roof], across: Axis, up: Axis) -> dict[str, Any]:
    """A level's name stands above its right end; a slope's above it, the cache's nearer to the low end than memory's.

    Where a slope lies so far left that its name would leave the plot, the name stands below it.
    """
    (x0, y0), (x1, y1) = span(roof, roofs, across, up)
    far = 0.35 if roof.dash == CACHE else 0.6
    x, y = (x0 ** (1 - far) * x1**far, y0 ** (1 - far) * y1**far) if roof.slope else (x1, y1)
    below = roof.slope and across.share(x) < ROOM
    return {
        "text": plain(roof.name),
        "x": math.log10(across.at(x)),
        "y": math.log10(up.at(y)),
        "xanchor": "left" if below else "right",
        "yanchor": "top" if below else "bottom",
        "xshift": 4 if below else -4,
        "yshift": -2 if below else 2,
        "showarrow": False,
        "font": {"size": 12, "color": roof.colour},
    }
