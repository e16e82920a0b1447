"""The trade-off as a picture that needs no script: its Plotly figure as plain shapes, in pixels."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts import labels
from app.charts.chart import shortened
from app.charts.drawing import Drawing
from app.charts.units import digits
from app.charts.zoom import ends

WIDTH, HEIGHT = 720, 430
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 14, 56
RADIUS = 6
"""Of a point."""
ASCENT = 12
"""From the top of a name to the line it stands on."""
NARROWEST = 1e-9
"""Of its values, the least part of an axis that is drawn; what is narrower has no marks to tell apart."""
TINY = 1e-300
"""Nothing narrower is drawn either: its step has no logarithm."""
ANCHORS = {-1: "end", 0: "middle", 1: "start"}


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Label(NamedTuple):
    """A point's name where it is free."""

    text: str
    x: float
    y: float
    """Of the line that it stands on."""
    anchor: str


class Point(NamedTuple):
    """One run."""

    run: str
    name: str
    family: str
    strength: float
    x: float
    y: float
    x_bar: tuple[float, float]
    y_bar: tuple[float, float]
    label: Label | None


class Rule(NamedTuple):
    """One axis in pixels."""

    title: str
    low: float
    """Ends of what is shown, in the axis's unit; powers of ten on a logarithmic axis."""
    high: float
    log: bool
    marks: tuple[float, ...]
    begin: float
    """Pixels of the low end."""
    end: float

    def on(self, value: float) -> float:
        """A value as the axis counts."""
        return math.log10(value) if self.log else value

    def at(self, value: float) -> float:
        """Pixels of a value in the axis's unit; what lies beyond the ends stays at them."""
        share = (self.on(value) - self.low) / (self.high - self.low)
        return round(self.begin + min(1.0, max(0.0, share)) * (self.end - self.begin), 1)

    def shows(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= self.on(value) <= self.high

    def ticks(self) -> tuple[Tick, ...]:
        """The marks that lie between the ends."""
        return tuple(Tick(self.at(mark), digits(mark, 2)) for mark in self.marks if self.shows(mark))


class Still(NamedTuple):
    """Everything the template writes as SVG."""

    width: int
    height: int
    box: tuple[int, int, int, int]
    """Left, top, right and bottom of the plot."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    titles: tuple[str, str]
    points: tuple[Point, ...]
    front: str
    """Corners of the staircase, as SVG wants them."""


def still(drawing: Drawing, xr: str | None = None, yr: str | None = None) -> Still:
    """The picture of a drawn trade-off.

    Args:
        drawing: with a figure and a plane.
        xr: ``low,high`` of the part of the horizontal axis to show, in the quantity's base unit.
        yr: the same, of the vertical axis.
    """
    figure, plane = drawing.figure, drawing.plane
    if figure is None or plane is None:
        raise ValueError("only a drawn trade-off has a picture")
    box = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    traces = [trace for trace in figure["data"] if "marker" in trace and "xaxis" not in trace]
    spots = {spot.run: spot for spot in plane.spots}
    across = _rule(figure["layout"]["xaxis"], plane.per[0], xr, (LEFT, WIDTH - RIGHT))
    up = _rule(figure["layout"]["yaxis"], plane.per[1], yr, (HEIGHT - BOTTOM, TOP))
    points: list[Point] = []
    minor: list[bool] = []
    for trace in traces:
        for i, known in enumerate(trace["customdata"]):
            spot, x, y = spots[known["run"]], trace["x"][i], trace["y"][i]
            if across.shows(x) and up.shows(y):
                minor.append(known["minor"])
                points.append(
                    Point(
                        run=spot.run,
                        name=spot.variant,
                        family=spot.family,
                        strength=trace["marker"]["opacity"][i],
                        x=across.at(x),
                        y=up.at(y),
                        x_bar=_bar(across, x, trace["error_x"], i),
                        y_bar=_bar(up, y, trace["error_y"], i),
                        label=None,
                    )
                )
    line: dict[str, Any] = next((trace for trace in figure["data"] if trace.get("name") == "front"), {"x": [], "y": []})
    corners = [(across.at(x), up.at(y)) for x, y in zip(line["x"], line["y"], strict=True)]
    return Still(
        width=WIDTH,
        height=HEIGHT,
        box=box,
        across=across.ticks(),
        up=up.ticks(),
        titles=(across.title, up.title),
        points=tuple(
            point._replace(label=label) for point, label in zip(points, _labels(points, minor, corners), strict=True)
        ),
        front=" ".join(f"{x:.1f},{y:.1f}" for x, y in corners),
    )


def _labels(
    points: Sequence[Point], minor: Sequence[bool], corners: Sequence[tuple[float, float]]
) -> list[Label | None]:
    """The names that have room, None for the others."""
    texts = [shortened(point.name) for point in points]
    spots = [
        labels.Spot(point.x - LEFT, point.y - TOP, RADIUS, labels.wide(len(text)), gives_way)
        for point, text, gives_way in zip(points, texts, minor, strict=True)
    ]
    around = labels.along([(x - LEFT, y - TOP) for x, y in corners])
    places = labels.places(spots, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, around)
    return [
        _label(text, spot, place) if place else None for text, spot, place in zip(texts, spots, places, strict=True)
    ]


def _label(text: str, spot: labels.Spot, place: str) -> Label:
    way, top = labels.PLACES[place][0], spot.beside(place)[1]
    return Label(text, round(LEFT + spot.x + way * spot.gap, 1), round(TOP + top + ASCENT, 1), ANCHORS[way])


def _rule(layout: dict[str, Any], per: float, wanted: str | None, pixels: tuple[float, float]) -> Rule:
    """An axis as the figure has it, or the part of it that was asked for."""
    log = layout.get("type") == "log"
    low, high = layout["range"]
    if wanted is not None:
        first, last = (end / per for end in ends(wanted) or (0.0, 0.0))
        least = max(TINY, NARROWEST * max(abs(first), abs(last)))
        # In the axis's unit an end may be too large for a number; the whole axis is shown then.
        if least < last - first < math.inf and not (log and first <= 0):
            low, high = (math.log10(first), math.log10(last)) if log else (first, last)
    marks = layout["tickvals"] if log else _round(low, high)
    return Rule(layout["title"]["text"], low, high, log, tuple(marks), *pixels)


def _round(low: float, high: float) -> list[float]:
    """Round values between two others, four to nine of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * times for times in (1, 2, 5, 10) if (high - low) / (step * times) <= 8)
    return [count * step for count in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _bar(rule: Rule, value: float, error: dict[str, Any], place: int) -> tuple[float, float]:
    """Ends of an interval in pixels."""
    low, high = value - error["arrayminus"][place], value + error["array"][place]
    return rule.at(low if low > 0 or not rule.log else 10**rule.low), rule.at(high)
