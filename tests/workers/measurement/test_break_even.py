"""Break-even against its formula, and the states in which there is no number."""

import math

import pytest

from workers.measurement import break_even
from workers.measurement.break_even import Uncertain

SURE = 1e-6


def about(value: float, error: float = SURE) -> Uncertain:
    return Uncertain(math.log(value), error)


def test_extra_cost_over_time_saved() -> None:
    found = break_even.find(about(1.0), about(11.0), about(0.1), about(0.5), seed=0)
    assert found.state == "paid_back"
    assert found.calls is not None
    assert found.calls.value == pytest.approx(10.0 / 0.05, rel=1e-3)
    assert found.calls.low <= found.calls.value <= found.calls.high


def test_the_interval_holds_what_the_inputs_leave_open() -> None:
    sure = break_even.find(about(1.0), about(11.0), about(0.1), about(0.5), seed=0).calls
    vague = break_even.find(about(1.0), about(11.0, 0.2), about(0.1, 0.05), about(0.5, 0.05), seed=0).calls
    assert sure is not None
    assert vague is not None
    assert vague.low < 150 < sure.low <= sure.high < 300 < vague.high


def test_a_slower_variant_never_pays_back() -> None:
    for variant_cold in (11.0, 0.5):
        found = break_even.find(about(1.0), about(variant_cold), about(0.1), about(1.3), seed=0)
        assert found == break_even.BreakEven("never")


def test_a_faster_variant_that_costs_less_is_ahead_at_once() -> None:
    found = break_even.find(about(2.0), about(1.0), about(0.1), about(0.5), seed=0)
    assert found.state == "at_once"
    assert found.calls is not None
    assert (found.calls.low, found.calls.value, found.calls.high) == (0.0, 0.0, 0.0)


def test_a_ratio_that_may_be_one_is_unsure_and_has_no_number() -> None:
    found = break_even.find(about(1.0), about(11.0), about(0.1), about(0.99, 0.02), seed=0)
    assert found == break_even.BreakEven("unsure")
    assert set(break_even.WORDS) == {"never", "unsure"}


def test_equal_inputs_give_equal_answers() -> None:
    inputs = (about(1.0, 0.3), about(11.0, 0.3), about(0.1, 0.02), about(0.5, 0.02))
    assert break_even.find(*inputs, seed=3) == break_even.find(*inputs, seed=3)
