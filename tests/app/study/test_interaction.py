"""One effect over others: its interval, whom it covers, and what it says of a stack."""

import math

import numpy as np
import pytest

from app.study.interaction import Quotient, Says, quotient
from workers.catalog.metrics import Better


def effect(ratio: float, down: float, up: float | None = None) -> Quotient:
    """A ratio whose interval reaches so far down and up on the logarithmic scale."""
    return Quotient(ratio, ratio / math.exp(down), ratio * math.exp(down if up is None else up))


def test_distances_to_the_limits_add_as_squares() -> None:
    found = quotient(effect(0.5, 0.3), effect(0.8, 0.4))
    assert found == pytest.approx(
        (0.625, 0.625 / math.exp(0.5), 0.625 * math.exp(0.5))
    )  # The hypotenuse of 0.3 and 0.4.
    found = quotient(effect(0.3, 0.2), effect(0.5, 0.1), effect(0.8, 0.2))
    assert found == pytest.approx((0.75, 0.75 / math.exp(0.3), 0.75 * math.exp(0.3)))


def test_each_side_is_added_by_itself_and_what_is_below_the_line_turns_round() -> None:
    lopsided, exact = effect(1.0, 1.0, 0.0), effect(1.0, 0.0)
    assert quotient(lopsided, exact) == pytest.approx((1.0, 1 / math.e, 1.0))
    assert quotient(exact, lopsided) == pytest.approx((1.0, 1.0, math.e))
    assert quotient(exact, lopsided, lopsided) == pytest.approx((1.0, 1.0, math.exp(math.sqrt(2))))


def test_what_is_exact_stays_exact() -> None:
    assert quotient(effect(0.3, 0.0), effect(0.7, 0.0), effect(0.9, 0.0)).margin == 0.005
    assert quotient(effect(0.5, 0.0), effect(0.25, 0.0)) == (2.0, 2.0, 2.0)


def test_nineteen_of_twenty_intervals_hold_what_is_true() -> None:
    """Three effects measured again and again, with errors of their own: the interval of one over the others keeps its level."""
    dice, true, errors, rounds = np.random.default_rng(3), (0.4, 0.5, 0.9), (0.01, 0.03, 0.02), 4_000
    holds = 0
    for _ in range(rounds):
        measured = [
            effect(ratio * math.exp(dice.normal(0, error)), 1.96 * error)
            for ratio, error in zip(true, errors, strict=True)
        ]
        found = quotient(*measured)
        holds += found.low <= 0.4 / (0.5 * 0.9) <= found.high
    assert holds / rounds == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "better", "says"),
    [
        (0.7, 0.8, "lower", "adds"),
        (1.2, 1.3, "lower", "cancels"),
        (1.2, 1.3, "higher", "adds"),
        (0.7, 0.8, "higher", "cancels"),
        (0.9, 1.1, "lower", "undecided"),
        (0.99, 1.015, "lower", "independent"),
        (1.005, 1.015, "lower", "independent"),
        (1.015, 1.025, "lower", "cancels"),
        (1.004, 1.004, "lower", "independent"),
        (1.006, 1.006, "lower", "cancels"),
        (0.994, 0.994, "lower", "adds"),
    ],
)
def test_a_stack_over_its_parts_says(low: float, high: float, better: Better, says: Says) -> None:
    assert Quotient(math.sqrt(low * high), low, high).says(better) == says
