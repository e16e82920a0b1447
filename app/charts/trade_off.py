"""Trade-off: any two quantities of a study against each other, with intervals, the Pareto front and its knee.

Runs that brought no figures stand in a strip at the edge with their outcome, so that nobody takes them for forgotten.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from app.charts.axis import INK, Axis, axis
from app.charts.chart import (
    RAN,
    SYMBOLS,
    Chart,
    Choice,
    Figure,
    NotDrawn,
    chosen,
    ended,
    plain,
    runs_at,
    shortened,
)
from app.charts.units import THIN, between, digits, readable, times
from app.comparison import ComparedRun, Comparison, Quantity, Scale, axes, candidates
from app.pareto import Candidate, Front, Reading, pareto

HEIGHT = 430
"""Pixels of the plot, title row excluded."""
STRIP_ROW = 24
"""Pixels of one failed run in the strip."""
STRIP_ROWS = 6
OPACITY = {"front": 1.0, "possible": 0.85, "dominated": 0.5, "fell_back": 0.7}
STANDINGS = {
    "front": "on the Pareto front",
    "possible": "possibly on the front: its interval reaches it",
    "dominated": "beaten on both axes",
    "fell_back": "something else ran than was asked, so it stands beside the front",
}
MIXED = (
    "Runs of this study were measured in environments that differ where it matters, so their values as measured do not "
    "stand side by side. Ratios over the baseline hold; “Compare anyway” on this page shows the values."
)
PLACES = ("top center", "bottom center", "middle right", "middle left", "top right", "bottom right")


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """The scatter of a study's variants at one point of the sweep.

    Raises:
        NotDrawn: no run has figures on both axes.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    runs = runs_at(comparison, choice)
    x, y = _axes(comparison, choice)
    scale, places = _placed(comparison, choice, runs, x, y)
    by_run = {run.run: run for run in runs}
    front = pareto([place for place in places if not by_run[place.key].fell_back], x.better, y.better)
    across = axis(x, [place.x for place in places], scale)
    up = axis(y, [place.y for place in places], scale)
    positions = label_places(
        [(across.share(p.x.value), up.share(p.y.value), len(shortened(by_run[p.key].variant))) for p in places],
        [(across.share(left), up.share(height)) for left, height in _corners(front, places, x)],
    )
    data: list[dict[str, Any]] = []
    if front and len(front.line) > 1:
        data.append(_front_line(front, places, x, across, up))
    families = dict.fromkeys(by_run[place.key].family for place in places)
    for family in families:
        members = [i for i, place in enumerate(places) if by_run[place.key].family == family]
        data.append(
            _points(
                family,
                [places[i] for i in members],
                [positions[i] for i in members],
                by_run,
                front,
                (x, y),
                (across, up),
                scale,
            )
        )
    failed = [run for run in runs if run.failed]
    strip = min(len(failed), STRIP_ROWS) * STRIP_ROW + (26 if failed else 0)
    height = HEIGHT + strip
    top = 1.0 - strip / (height - 90) if failed else 1.0
    layout: dict[str, Any] = {
        "height": height,
        "xaxis": across.layout(),
        "yaxis": up.layout(domain=[0, top]),
        "annotations": [*_corner(x, y, top), *_knee(front, places, by_run, across, up)],
        "meta": {
            "families": list(families),
            "front": [by_run[key].variant for key in front.line] if front else [],
            "knee": by_run[front.knee].variant if front and front.knee else None,
            "scale": scale,
            "caption": _caption(front, by_run, x, y)
            + _warnings(comparison, [by_run[place.key] for place in places], scale),
        },
    }
    if failed:
        data.append(_strip(failed))
        layout["xaxis2"] = {"domain": [0, 1], "range": [0, 1], "visible": False, "anchor": "y2", "fixedrange": True}
        layout["yaxis2"] = {
            "domain": [min(1.0, top + 0.02), 1],
            "range": [-0.5, min(len(failed), STRIP_ROWS) - 0.5 + 0.9],
            "visible": False,
            "anchor": "x2",
            "fixedrange": True,
        }
        layout["annotations"].append(
            {
                "text": f"No figures ({len(failed)})",
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": 1,
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
                "font": {"size": 12, "color": INK},
            }
        )
    return {"data": data, "layout": layout}


CHART = Chart("trade_off", "Trade-off", "What does each variant cost, and what does it bring?", figure)


def label_places(
    spots: Sequence[tuple[float, float, int]],
    line: Sequence[tuple[float, float]] = (),
    width: float = 640.0,
    height: float = 350.0,
) -> list[str]:
    """Where each label stands beside its point so that few overlap.

    Args:
        spots: for each point its share of the width, its share of the height, and the label's characters.
        line: corners of a line that labels keep clear of, as shares too.
        width: pixels of the plot.
        height: pixels of the plot.
    """
    taken = [(x * width - 8, y * height - 8, x * width + 8, y * height + 8) for x, y, _ in spots]
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        left, right, low, high = min(x0, x1) * width, max(x0, x1) * width, min(y0, y1) * height, max(y0, y1) * height
        taken.append((left - 2, low - 2, right + 2, high + 2))
    found: list[str] = []
    for x, y, characters in spots:
        half, across, up = characters * 3.4, x * width, y * height
        boxes = {
            "top center": (across - half, up + 9, across + half, up + 25),
            "bottom center": (across - half, up - 25, across + half, up - 9),
            "middle right": (across + 10, up - 8, across + 10 + 2 * half, up + 8),
            "middle left": (across - 10 - 2 * half, up - 8, across - 10, up + 8),
            "top right": (across + 6, up + 6, across + 6 + 2 * half, up + 22),
            "bottom right": (across + 6, up - 22, across + 6 + 2 * half, up - 6),
        }
        place = min(PLACES, key=lambda name: (_crossings(boxes[name], taken, width, height), PLACES.index(name)))
        taken.append(boxes[place])
        found.append(place)
    return found


def _crossings(box: tuple[float, ...], taken: Sequence[tuple[float, ...]], width: float, height: float) -> int:
    left, bottom, right, top = box
    outside = 3 * ((left < 0) + (right > width) + (bottom < 0) + (top > height))
    return outside + sum(1 for a, b, c, d in taken if left < c and a < right and bottom < d and b < top)


def _axes(comparison: Comparison, choice: Choice) -> tuple[Quantity, Quantity]:
    usual = axes(comparison)
    if usual is None and (choice.x is None or choice.y is None):
        raise NotDrawn("Nothing has been measured yet.")
    x = chosen(comparison, "x", choice.x) if choice.x is not None else usual[0] if usual else None
    y = chosen(comparison, "y", choice.y) if choice.y is not None else usual[1] if usual else None
    if x is None or y is None:
        raise NotDrawn("Nothing has been measured yet.")
    return x, y


def _placed(
    comparison: Comparison, choice: Choice, runs: Sequence[ComparedRun], x: Quantity, y: Quantity
) -> tuple[Scale, list[Candidate]]:
    """Where the runs lie, on the scale that was picked; without a pick on that of ratios, if any run has both.

    Raises:
        NotDrawn: no run has figures on both axes.
    """
    mixed = comparison.environments_differ and not choice.across_environments
    if choice.scale == "measured" and mixed:
        raise NotDrawn(MIXED)
    scale: Scale = choice.scale or "ratio"
    places = candidates(runs, x, y, scale)
    if places:
        return scale, places
    measured = candidates(runs, x, y, "measured")
    if choice.scale is None and measured and not mixed:
        return "measured", measured
    if scale == "ratio" and measured:
        raise NotDrawn(
            "No run has an effect over the baseline for both of these. "
            + (MIXED if mixed else "The scale “as measured” shows them.")
        )
    raise NotDrawn("No run has measured both of these yet.")


def _points(
    family: str,
    places: Sequence[Candidate],
    positions: Sequence[str],
    by_run: Mapping[str, ComparedRun],
    front: Front | None,
    quantities: tuple[Quantity, Quantity],
    drawn: tuple[Axis, Axis],
    scale: Scale,
) -> dict[str, Any]:
    across, up = drawn
    standings = [_standing(front, by_run[place.key]) for place in places]
    colour = f"var(--family-{family})"
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": family,
        "x": [across.at(place.x.value) for place in places],
        "y": [up.at(place.y.value) for place in places],
        "error_x": _bars([place.x for place in places], across, colour),
        "error_y": _bars([place.y for place in places], up, colour),
        "text": [plain(shortened(by_run[place.key].variant)) for place in places],
        "textposition": list(positions),
        "textfont": {"size": 13, "color": "var(--ink-1)"},
        "hoverinfo": "text",
        "hovertext": [
            _hover(by_run[place.key], place, standing, quantities, scale)
            for place, standing in zip(places, standings, strict=True)
        ],
        "customdata": [
            {"run": place.key, "minor": standing in ("dominated", "fell_back") and not by_run[place.key].is_baseline}
            for place, standing in zip(places, standings, strict=True)
        ],
        "marker": {
            "size": 12,
            "symbol": [SYMBOLS[family] + ("-open" if by_run[place.key].fell_back else "") for place in places],
            "color": colour,
            "opacity": [OPACITY[standing] if standing else 1.0 for standing in standings],
            "line": {
                "width": [2.0 if by_run[place.key].fell_back else 1.5 for place in places],
                "color": [colour if by_run[place.key].fell_back else "var(--surface)" for place in places],
            },
        },
        "cliponaxis": False,
    }


def _standing(front: Front | None, run: ComparedRun) -> str | None:
    if run.fell_back:
        return "fell_back"
    return front.standings[run.run] if front else None


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


def _hover(
    run: ComparedRun, place: Candidate, standing: str | None, quantities: tuple[Quantity, Quantity], scale: Scale
) -> str:
    lines = [f"<b>{plain(run.variant)}</b>", plain(run.label)]
    for quantity, reading in zip(quantities, (place.x, place.y), strict=True):
        if scale == "ratio":
            shown = f"{times(reading.value)} ({digits(reading.low)}–{digits(reading.high)}), {reading.n} pairs"
        else:
            span = between(reading.low, reading.high, quantity.unit, reading.value)
            shown = f"{readable(reading.value, quantity.unit)} ({span}), n{THIN}={THIN}{reading.n}"
        lines.append(f"{quantity.title}: {shown}")
    if run.is_baseline:
        lines.append("null test: baseline against itself")
    if run.ran is not None:
        lines.append(f"ran {RAN[run.ran]}")
    if standing:
        lines.append(STANDINGS[standing])
    return "<br>".join(lines)


def _corners(front: Front | None, places: Sequence[Candidate], x: Quantity) -> list[tuple[float, float]]:
    """The front as a staircase in base units: between two of its points nothing better has been measured."""
    if front is None:
        return []
    by_key = {place.key: (place.x.value, place.y.value) for place in places}
    corners: list[tuple[float, float]] = []
    for left, right in itertools.pairwise([by_key[key] for key in front.line]):
        corners += [left, (right[0], left[1]) if x.better == "lower" else (left[0], right[1]), right]
    return corners


def _front_line(front: Front, places: Sequence[Candidate], x: Quantity, across: Axis, up: Axis) -> dict[str, Any]:
    corners = _corners(front, places, x)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [across.at(corner[0]) for corner in corners],
        "y": [up.at(corner[1]) for corner in corners],
        "line": {"width": 2, "dash": "dot", "color": "var(--front)"},
        "hoverinfo": "skip",
    }


def _knee(
    front: Front | None, places: Sequence[Candidate], by_run: Mapping[str, ComparedRun], across: Axis, up: Axis
) -> list[dict[str, Any]]:
    """A ring of words at the knee: the last point before a further gain on one axis costs much on the other."""
    if front is None or front.knee is None:
        return []
    knee = next(place for place in places if place.key == front.knee)
    right = across.share(knee.x.value) < 0.7
    return [
        {
            "text": "knee",
            "xref": "paper",
            "yref": "y",
            "x": across.share(knee.x.value),
            "y": up.layout()["range"][0] + up.share(knee.y.value) * (up.layout()["range"][1] - up.layout()["range"][0]),
            "ax": 34 if right else -34,
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


def _strip(failed: Sequence[ComparedRun]) -> dict[str, Any]:
    shown = list(failed[:STRIP_ROWS])
    words = [f"  {plain(shortened(run.variant))} · {ended(run)}" for run in shown]
    if len(failed) > STRIP_ROWS:
        words[-1] += f" … and {len(failed) - STRIP_ROWS} more"
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "no figures",
        "xaxis": "x2",
        "yaxis": "y2",
        "x": [0.012] * len(shown),
        "y": list(range(len(shown) - 1, -1, -1)),
        "text": words,
        "textposition": "middle right",
        "textfont": {"size": 12, "color": "var(--ink-2)"},
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{plain(run.variant)}</b><br>{ended(run)}<br>{plain(shortened(run.message or '', 120))}"
            for run in shown
        ],
        "customdata": [{"run": run.run} for run in shown],
        "marker": {
            "size": 10,
            "symbol": [f"{SYMBOLS[run.family]}-open" for run in shown],
            "color": [f"var(--family-{run.family})" for run in shown],
            "line": {"width": 2},
        },
        "cliponaxis": False,
    }


def _warnings(comparison: Comparison, shown: Sequence[ComparedRun], scale: Scale) -> str:
    """What a reader must know of the points: some are not what was asked, some come from another machine."""
    text = ""
    fallen = [run.variant for run in shown if run.fell_back]
    if fallen:
        text += f" Hollow, because something else ran than was asked: {', '.join(fallen)}."
    if scale == "measured" and comparison.environments_differ:
        fields = dict.fromkeys(c.field for other in comparison.elsewhere for c in other.changes if c.matters)
        text += f" Across environments that differ in {', '.join(fields)}: a distance is not the variants' alone."
    return text


def _caption(front: Front | None, by_run: Mapping[str, ComparedRun], x: Quantity, y: Quantity) -> str:
    if front is None:
        return f"{x.title} against {y.title}. One of them has no better direction, so there is no front."
    names = ", ".join(by_run[key].variant for key in front.line)
    maybe = [by_run[key].variant for key, standing in front.standings.items() if standing == "possible"]
    text = f"On the Pareto front: {names}."
    if maybe:
        text += f" Possibly on it, within the intervals: {', '.join(maybe)}."
    if front.knee:
        text += f" Knee: {by_run[front.knee].variant}."
    return text
