"""The Pareto front: against a brute-force oracle, with ties, intervals and knees."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.study.pareto import Candidate, Reading, pareto
from workers.catalog.metrics import Better

DIRECTIONS: tuple[Better, Better] = ("lower", "higher")


def at(value: float, low: float | None = None, high: float | None = None) -> Reading:
    return Reading(value=value, low=value if low is None else low, high=value if high is None else high, n=3)


def spot(key: str, x: float, y: float, spread: float = 0.0) -> Candidate:
    return Candidate(key, at(x, x - spread, x + spread), at(y, y - spread, y + spread))


def worse_or_equal(one: float, other: float, better: Better) -> bool:
    return other <= one if better == "lower" else other >= one


def beaten(one: Candidate, others: Sequence[Candidate], x: Better, y: Better) -> bool:
    """The definition, word for word: some other is at least as good on both axes and better on one."""
    return any(
        worse_or_equal(one.x.value, other.x.value, x)
        and worse_or_equal(one.y.value, other.y.value, y)
        and (one.x.value, one.y.value) != (other.x.value, other.y.value)
        for other in others
    )


# Few distinct values make ties frequent.
coordinates = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_nan=False))
clouds = st.lists(st.tuples(coordinates, coordinates), max_size=30).map(
    lambda pairs: [spot(str(index), x, y) for index, (x, y) in enumerate(pairs)]
)


@given(clouds, st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS))
def test_front_is_what_nothing_beats(cloud: list[Candidate], x: Better, y: Better) -> None:
    front = pareto(cloud, x, y)
    assert front is not None
    expected = {place.key for place in cloud if not beaten(place, cloud, x, y)}
    assert {key for key, standing in front.standings.items() if standing == "front"} == expected
    assert set(front.line) == expected
    across = [next(place.x.value for place in cloud if place.key == key) for key in front.line]
    assert across == sorted(across)


@given(clouds, st.floats(0, 1e3), st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS))
def test_possible_points_are_those_no_interval_surely_beats(
    cloud: list[Candidate], spread: float, x: Better, y: Better
) -> None:
    wide = [spot(place.key, place.x.value, place.y.value, spread) for place in cloud]
    front = pareto(wide, x, y)
    assert front is not None

    def ends(reading: Reading, better: Better) -> tuple[float, float]:
        return (reading.low, reading.high) if better == "lower" else (-reading.high, -reading.low)

    for place in wide:
        (x_best, _), (y_best, _) = ends(place.x, x), ends(place.y, y)
        surely = False
        for other in wide:
            x_worst, y_worst = ends(other.x, x)[1], ends(other.y, y)[1]
            if other is not place and x_worst <= x_best and y_worst <= y_best:
                surely |= x_worst < x_best or y_worst < y_best
        standing = front.standings[place.key]
        assert (standing == "dominated") == (surely and standing != "front")


def test_equal_values_share_the_front() -> None:
    front = pareto([spot("a", 1, 2), spot("b", 1, 2), spot("c", 2, 2)], "lower", "lower")
    assert front is not None
    assert front.standings == {"a": "front", "b": "front", "c": "dominated"}


def test_an_interval_that_reaches_the_front_is_possible() -> None:
    clear, near = Candidate("clear", at(1, 0.9, 1.1), at(1)), Candidate("near", at(1.1, 1.0, 1.2), at(1))
    far = Candidate("far", at(1.5, 1.4, 1.6), at(1.0))
    front = pareto([clear, near, far], "lower", "lower")
    assert front is not None
    assert front.standings == {"clear": "front", "near": "possible", "far": "dominated"}


def test_a_quantity_without_a_direction_has_no_front() -> None:
    assert pareto([spot("a", 1, 2)], "neither", "lower") is None


def test_knee_is_the_deepest_point() -> None:
    cloud = [spot("fast", 1, 10), spot("knee", 2, 3), spot("middle", 5, 2), spot("small", 10, 1)]
    front = pareto(cloud, "lower", "lower")
    assert front is not None
    assert front.knee == "knee"


@pytest.mark.parametrize(
    "cloud",
    [
        [],
        [spot("a", 1, 1)],
        [spot("a", 1, 2), spot("b", 2, 1)],
        [spot("a", 1, 3), spot("b", 2, 2), spot("c", 3, 1)],
        [spot("a", 1, 2), spot("b", 1, 2), spot("c", 2, 1)],
    ],
    ids=["none", "one", "two", "straight", "two places, one twice"],
)
def test_no_knee_without_a_bulge(cloud: list[Candidate]) -> None:
    front = pareto(cloud, "lower", "lower")
    assert front is not None
    assert front.knee is None
