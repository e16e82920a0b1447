"""Decisions about repeating, on recorded and made-up series; no clock takes part."""

import math

import pytest

from workers.catalog.spec import Effort
from workers.measurement import protocol
from workers.measurement.protocol import PLANS, Block, Ending
from workers.measurement.statistics import Estimate

TIMER_S = 60e-9

RECORDED_WARM_UP = [
    0.0947, 0.0413, 0.0388, 0.0391, 0.0322, 0.0301, 0.0297, 0.0299, 0.0294, 0.0301, 0.0296, 0.0298, 0.0295, 0.0297, 0.0299,
]  # fmt: skip
"""Seconds of the first steps of a small decoder on two cores."""


def test_a_block_of_middling_steps_lasts_thirty_milliseconds_and_drops_its_first() -> None:
    assert protocol.block(0.005, TIMER_S) == Block(samples=7, inner=1, discard=1)


def test_a_slow_step_stands_alone() -> None:
    assert protocol.block(2.0, TIMER_S) == Block(samples=1, inner=1, discard=0)


def test_at_least_three_steps_count_where_steps_are_not_slow() -> None:
    block = protocol.block(0.2, TIMER_S)
    assert block.samples - block.discard == protocol.MIN_STEPS


@pytest.mark.parametrize("step_s", [1e-6, 1e-5, 1e-4, 1e-3])
def test_reading_the_clock_takes_at_most_a_thousandth_of_a_sample(step_s: float) -> None:
    block = protocol.block(step_s, TIMER_S)
    assert 0.001 * step_s * block.inner * (1 + 1e-9) >= TIMER_S
    assert block.samples <= protocol.MAX_SAMPLES + 1


def test_a_recorded_warm_up_settles_after_its_slow_start() -> None:
    settled = [protocol.settled(RECORDED_WARM_UP[:n]) for n in range(len(RECORDED_WARM_UP) + 1)]
    assert not any(settled[:8])
    assert settled[-1]


def test_a_series_that_still_falls_has_not_settled() -> None:
    assert not protocol.settled([1.0 * 0.9**n for n in range(30)])


def test_noise_without_drift_counts_as_settled() -> None:
    assert protocol.settled([1.0, 1.4, 0.8, 1.3, 0.9, 1.2, 1.0, 1.4, 0.8, 1.2, 0.9, 1.3])


def test_a_warm_up_ends_at_its_cap_but_not_before_three_steps() -> None:
    assert not protocol.warm_enough([9.0, 8.0], 3.0)
    assert protocol.warm_enough([9.0, 8.0, 8.0], 3.0)
    assert not protocol.warm_enough([0.1, 0.1, 0.1], 3.0)


def test_a_step_that_compiles_does_not_use_up_the_warm_up() -> None:
    assert not protocol.warm_enough([10.0, 0.01, 0.01], 3.0)


def test_the_order_of_turns_is_seeded_and_favours_neither() -> None:
    orders = [protocol.order(5, 0, turn) for turn in range(400)]
    assert orders == [protocol.order(5, 0, turn) for turn in range(400)]
    assert orders != [protocol.order(6, 0, turn) for turn in range(400)]
    assert 150 < sum(order[0] == "baseline" for order in orders) < 250


def test_a_precise_pair_ends_at_ten_turns_and_not_before() -> None:
    turns = [0.001 * (-1) ** n for n in range(10)]
    assert protocol.ending(turns[:9], 1.0, PLANS["quick"]) is None
    ending = protocol.ending(turns, 1.0, PLANS["quick"])
    assert ending is not None
    assert ending.unmet is None


def test_a_noisy_pair_goes_on_to_its_budget_and_says_what_it_missed() -> None:
    turns = [0.2 * (-1) ** n for n in range(14)]
    assert protocol.ending(turns, 5.0, PLANS["quick"]) is None
    ending = protocol.ending(turns, 10.1, PLANS["quick"])
    assert ending is not None
    assert ending.unmet is not None
    assert "goal ±2.0%" in ending.unmet


def test_steps_too_slow_for_ten_turns_end_over_time_with_at_least_five() -> None:
    assert protocol.ending([0.0] * 4, 1_000.0, PLANS["quick"]) is None
    assert protocol.ending([0.0] * 5, 20.0, PLANS["quick"]) is None
    ending = protocol.ending([0.0] * 5, 61.0, PLANS["quick"])
    assert ending is not None
    assert ending.unmet is not None
    assert "5 turns" in ending.unmet


def test_which_arm_is_ahead_does_not_decide_when_to_stop() -> None:
    turns = [0.01 * n for n in range(-6, 6)]
    for shift in (-1.0, 0.0, 1.0):
        assert protocol.ending([turn + shift for turn in turns], 3.0, PLANS["quick"]) == protocol.ending(
            turns, 3.0, PLANS["quick"]
        )


def test_more_effort_is_more_pairs() -> None:
    assert [PLANS[effort].pairs for effort in ("quick", "standard", "thorough")] == [1, 3, 8]


def ratio(half_width: float, n: int, value: float = 1.0) -> Estimate:
    return Estimate(value, value * math.exp(-half_width), value * math.exp(half_width), n, float(n))


def test_pairs_go_on_until_their_ratio_is_precise_or_the_budget_is_spent() -> None:
    plan = PLANS["standard"]
    assert protocol.enough(ratio(0.001, 2), 1.0, plan) is None
    assert protocol.enough(ratio(0.019, 3), 30.0, plan) == Ending(None)
    assert protocol.enough(ratio(0.03, 3), 30.0, plan) is None
    # A fifth pair of fifteen seconds would still end in time, one of sixteen would not.
    assert protocol.enough(ratio(0.03, 4), 60.0, plan) is None
    for n, spent in ((8, 10.0), (4, 64.0), (3, 3_600.0)):
        ending = protocol.enough(ratio(0.03, n), spent, plan)
        assert ending is not None
        assert ending.unmet == f"the ratio's interval is ±3.0% over {n} pairs of fresh processes, goal ±2%"


def test_which_arm_is_ahead_has_no_say_in_when_to_stop() -> None:
    plan = PLANS["standard"]
    for half_width in (0.019, 0.021):
        endings = {protocol.enough(ratio(half_width, 4, value), 30.0, plan) for value in (0.5, 0.97, 1.0, 1.03, 2.0)}
        assert len(endings) == 1


@pytest.mark.parametrize("effort", ["quick", "standard", "thorough"])
def test_the_fraction_done_rises_and_stays_below_one(effort: Effort) -> None:
    plan = PLANS[effort]
    shares = [protocol.fraction(tenths / 10, plan) for tenths in range(10 * plan.most_pairs)]
    assert shares == sorted(set(shares))
    assert 0 <= shares[0] <= shares[-1] < 1


BUSY = ("others kept 40% of the processors busy",)


def test_a_quiet_pair_counts_and_says_nothing() -> None:
    assert protocol.contaminated(0.1, False, (), (), 5.0, "quick") is None


def test_a_disturbed_pair_is_measured_again_and_says_why() -> None:
    found = protocol.contaminated(0.4, False, BUSY, (), 15.0, "quick")
    assert found is not None
    assert found.again
    assert BUSY[0] in found.note
    assert "do not count" in found.note


def test_a_disturbed_gpu_is_enough() -> None:
    found = protocol.contaminated(0.0, True, ("others were on the GPU: process 7 with 5 MiB",), (), 15.0, "standard")
    assert found is not None
    assert found.again


def test_a_disturbance_that_stays_is_not_outwaited() -> None:
    found = protocol.contaminated(0.38, False, BUSY, (0.4,), 15.0, "thorough")
    assert found is not None
    assert not found.again
    assert "no quieter" in found.note
    passing = protocol.contaminated(0.28, False, BUSY, (0.9,), 15.0, "thorough")
    assert passing is not None
    assert passing.again


def test_no_more_time_or_pairs_are_lost_than_the_effort_allows() -> None:
    late = protocol.contaminated(0.4, False, BUSY, (), 31.0, "quick")
    assert late is not None
    assert not late.again
    assert "no time" in late.note
    many = protocol.contaminated(0.3, False, BUSY, (0.9, 0.8, 0.7), 15.0, "thorough")
    assert many is not None
    assert not many.again


def test_a_run_cannot_become_empty() -> None:
    """However disturbed, some pair is kept after finitely many."""
    aside: list[float] = []
    while (found := protocol.contaminated(1.0 / (len(aside) + 1), True, BUSY, aside, 0.0, "thorough")) and found.again:
        aside.append(1.0 / (len(aside) + 1))
        assert len(aside) <= protocol.MOST_ASIDE
