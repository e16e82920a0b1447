"""Fronts over many rows, against the definition written out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.results import fronts
from app.results.fronts import Floats
from app.study.pareto import Candidate, Reading, pareto


def clouds(objectives: int) -> st.SearchStrategy[tuple[Floats, Floats]]:
    """Better and worse ends of intervals, on a coarse grid so that ties are frequent, and off it."""
    ends = st.one_of(st.integers(0, 5).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))
    widths = st.one_of(st.just(0.0), st.integers(0, 2).map(float))
    row = st.tuples(*[st.tuples(ends, widths)] * objectives)

    def arrays(rows: list[Any]) -> tuple[Floats, Floats]:
        low = np.array([[end for end, _ in row] for row in rows]).reshape(len(rows), objectives)
        return low, low + np.array([[width for _, width in row] for row in rows]).reshape(low.shape)

    return st.lists(row, max_size=40).map(arrays)


def beaten_by_any(rows: Floats, rivals: Floats) -> list[bool]:
    """The definition written out."""
    return [any((rival <= row).all() and (rival < row).any() for rival in rivals) for row in rows]


@pytest.mark.parametrize("objectives", [2, 3])
@given(data=st.data())
def test_front_is_what_nothing_beats(objectives: int, data: st.DataObject) -> None:
    costs, _ = data.draw(clouds(objectives))
    assert (~fronts.front(costs)).tolist() == beaten_by_any(costs, costs)


@pytest.mark.parametrize("objectives", [2, 3])
@given(data=st.data(), grid=st.sampled_from([1, 3, 1024]))
def test_what_is_surely_beaten_is_beaten_by_a_whole_interval(objectives: int, data: st.DataObject, grid: int) -> None:
    low, high = data.draw(clouds(objectives))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fronts, "GRID", grid)
        patch.setattr(fronts, "ROUNDS", 2)
        assert fronts.surely_beaten(low, high).tolist() == beaten_by_any(low, high)


@pytest.mark.parametrize("objectives", [2, 3])
def test_thinning_leaves_the_front_of_many_rows_as_it_is(objectives: int) -> None:
    dice = np.random.default_rng(4)
    low = dice.normal(size=(6_000, objectives)).round(1)
    high = low + dice.choice([0.0, 0.3], size=low.shape)
    front, beaten = fronts.front(low), fronts.surely_beaten(low, high)
    for some in np.array_split(np.arange(len(low)), 12):
        # Held against every row, some at a time.
        for ends, wanted in ((low, ~front[some]), (high, beaten[some])):
            as_good = np.all(ends[None] <= low[some, None], axis=2)
            better = np.any(ends[None] < low[some, None], axis=2)
            assert np.array_equal(np.any(as_good & better, axis=1), wanted)
    assert 0 < np.count_nonzero(front) < np.count_nonzero(~beaten) < len(low)


def test_agrees_with_the_front_of_a_study() -> None:
    dice = np.random.default_rng(5)
    for _ in range(40):
        values = dice.integers(1, 9, size=(25, 2)).astype(float)
        widths = dice.choice([0.0, 0.5, 2.0], size=(25, 2))
        low, high = values - widths, values + widths
        places = [
            Candidate(
                str(place),
                Reading(value=values[place, 0], low=low[place, 0], high=high[place, 0], n=3),
                Reading(value=values[place, 1], low=low[place, 1], high=high[place, 1], n=3),
            )
            for place in range(len(values))
        ]
        found = pareto(places, "lower", "lower")
        assert found is not None
        front = fronts.front(values)
        beaten = fronts.surely_beaten(low, high)
        words = ["front" if f else "dominated" if b else "possible" for f, b in zip(front, beaten, strict=True)]
        assert words == [found.standings[str(place)] for place in range(len(values))]
        line = np.array([int(key) for key in found.line])
        deepest = fronts.knee(values[line, 0], values[line, 1])
        assert (None if deepest is None else str(line[deepest])) == found.knee


def test_many_rows_on_the_front_are_found() -> None:
    angle = np.linspace(0.01, np.pi / 2 - 0.01, 4_000)
    costs = -np.column_stack((np.cos(angle), np.sin(angle)))
    assert fronts.front(costs).all()
    assert fronts.front(np.column_stack((costs, angle))).all()
