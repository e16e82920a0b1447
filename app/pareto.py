"""The Pareto front of two quantities among places with intervals, and its knee. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from workers.catalog.metrics import Better

Standing = Literal["front", "possible", "dominated"]


class Frozen(BaseModel):
    """Plain data that is computed once and read by pages, charts and the API."""

    model_config = ConfigDict(frozen=True)


class Reading(Frozen):
    """A measured value with its 95 % interval, in the quantity's base unit."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float | None = None


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
    best = float("inf")
    on_front: set[str] = set()
    for value_x in sorted({spot[0].value for spot in spots.values()}):
        column = [(key, spot[1].value) for key, spot in spots.items() if spot[0].value == value_x]
        lowest = min(value for _, value in column)
        if lowest < best:
            on_front |= {key for key, value in column if value == lowest}
            best = lowest
    standings: dict[str, Standing] = {
        key: "front" if key in on_front else "dominated" if _surely_beaten(key, spots) else "possible" for key in spots
    }
    values = {place.key: (place.x.value, place.y.value) for place in places}
    line = tuple(sorted(on_front, key=lambda key: (*values[key], key)))
    return Front(standings=standings, line=line, knee=_knee([spots[key] for key in line], line))


def _oriented(place: Reading, better: Better) -> Reading:
    """The reading so that less is better."""
    if better == "lower":
        return place
    return Reading(value=-place.value, low=-place.high, high=-place.low, n=place.n)


def _surely_beaten(key: str, spots: Mapping[str, tuple[Reading, Reading]]) -> bool:
    """Whether another interval lies wholly on the better side of this one on both axes."""
    x, y = spots[key]
    return any(
        other != key and a.high <= x.low and b.high <= y.low and (a.high < x.low or b.high < y.low)
        for other, (a, b) in spots.items()
    )


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
