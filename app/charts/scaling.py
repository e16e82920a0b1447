"""Scaling: one quantity over a swept field, a line a variant with intervals, and where a variant and the baseline cross."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from app.charts.axis import Axis, axis, frame, ticks
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import (
    SYMBOLS,
    Chart,
    Choice,
    Figure,
    NotDrawn,
    NotSwept,
    one_quantity,
    plain,
    runs_at,
    scale_for,
    shortened,
    table,
)
from app.charts.rows import spelled
from app.charts.units import digits
from app.study.comparison import ComparedRun, Comparison, Scale, reading
from app.study.outcomes import RAN, ended
from app.study.pareto import Reading
from app.study.quantities import Quantity

HEIGHT = 430
TOP, BOTTOM = 14, 60
LABEL = 16
"""Pixels between the names of two lines."""
LOG_FROM = 8.0
"""Largest over smallest swept value from which that axis is logarithmic."""
MOST_TICKS = 10
LABELLED = 24
"""Lines that have their name beside them; more would not be readable."""


class Spot(NamedTuple):
    """One run on a line."""

    at: float
    """The swept value."""
    run: ComparedRun
    reading: Reading


class Crossing(NamedTuple):
    """Where a variant and the baseline change places, between two measured points."""

    at: float
    low: float
    high: float
    """Ends of the range in which the intervals leave it; of the stretch without a decided end when it is not decided."""
    decided: bool
    """Whether points on both sides of it have intervals that exclude equality."""
    rises: bool
    """Whether the ratio over the baseline is above 1 behind it."""


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """One line a variant, the baseline from its null test; ``choice.x`` names the quantity, ``choice.over`` the field.

    Other swept fields stay as they are at the chosen point.

    Raises:
        NotDrawn: nothing is swept, or the quantity was measured at one value only.
        UnknownQuantity: the choice names a quantity that was not measured.
        NotSwept: the choice names a field that is not swept.
    """
    quantity = one_quantity(comparison, choice)
    runs_at(comparison, choice)
    field = _field(comparison, choice)
    scale = scale_for(comparison, choice)
    runs, held = _line_of_points(comparison, choice, field)
    lines = _lines(runs, field, quantity, scale)
    if not any(len(line) > 1 for line in lines.values()):
        raise NotDrawn(f"{quantity.title} was measured at one value of {_words(field)} only; a line needs two.")
    found = {name: _crossings_of(runs, name, field, quantity) for name in lines}
    spots = [spot for line in lines.values() for spot in line]
    up = axis(quantity, [spot.reading for spot in spots], scale)
    swept = sorted({spot.at for spot in spots})
    data = [_line(name, line, quantity, scale, up) for name, line in lines.items()]
    data += [_marks(name, crossings, lines[name], field, scale, up) for name, crossings in found.items() if crossings]
    names = [shortened(name, 18) for name in lines][:LABELLED]
    return {
        "data": data,
        "layout": {
            "height": HEIGHT,
            "margin": {"l": 64, "r": 16 + 7 * max(len(name) for name in names), "t": TOP, "b": BOTTOM},
            "xaxis": _across(swept, _words(field)),
            "yaxis": up.layout(),
            "annotations": _labels(lines, up),
            "meta": {
                "families": list(dict.fromkeys(line[0].run.family for line in lines.values())),
                "scale": scale,
                "caption": _caption(comparison, quantity, field, held, found, runs),
                "basis": basis(rests_on(spot.reading for spot in spots), INTERVALS, (spot.run for spot in spots)),
                "table": _table(lines, quantity, scale, field, found),
            },
        },
    }


CHART = Chart("scaling", "Scaling", "From which size on does a variant pay, and how does it grow?", figure, "scaling")


def crossings(line: Sequence[tuple[float, Reading]]) -> Iterator[Crossing]:
    """Where ratios over the baseline pass 1, interpolated in log-log between neighbours.

    Ratios that waver around 1 within their intervals cross nothing. A crossing is decided between two points whose
    intervals exclude 1 on either side, and undecided where only one end of the line has such a point.

    Args:
        line: swept value and ratio, by rising value; all of them positive.
    """
    sides = [(ratio.low > 1.0) - (ratio.high < 1.0) for _, ratio in line]
    sure = [index for index, side in enumerate(sides) if side]
    if not sure:
        return
    values = [(at, ratio.value) for at, ratio in line]
    for start, end, decided in [
        (0, sure[0], False),
        *((left, right, True) for left, right in itertools.pairwise(sure)),
        (sure[-1], len(line) - 1, False),
    ]:
        at = _passes(values[start : end + 1])
        if at is None or (decided and sides[start] == sides[end]):
            continue
        rises = sides[start] < 0 or sides[end] > 0
        if decided:
            lows = [(place, ratio.low) for place, ratio in line[start : end + 1]]
            highs = [(place, ratio.high) for place, ratio in line[start : end + 1]]
            first, last = (highs, lows) if rises else (lows, highs)
            yield Crossing(at, _passes(first) or at, _passes(last[::-1]) or at, True, rises)
        else:
            yield Crossing(at, line[start][0], line[end][0], False, rises)


def _passes(line: Sequence[tuple[float, float]]) -> float | None:
    """Where the first stretch of a line in log-log that reaches over 1 does so; None where none does."""
    for (left, before), (right, after) in itertools.pairwise(line):
        if (before > 1.0) != (after > 1.0):
            share = math.log(before) / (math.log(before) - math.log(after))
            return math.exp(math.log(left) + share * (math.log(right) - math.log(left)))
    return None


def _field(comparison: Comparison, choice: Choice) -> str:
    counts = {field: len({point[field] for point in comparison.points}) for field in comparison.points[0]}
    swept = {field: count for field, count in counts.items() if count > 1}
    if choice.over is not None and choice.over not in swept:
        raise NotSwept("over", choice.over, tuple(swept))
    if not swept:
        raise NotDrawn(
            "This study has one point only. Sweep a field, for example the sequence length over 128, 512, 2048, to see "
            "how each variant grows and where it begins to pay."
        )
    return choice.over or max(swept, key=swept.__getitem__)


def _line_of_points(comparison: Comparison, choice: Choice, field: str) -> tuple[list[ComparedRun], dict[str, int]]:
    """The runs of all points that differ from the chosen one in the field only, and what the others are held at."""
    held = {name: value for name, value in comparison.points[choice.point].items() if name != field}
    runs = [run for run in comparison.runs if {k: v for k, v in run.point.items() if k != field} == held]
    return sorted(runs, key=lambda run: run.point[field]), held


def _lines(runs: Sequence[ComparedRun], field: str, quantity: Quantity, scale: Scale) -> dict[str, list[Spot]]:
    lines: dict[str, list[Spot]] = {}
    for run in sorted(runs, key=lambda run: not run.is_baseline):
        found = None if run.failed else reading(run, quantity, scale)
        if found is not None:
            lines.setdefault(run.variant, []).append(Spot(run.point[field], run, found))
    return lines


def _crossings_of(runs: Sequence[ComparedRun], name: str, field: str, quantity: Quantity) -> list[Crossing]:
    """By the ratios of each sitting, which machines that were busier or slower another time do not touch."""
    line = [
        (float(run.point[field]), found)
        for run in runs
        if run.variant == name and not run.is_baseline and not run.failed and not run.fell_back
        if (found := reading(run, quantity, "ratio")) is not None and found.low > 0 and run.point[field] > 0
    ]
    return list(crossings(line))


def _line(name: str, spots: Sequence[Spot], quantity: Quantity, scale: Scale, up: Axis) -> dict[str, Any]:
    family = spots[0].run.family
    colour = f"var(--family-{family})"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(name),
        "x": [spot.at for spot in spots],
        "y": [up.at(spot.reading.value) for spot in spots],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [up.at(max(0.0, spot.reading.high - spot.reading.value)) for spot in spots],
            "arrayminus": [up.at(max(0.0, spot.reading.value - spot.reading.low)) for spot in spots],
            "color": colour,
            "thickness": 1.5,
            "width": 0,
        },
        "line": {"width": 2, "color": colour, "dash": "dot" if spots[0].run.is_baseline else "solid"},
        "marker": {
            "size": 9,
            "symbol": [SYMBOLS[family] + ("-open" if spot.run.fell_back else "") for spot in spots],
            "color": colour,
        },
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{plain(name)}</b> at {spot.at:,}<br>{quantity.title}: {spelled(spot.reading, quantity.unit, scale)}"
            + ("<br>null test: baseline against itself" if spot.run.is_baseline else "")
            + (f"<br>ran {RAN[spot.run.ran]}" if spot.run.ran else "")
            for spot in spots
        ],
        "customdata": [{"run": spot.run.run} for spot in spots],
        "showlegend": False,
        "cliponaxis": False,
    }


def _marks(
    name: str, found: Sequence[Crossing], spots: Sequence[Spot], field: str, scale: Scale, up: Axis
) -> dict[str, Any]:
    """Rings on the variant's line, with a cross in them where points on both sides are decided."""
    colour = f"var(--family-{spots[0].run.family})"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "cross-over",
        "x": [one.at for one in found],
        "y": [up.at(1.0 if scale == "ratio" else _height(spots, one.at)) for one in found],
        "marker": {
            "size": 15,
            "symbol": ["circle-x-open" if one.decided else "circle-open" for one in found],
            "color": colour,
            "line": {"width": 2, "color": colour},
        },
        "hoverinfo": "text",
        "hovertext": [f"<b>{plain(name)}</b><br>{_crossed(one, field)}" for one in found],
        "showlegend": False,
        "cliponaxis": False,
    }


def _height(spots: Sequence[Spot], at: float) -> float:
    """A line's value between two of its points, in log-log as the crossing is."""
    left = max((spot for spot in spots if spot.at <= at), key=lambda spot: spot.at, default=spots[0])
    right = min((spot for spot in spots if spot.at >= at), key=lambda spot: spot.at, default=spots[-1])
    if left.at == right.at or left.reading.value <= 0 or right.reading.value <= 0:
        return left.reading.value
    share = math.log(at / left.at) / math.log(right.at / left.at)
    return math.exp((1 - share) * math.log(left.reading.value) + share * math.log(right.reading.value))


def _crossed(one: Crossing, field: str) -> str:
    where = f"crosses the baseline at {_words(field)} {digits(one.at)}"
    if one.decided:
        return f"{where} ({digits(one.low)}–{digits(one.high)}), interpolated"
    return f"{where}, interpolated; undecided between {digits(one.low)} and {digits(one.high)}"


def _words(field: str) -> str:
    return field.replace("_", " ")


def _across(values: Sequence[float], title: str) -> dict[str, Any]:
    low, high = values[0], values[-1]
    drawn = frame(title)
    log = low > 0 and high / low >= LOG_FROM
    if log:
        room = math.log10(high / low) * 0.05
        drawn |= {"type": "log", "range": [math.log10(low) - room, math.log10(high) + room]}
    else:
        room = (high - low) * 0.05
        drawn |= {"range": [low - room, high + room], "nticks": 7}
    if log or len(values) <= MOST_TICKS:
        shown = list(values) if len(values) <= MOST_TICKS else ticks(low, high)
        drawn |= {"tickvals": shown, "ticktext": [f"{value:,.0f}" for value in shown]}
    return drawn


def _labels(lines: dict[str, list[Spot]], up: Axis) -> list[dict[str, Any]]:
    """Each line's name at the right edge, at the height of its end, pushed apart where two would cover each other."""
    ends = sorted((up.share(spots[-1].reading.value), name) for name, spots in list(lines.items())[:LABELLED])
    gap = min(LABEL / (HEIGHT - TOP - BOTTOM), 1 / len(ends))
    places: list[float] = []
    for share, _ in ends:
        places.append(max(share, places[-1] + gap) if places else share)
    if places[-1] > 1.0:
        # From the top down again, so that none leaves the plot.
        places[-1] = 1.0
        for index in range(len(places) - 2, -1, -1):
            places[index] = min(places[index], places[index + 1] - gap)
    return [
        {
            "text": plain(shortened(name, 18)),
            "xref": "paper",
            "yref": "paper",
            "x": 1.01,
            "y": place,
            "xanchor": "left",
            "yanchor": "middle",
            "showarrow": False,
            "font": {"size": 12, "color": f"var(--family-{lines[name][0].run.family})"},
        }
        for (_, name), place in zip(ends, places, strict=True)
    ]


def _caption(
    comparison: Comparison,
    quantity: Quantity,
    field: str,
    held: dict[str, int],
    found: dict[str, list[Crossing]],
    runs: Sequence[ComparedRun],
) -> str:
    text = f"{quantity.title} over {_words(field)}; dotted: {comparison.baseline}, from its null test."
    if held:
        text += f" At {', '.join(f'{_words(name)} {value:,}' for name, value in held.items())}."
    said = [
        f"{name} {_crossed(one, field)}" + _since(quantity, one) for name, several in found.items() for one in several
    ]
    if said:
        text += f" Cross-overs, from the ratios of each sitting, in log-log between measured points: {'; '.join(said)}."
    failed: dict[str, list[str]] = {}
    for run in runs:
        if run.failed:
            failed.setdefault(f"{run.variant} ({ended(run)})", []).append(f"{run.point[field]:,}")
    if failed:
        told = "; ".join(f"{name} at {', '.join(values)}" for name, values in failed.items())
        text += f" Without figures: {told}."
    return text


def _since(quantity: Quantity, one: Crossing) -> str:
    if quantity.better == "neither":
        return ""
    return ", better above" if one.rises == (quantity.better == "higher") else ", better below"


def _table(
    lines: dict[str, list[Spot]], quantity: Quantity, scale: Scale, field: str, found: dict[str, list[Crossing]]
) -> dict[str, Any]:
    measured = (
        (name, f"{spot.at:,}", spelled(spot.reading, quantity.unit, scale))
        for name, spots in lines.items()
        for spot in spots
    )
    crossed = ((name, digits(one.at), _crossed(one, field)) for name, several in found.items() for one in several)
    return table(("Variant", _words(field), quantity.title), itertools.chain(measured, crossed))
