"""The Pareto front of two quantities among places with intervals, and its knee. Pure functions."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from app.frozen import Frozen
from workers.catalog.metrics import Better

Standing = Literal["front", "possible", "dominated"]
Counted = Literal["value", "pair", "item"]
"""Values of a step or process, pairs of fresh processes, or items that were scored."""


class Reading(Frozen):
    """A measured value with its 95 % interval, in the quantity's base unit."""

    value: float
    low: float
    high: float
    n: int
    """How much is behind it."""
    counts: Counted = "value"
    """What ``n`` counts."""
    effective_n: float | None = None
    q1: float | None = None
    """Lower quartile of the samples; None for what has no samples of its own."""
    q3: float | None = None


class Candidate(NamedTuple):
    """One place in the plane of two quantities."""

    key: str
    x: Reading
    y: Reading


class Front(Frozen):
    """The Pareto front among candidates."""

    standings: dict[str, Standing]
    line: tuple[str, ...]
    """Keys on the front, from small x to large."""
    knee: str | None


def pareto(places: Sequence[Candidate], x: Better, y: Better) -> Front | None:
    """Which candidates nothing beats on both axes; None when an axis has no better direction.

    ``front``: no other value is at least as good on both axes and better on one; equal values share the front.
    ``possible``: beaten by value, but no other interval lies wholly on the better side, so it may still belong there.
    """
    if x == "neither" or y == "neither":
        return None
    spots = {place.key: (_oriented(place.x, x), _oriented(place.y, y)) for place in places}
    on_front: set[str] = set()
    best = (float("inf"), float("inf"))
    for key, (across, up) in sorted(spots.items(), key=lambda spot: (spot[1][0].value, spot[1][1].value)):
        here = (across.value, up.value)
        if up.value < best[1] or here == best:
            on_front.add(key)
            best = here
    beaten = _surely_beaten(list(spots.values()))
    standings: dict[str, Standing] = {
        key: "front" if key in on_front else "dominated" if sure else "possible"
        for key, sure in zip(spots, beaten, strict=True)
    }
    values = {place.key: (place.x.value, place.y.value) for place in places}
    line = tuple(sorted(on_front, key=lambda key: (*values[key], key)))
    return Front(standings=standings, line=line, knee=_knee([spots[key] for key in line], line))


def _oriented(place: Reading, better: Better) -> Reading:
    """The reading so that less is better."""
    if better == "lower":
        return place
    return Reading(value=-place.value, low=-place.high, high=-place.low, n=place.n)


def _surely_beaten(spots: Sequence[tuple[Reading, Reading]]) -> list[bool]:
    """Whether another interval lies wholly on the better side of each one on both axes; by sorting, O(n log n).

    Another beats one when its worse ends are no worse than the one's better ends, and better on an axis. Nobody beats
    itself so: its own ends would have to be equal, and then none is better.
    """
    rivals = sorted((x.high, y.high) for x, y in spots)
    ends = [end for end, _ in rivals]
    lowest = [float("inf"), *accumulate((end for _, end in rivals), min)]
    return [lowest[bisect_right(ends, x.low)] < y.low or lowest[bisect_left(ends, x.low)] <= y.low for x, y in spots]


def _knee(front: Sequence[tuple[Reading, Reading]], keys: Sequence[str]) -> str | None:
    """The front's point farthest from the line between its ends, both axes stretched to the front's own range.

    Das 1999, On characterizing the "knee" of the Pareto curve, Structural Optimization 18, 107–115.
    """
    xs = [spot[0].value for spot in front]
    ys = [spot[1].value for spot in front]
    if len({*zip(xs, ys, strict=True)}) < 3:
        return None
    across, down = max(xs) - min(xs), max(ys) - min(ys)
    bulges = [1.0 - (x - min(xs)) / across - (y - min(ys)) / down for x, y in zip(xs, ys, strict=True)]
    deepest = max(bulges)
    return keys[bulges.index(deepest)] if deepest > 1e-9 else None
