"""Trade-off: any two quantities of a study against each other, with intervals, the Pareto front and its knee.

Runs that brought no figures stand in a strip at the edge with their outcome, so that nobody takes them for forgotten.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.charts import labels, strip
from app.charts.axis import INK, Axis, axis, ticks
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import SYMBOLS, Chart, Choice, Figure, plain, runs_at, shortened
from app.charts.plane import Plane, Spot, drift, plane
from app.charts.rows import spelled
from app.charts.units import THIN, digits, readable, times
from app.study.comparison import ComparedRun, Comparison
from app.study.outcomes import RAN
from app.study.pareto import Reading
from app.study.quantities import Quantity

HEIGHT = 430
"""Pixels of the plot, title row excluded."""
SIZE = 12.0
"""Pixels of a point."""
SMALLEST, LARGEST = 7.0, 30.0
"""Pixels of points whose size means something."""
OPACITY = {"front": 1.0, "possible": 0.85, "dominated": 0.5, "fell_back": 0.7, "over": 0.18}
"""How strongly a point is drawn; ``static/js/trade_off.js`` has the same."""
STANDINGS = {
    "front": "on the Pareto front",
    "possible": "possibly on the front: its interval reaches it",
    "dominated": "beaten on both axes",
    "over": "over budget",
    "fell_back": "something else ran than was asked, so it stands beside the front",
}


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """The scatter of a study's variants at one point of the sweep.

    Raises:
        NotDrawn: no run has figures on both axes.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    found = plane(comparison, choice)
    by_run = {run.run: run for run in runs_at(comparison, choice)}
    across = axis(found.x, [spot.x for spot in found.spots], found.scale)
    up = axis(found.y, [spot.y for spot in found.spots], found.scale)
    corners = staircase(found)
    positions = labels.usual(
        [(across.share(s.x.value), up.share(s.y.value), len(shortened(s.variant))) for s in found.spots],
        [(across.share(left), up.share(height)) for left, height in corners],
    )
    data = [_front_line(corners, across, up)] if found.front is not None else []
    families = dict.fromkeys(spot.family for spot in found.spots)
    shade = _shade(found)
    for family in families:
        members = [(spot, place) for spot, place in zip(found.spots, positions, strict=True) if spot.family == family]
        data.append(_points(family, members, by_run, found, (across, up), shade))
    failed = [run for run in by_run.values() if run.failed]
    rows = strip.height(failed)
    height = HEIGHT + rows
    top = 1.0 - rows / (height - 90) if failed else 1.0
    layout: dict[str, Any] = {
        "height": height,
        "xaxis": across.layout(),
        "yaxis": up.layout(domain=[0, top]),
        "annotations": [*_corner(found.x, found.y, top), *_knee(found, across, up)],
        "meta": {
            "families": list(families),
            "scale": found.scale,
            "plane": found,
            "caption": _caption(found) + _warnings(comparison, found),
            "basis": basis(
                rests_on(reading for spot in found.spots for reading in (spot.x, spot.y)),
                INTERVALS,
                (by_run[spot.run] for spot in found.spots),
            ),
        },
    }
    if shade is not None:
        layout["coloraxis"] = shade.layout()
    if failed:
        strip.add(data, layout, failed, top)
    return {"data": data, "layout": layout}


CHART = Chart("trade_off", "Trade-off", "What does each variant cost, and what does it bring?", figure, "trade-off")


class _Shade(NamedTuple):
    """A scale of colours for a quantity."""

    axis: Axis
    ends: tuple[float, float]
    """Least and most of the values, in base units."""

    def at(self, value: float | None) -> float | None:
        """A base-unit value on the scale; what was not measured stays None, which is drawn in grey."""
        if value is None:
            return None
        return math.log10(self.axis.at(value)) if self.axis.log else self.axis.at(value)

    def layout(self) -> dict[str, Any]:
        """Plotly's description of the scale and its bar."""
        values = ticks(self.axis.low, self.axis.high) if self.axis.log else []
        bar: dict[str, Any] = {
            "title": {"text": self.axis.title, "side": "right", "font": {"size": 12, "color": INK}},
            "tickfont": {"size": 12, "color": INK},
            "thickness": 10,
            "exponentformat": "power",
            "outlinewidth": 0,
            "len": 0.9,
        }
        if values:
            bar |= {"tickvals": [math.log10(v) for v in values], "ticktext": [digits(v, 1) for v in values]}
        low, high = (self.at(end) or 0.0 for end in self.ends)
        return {
            "colorscale": [[0, "var(--ramp-low)"], [1, "var(--ramp-high)"]],
            "cmin": low,
            "cmax": high if high > low else low + 1.0,
            "colorbar": bar,
        }


def _shade(found: Plane) -> _Shade | None:
    values = [spot.colour for spot in found.spots if spot.colour is not None]
    if found.colour is None or not values:
        return None
    return _Shade(
        axis(found.colour, [Reading(value=v, low=v, high=v, n=1) for v in values], found.colour_scale),
        (min(values), max(values)),
    )


def _sizes(found: Plane) -> dict[str, float]:
    """Pixels of each point; areas are in proportion, and what was not measured is small."""
    values = [spot.size for spot in found.spots if spot.size is not None]
    if found.size is None or not values or max(values) <= 0:
        return {spot.run: SIZE for spot in found.spots}
    largest = max(values)
    return {spot.run: max(SMALLEST, LARGEST * math.sqrt(max(0.0, spot.size or 0.0) / largest)) for spot in found.spots}


def _points(
    family: str,
    members: Sequence[tuple[Spot, str]],
    by_run: Mapping[str, ComparedRun],
    found: Plane,
    drawn: tuple[Axis, Axis],
    shade: _Shade | None,
) -> dict[str, Any]:
    across, up = drawn
    spots = [spot for spot, _ in members]
    colour = f"var(--family-{family})"
    sizes = _sizes(found)
    marker: dict[str, Any] = {
        "size": [sizes[spot.run] for spot in spots],
        "symbol": [SYMBOLS[family] + ("-open" if spot.fell_back else "") for spot in spots],
        "color": colour,
        "opacity": [OPACITY[spot.standing] if spot.standing else 1.0 for spot in spots],
        "line": {
            "width": [2.0 if spot.fell_back else 1.5 for spot in spots],
            "color": [colour if spot.fell_back else "var(--surface)" for spot in spots],
        },
    }
    if shade is not None:
        marker |= {"color": [shade.at(spot.colour) for spot in spots], "coloraxis": "coloraxis"}
        # The light end of the scale is near the paper's colour.
        marker["line"] = {"width": 1.5, "color": "var(--ink-2)"}
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": family,
        "x": [across.at(spot.x.value) for spot in spots],
        "y": [up.at(spot.y.value) for spot in spots],
        "error_x": _bars([spot.x for spot in spots], across, colour),
        "error_y": _bars([spot.y for spot in spots], up, colour),
        "text": [plain(shortened(spot.variant)) for spot in spots],
        "textposition": [place for _, place in members],
        "textfont": {"size": 13, "color": "var(--ink-1)"},
        "hoverinfo": "text",
        "hovertext": [_hover(by_run[spot.run], spot, found) for spot in spots],
        "customdata": [
            {"run": spot.run, "minor": spot.standing in ("dominated", "fell_back", "over") and not spot.is_baseline}
            for spot in spots
        ],
        "marker": marker,
        "cliponaxis": False,
    }


def _bars(readings: Sequence[Reading], on: Axis, colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [on.at(reading.high - reading.value) for reading in readings],
        "arrayminus": [on.at(reading.value - reading.low) for reading in readings],
        "color": colour,
        "thickness": 1.5,
        "width": 0,
    }


def _hover(run: ComparedRun, spot: Spot, found: Plane) -> str:
    lines = [f"<b>{plain(spot.variant)}</b>", plain(spot.label)]
    for quantity, reading in ((found.x, spot.x), (found.y, spot.y)):
        lines.append(f"{quantity.title}: {spelled(reading, quantity.unit, found.scale)}")
    for shown, value, on in (
        (found.colour, spot.colour, found.colour_scale),
        (found.size, spot.size, found.size_scale),
    ):
        if shown is not None:
            plainly = on == "measured"
            words = "not measured" if value is None else readable(value, shown.unit) if plainly else times(value)
            lines.append(f"{shown.title}: {words}")
    if spot.is_baseline:
        lines.append("null test: baseline against itself")
    if run.ran is not None:
        lines.append(f"ran {RAN[run.ran]}")
    if spot.standing == "over":
        titles = {budget.quantity.key: budget.quantity.title for budget in found.budgets}
        lines.append(f"over budget: {', '.join(titles[key] for key in spot.over)}")
    elif spot.standing:
        lines.append(STANDINGS[spot.standing])
    return "<br>".join(lines)


def staircase(found: Plane) -> list[tuple[float, float]]:
    """The front in base units: between two of its points nothing better has been measured."""
    by_run = {spot.run: (spot.x.value, spot.y.value) for spot in found.spots}
    corners: list[tuple[float, float]] = []
    for left, right in itertools.pairwise([by_run[key] for key in found.front or ()]):
        corners += [left, (right[0], left[1]) if found.x.better == "lower" else (left[0], right[1]), right]
    return corners


def _front_line(corners: Sequence[tuple[float, float]], across: Axis, up: Axis) -> dict[str, Any]:
    """The staircase; there even when it is empty, so that the page can redraw it while a budget moves."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [across.at(corner[0]) for corner in corners],
        "y": [up.at(corner[1]) for corner in corners],
        "line": {"width": 2, "dash": "dot", "color": "var(--front)"},
        "hoverinfo": "skip",
    }


def _knee(found: Plane, across: Axis, up: Axis) -> list[dict[str, Any]]:
    """A word at the knee: the last point before a further gain on one axis costs much on the other."""
    spot = next((spot for spot in found.spots if spot.run == found.knee), None)
    if spot is None:
        return []
    x, y = across.at(spot.x.value), up.at(spot.y.value)
    return [
        {
            "name": "knee",
            "text": "knee",
            "xref": "x",
            "yref": "y",
            "x": math.log10(x) if across.log else x,
            "y": math.log10(y) if up.log else y,
            "ax": 34 if across.share(spot.x.value) < 0.7 else -34,
            "ay": 30,
            "arrowhead": 0,
            "arrowwidth": 1,
            "arrowcolor": "var(--front)",
            "standoff": 8,
            "font": {"size": 12, "color": "var(--front)"},
        }
    ]


def _corner(x: Quantity, y: Quantity, top: float) -> list[dict[str, Any]]:
    """Which corner is the good one."""
    if x.better == "neither" or y.better == "neither":
        return []
    left, low = x.better == "lower", y.better == "lower"
    arrow = {(True, True): "↙", (True, False): "↖", (False, True): "↘", (False, False): "↗"}[(left, low)]
    return [
        {
            "text": f"{arrow} better" if left else f"better {arrow}",
            "xref": "paper",
            "yref": "paper",
            "x": 0.01 if left else 0.99,
            "y": 0.015 if low else top - 0.015,
            "xanchor": "left" if left else "right",
            "yanchor": "bottom" if low else "top",
            "showarrow": False,
            "font": {"size": 12, "color": "var(--ink-3)"},
        }
    ]


def _warnings(comparison: Comparison, found: Plane) -> str:
    """What a reader must know of the points: some are not what was asked, or come from another machine or sitting."""
    text = ""
    fallen = [spot.variant for spot in found.spots if spot.fell_back]
    if fallen:
        text += f" Hollow, because something else ran than was asked: {', '.join(fallen)}."
    if found.scale == "measured" and comparison.environments_differ:
        fields = dict.fromkeys(c.field for other in comparison.elsewhere for c in other.changes if c.matters)
        text += f" Across environments that differ in {', '.join(fields)}: a distance is not the variants' alone."
    if found.scale == "measured":
        drawn = {spot.run for spot in found.spots}
        runs = [run for run in comparison.runs if run.run in drawn]
        apart = max(drift(runs, quantity) for quantity in (found.x, found.y))
        if apart:
            text += (
                f" Values come from different sittings, whose baselines differ by up to {digits(apart * 100, 2)}{THIN}%;"
                " ratios over the baseline do not."
            )
    return text


def _caption(found: Plane) -> str:
    names = {spot.run: spot.variant for spot in found.spots}
    limited = sum(1 for budget in found.budgets if budget.weighed)
    kept = ""
    if limited:
        kept = f" {found.fitting} of {found.options} options keep {'the budget' if limited == 1 else 'all budgets'}."
    if found.front is None:
        return (
            f"{found.x.title} against {found.y.title}. One of them has no better direction, so there is no front.{kept}"
        )
    if not found.front:
        return f"No option is left for a front.{kept}"
    text = f"On the Pareto front: {', '.join(names[key] for key in found.front)}."
    maybe = [spot.variant for spot in found.spots if spot.standing == "possible"]
    if maybe:
        text += f" Possibly on it, within the intervals: {', '.join(maybe)}."
    if found.knee:
        text += f" Knee: {names[found.knee]}."
    return text + kept
