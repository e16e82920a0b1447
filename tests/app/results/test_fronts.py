"""Fronts over many rows, against the definition written out."""

import numpy as np
import pytest

from app.results import fronts
from app.study.pareto import Candidate, Reading, pareto


@pytest.mark.parametrize("objectives", [2, 3])
def test_front_is_what_nothing_beats(objectives: int) -> None:
    dice = np.random.default_rng(4)
    for _ in range(60):
        costs = dice.integers(0, 7, size=(int(dice.integers(1, 60)), objectives)).astype(float)
        wanted = [not any((other <= row).all() and (other < row).any() for other in costs) for row in costs]
        assert fronts.front(costs).tolist() == wanted


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
