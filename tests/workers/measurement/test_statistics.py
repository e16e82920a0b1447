"""What samples say: checked against scipy where it knows the answer, and against simulated truth where nobody does."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from workers.catalog import metrics
from workers.catalog.spec import Effort
from workers.catalog.verdict import SAME_MARGIN
from workers.catalog.verdict import verdict as verdict_of
from workers.measurement import protocol, statistics
from workers.measurement.statistics import COLD, PAIRED, Array, Estimate, Spread

WITHIN = 0.007
"""Standard error of a pair's ratio from inside the pair."""


def series(generator: np.random.Generator, n: int, rho: float) -> Array:
    """Lognormal step times of 5 % spread with autocorrelation, 2 % of them spikes of twenty times the length."""
    noise = lfilter([math.sqrt(1 - rho**2)], [1, -rho], generator.standard_normal(n + 200))[200:]
    times: Array = np.exp(0.05 * noise) * np.where(generator.random(n) < 0.02, 20.0, 1.0)
    return times


TRUE_MEDIAN = math.exp(0.05 * float(stats.norm.ppf(0.5 / 0.98)))
"""Of those times: 2 % lie far above, so the median is a bit above the body's."""


@pytest.mark.parametrize(
    ("n", "rho", "least", "most"),
    [
        *((n, rho, 0.93, 0.97) for n in (100, 200, 400) for rho in (0.0, 0.25, 0.5)),
        (400, 0.8, 0.93, 0.98),
        (50, 0.8, 0.89, 0.99),
    ],
)
def test_the_interval_of_a_median_covers_the_truth(n: int, rho: float, least: float, most: float) -> None:
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(2_000):
        found = statistics.median(series(generator, n, rho))
        hits += found.low <= TRUE_MEDIAN <= found.high
    assert least <= hits / 2_000 <= most


def test_independent_samples_count_in_full_and_correlated_ones_do_not() -> None:
    generator = np.random.default_rng(1)
    assert statistics.effective_n(series(generator, 2_000, 0.0)) > 1_800
    # (1 - 0.8) / (1 + 0.8) of 2,000 is 222.
    assert statistics.effective_n(series(generator, 2_000, 0.8)) == pytest.approx(222, rel=0.35)


def test_a_series_without_any_spread_is_exact() -> None:
    found = statistics.median([0.25] * 12)
    assert (found.value, found.low, found.high, found.effective_n) == (0.25, 0.25, 0.25, 12)
    assert found.half_width == 0


def test_few_samples_give_their_whole_range() -> None:
    found = statistics.median([3.0, 1.0, 2.0])
    assert (found.value, found.low, found.high) == (2.0, 1.0, 3.0)


def test_one_process_says_no_more_than_what_is_known_of_processes() -> None:
    found = statistics.over_processes([math.log(0.5)], [0.0], Spread(0.025))
    reach = float(stats.t.ppf(0.975, 3)) * 0.025
    assert found.value == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5 * math.exp(-reach))
    assert found.high == pytest.approx(0.5 * math.exp(reach))


def test_the_p_value_belongs_to_the_interval() -> None:
    generator = np.random.default_rng(19)
    for _ in range(200):
        found = simulated(generator, 3, 0.02, truth=math.log(1.03))
        assert found.p_value is not None
        assert (found.p_value < 0.05) == (not found.low <= 1 <= found.high)


def test_many_processes_speak_for_themselves() -> None:
    logs = np.random.default_rng(3).normal(0.1, 0.05, 16)
    found = statistics.over_processes(list(logs), [0.0] * 16, Spread(1e-9, weight=3))
    pooled = math.sqrt(15 * float(np.var(logs, ddof=1)) / 18)
    reach = float(stats.t.ppf(0.975, 18)) * pooled / 4
    assert math.log(found.high) - math.log(found.value) == pytest.approx(reach)


@pytest.mark.parametrize("pairs", [1, 3, 8])
@pytest.mark.parametrize(("deviation", "most"), [(0.01, 0.01), (0.02, 0.05), (0.025, 0.05), (0.035, 0.075)])
def test_at_most_one_null_test_in_twenty_sees_a_difference(pairs: int, deviation: float, most: float) -> None:
    generator = np.random.default_rng(11)
    false = 0
    for _ in range(2_000):
        found = simulated(generator, pairs, deviation, truth=0.0)
        false += verdict(found) not in ("same", "undecided")
    assert false / 2_000 <= most


@pytest.mark.parametrize(("deviation", "least"), [(0.005, 0.98), (0.01, 0.95), (0.015, 0.90), (0.02, 0.80)])
def test_a_standard_sitting_finds_a_true_three_per_cent(deviation: float, least: float) -> None:
    generator = np.random.default_rng(13)
    found = [verdict(sitting(generator, "standard", deviation, math.log(1.03))) for _ in range(500)]
    assert found.count("faster") == 0
    assert found.count("slower") / 500 >= least


@pytest.mark.parametrize("effort", ["standard", "thorough"])
@pytest.mark.parametrize(("deviation", "most"), [(0.01, 0.02), (0.02, 0.05), (0.025, 0.06), (0.035, 0.08)])
def test_stopping_on_precision_makes_no_differences(effort: Effort, deviation: float, most: float) -> None:
    generator = np.random.default_rng(11)
    found = [verdict(sitting(generator, effort, deviation, 0.0)) for _ in range(500)]
    assert 1 - (found.count("same") + found.count("undecided")) / 500 <= most


def test_a_true_five_per_cent_is_never_called_the_same() -> None:
    generator = np.random.default_rng(17)
    found = [verdict(simulated(generator, 3, 0.02, truth=math.log(1.05))) for _ in range(1_000)]
    assert found.count("same") + found.count("faster") <= 5


def sitting(generator: np.random.Generator, effort: Effort, deviation: float, truth: float) -> Estimate:
    """What a sitting ends with that has time for all the pairs its effort allows."""
    plan, logs = protocol.PLANS[effort], []
    while True:
        logs.append(generator.normal(truth, math.hypot(deviation, WITHIN)))
        found = statistics.over_processes(logs, [WITHIN] * len(logs), PAIRED)
        if protocol.enough(found, 0.0, plan):
            return found


def simulated(generator: np.random.Generator, pairs: int, deviation: float, truth: float) -> Estimate:
    """The ratio that pairs of processes lying ``deviation`` apart would show."""
    logs = generator.normal(truth, math.hypot(deviation, WITHIN), pairs)
    return statistics.over_processes(list(logs), [WITHIN] * pairs, PAIRED)


def verdict(found: Estimate) -> str:
    return verdict_of(metrics.LATENCY, found.low, found.high, SAME_MARGIN)


@pytest.mark.parametrize(
    ("metric", "low", "high", "expected"),
    [
        (metrics.LATENCY, 0.5, 0.6, "faster"),
        (metrics.LATENCY, 1.1, 1.2, "slower"),
        (metrics.THROUGHPUT_TOKENS, 1.1, 1.2, "faster"),
        (metrics.THROUGHPUT_TOKENS, 0.5, 0.6, "slower"),
        (metrics.MEMORY_WEIGHTS, 0.5, 0.5, "smaller"),
        (metrics.MODEL_SIZE, 2.0, 2.0, "larger"),
        (metrics.LATENCY, 0.985, 1.015, "same"),
        (metrics.LATENCY, 1.005, 1.02, "same"),
        (metrics.LATENCY, 0.96, 1.01, "undecided"),
        (metrics.LATENCY, 0.95, 0.99, "faster"),
        (metrics.QUALITY_AGREEMENT, 0.5, 0.6, "worse"),
        (metrics.QUALITY_KL, 0.5, 0.6, "better"),
        (metrics.COMPUTE_FLOPS, 0.5, 0.6, "undecided"),
    ],
)
def test_a_verdict_speaks_the_metrics_own_words(metric: metrics.Metric, low: float, high: float, expected: str) -> None:
    assert verdict_of(metric, low, high, SAME_MARGIN) == expected


def test_what_is_far_out_stays_a_number() -> None:
    found = statistics.over_processes([0.0], [statistics.FARTHEST], COLD)
    assert math.isfinite(found.low)
    assert math.isfinite(found.high)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_and_medians_are_those_of_numpy(values: list[float], shares: list[float]) -> None:
    assert statistics.quantiles(values, shares) == pytest.approx(np.quantile(values, shares).tolist(), abs=1e-6)
    assert statistics.middle(values) == pytest.approx(float(np.median(values)), abs=1e-6)
