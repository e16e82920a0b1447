"""Holm's correction agrees with worked figures and keeps the share of false verdicts where it promises."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.catalog.multiplicity import LEVEL, Claim, corrected, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_a_worked_example() -> None:
    # Wikipedia, Holm-Bonferroni method, example: of these four only the first and the last are rejected at 5 %.
    # By hand: 4 x .005, 3 x .01, 2 x .03, and 1 x .04 is lifted to its predecessor.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_steps_never_go_back() -> None:
    # 5 x .01, 4 x .02, 3 x .03; 2 x .04 and 1 x .05 would be lower than what stands before them.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx((0.05, 0.08, 0.09, 0.09, 0.09))


@given(P_VALUES)
def test_agrees_with_the_definition(p_values: list[float]) -> None:
    """A comparison is rejected at a level when it and every smaller one pass their own step."""
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for place, index in enumerate(order):
        steps = [(len(p_values) - rank) * p_values[other] for rank, other in enumerate(order[: place + 1])]
        assert adjusted[index] == pytest.approx(min(1.0, max(steps)))


@given(P_VALUES)
def test_never_below_the_single_value_nor_above_bonferroni(p_values: list[float]) -> None:
    for alone, together in zip(p_values, holm(p_values), strict=True):
        assert min(alone, 1.0) <= together <= min(1.0, alone * len(p_values)) + 1e-12


def test_a_chance_verdict_becomes_undecided() -> None:
    claims = {name: Claim("latency", "prefill", "same", 0.6) for name in range(19)}
    found = corrected({**claims, 99: Claim("latency", "prefill", "faster", 0.03)})
    assert found[99].verdict == "undecided"
    assert found[99].p_value == pytest.approx(0.6)
    assert found[99].comparisons == 20
    assert {found[name].verdict for name in range(19)} == {"same"}


def test_a_clear_verdict_stands() -> None:
    claims = {name: Claim("latency", "prefill", "undecided", 0.5) for name in range(19)}
    assert corrected({**claims, 99: Claim("latency", "prefill", "slower", 1e-5)})[99].verdict == "slower"


def test_metrics_and_phases_are_families_of_their_own() -> None:
    found = corrected(
        {
            "a": Claim("latency", "prefill", "faster", 0.04),
            "b": Claim("latency", "decode", "faster", 0.04),
            "c": Claim("throughput.tokens", "prefill", "faster", 0.04),
        }
    )
    assert [(one.verdict, one.comparisons) for one in found.values()] == [("faster", 1)] * 3


def test_counters_are_left_alone() -> None:
    claims = {name: Claim("memory.weights", "load", "smaller", None) for name in range(5)}
    assert {(one.verdict, one.p_value) for one in corrected(claims).values()} == {("smaller", None)}


def test_false_verdicts_of_a_study_stay_under_the_level() -> None:
    dice = random.Random(3)
    studies = 4_000
    wrong = alone = 0
    for _ in range(studies):
        p_values = [dice.random() for _ in range(20)]
        claims = {i: Claim("latency", "step", "faster" if p < LEVEL else "same", p) for i, p in enumerate(p_values)}
        alone += any(claim.verdict == "faster" for claim in claims.values())
        wrong += any(one.verdict == "faster" for one in corrected(claims).values())
    # Four standard errors of a share of 5 % over 4,000 studies are 1.4 points.
    assert wrong / studies < LEVEL + 0.014
    assert alone / studies > 0.5
