"""Pooling: one run stays as it is, runs that agree narrow the interval, runs that do not widen it; verdicts by the known rule."""

import numpy as np
import pytest

from app.knowledge.pooling import COUNTED_MARGIN, SAME_MARGIN, pool, verdict
from workers.catalog.metrics import LATENCY, MEMORY_WEIGHTS, METRICS, THROUGHPUT_TOKENS
from workers.measurement import statistics


def pooled(*rows: tuple[float, float, float]) -> tuple[float, float, float, int]:
    ratios, lows, highs = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = pool(ratios, lows, highs, np.zeros(len(rows), np.int64), 1)
    return float(found.ratio[0]), float(found.low[0]), float(found.high[0]), int(found.runs[0])


def test_a_single_run_keeps_its_interval() -> None:
    assert pooled((0.5, 0.4, 0.7)) == (0.5, 0.4, 0.7, 1)


def test_runs_that_agree_narrow_the_interval() -> None:
    half = 1.1
    ratio, low, high, runs = pooled(*[(0.5, 0.5 / half, 0.5 * half)] * 4)
    assert ratio == pytest.approx(0.5)
    assert runs == 4
    # Four equal errors: half of one.
    assert low == pytest.approx(0.5 / half**0.5)
    assert high == pytest.approx(0.5 * half**0.5)


def test_runs_that_do_not_agree_widen_it() -> None:
    ratio, low, high, _ = pooled((0.5, 0.49, 0.51), (0.8, 0.79, 0.81))
    assert ratio == pytest.approx((0.5 * 0.8) ** 0.5, rel=0.01)
    assert low < 0.5
    assert high > 0.8


def test_the_random_effects_are_those_of_dersimonian_and_laird() -> None:
    # Worked by hand: log-ratios 0, 0.1, 0.4 with standard errors 0.1: Q = 8.667, τ² = 0.03333, mean 1/6, its error 0.12019.
    errors = [(np.exp(y), np.exp(y - 0.196), np.exp(y + 0.196)) for y in (0.0, 0.1, 0.4)]
    ratio, low, high, _ = pooled(*errors)
    assert np.log(ratio) == pytest.approx(1 / 6)
    assert (np.log(high) - np.log(low)) / 2 == pytest.approx(1.96 * 0.12019, rel=1e-4)


def test_counts_stay_points_and_what_has_no_interval_is_left_out() -> None:
    assert pooled((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (np.nan, np.nan, np.nan)) == (0.5, 0.5, 0.5, 2)
    found = pool(np.array([0.5]), np.array([0.4]), np.array([0.6]), np.array([1]), 2)
    assert found.runs.tolist() == [0, 1]
    assert np.isnan(found.ratio[0])


@pytest.mark.parametrize(
    ("metric", "low", "high", "word"),
    [
        (LATENCY, 0.5, 0.6, "faster"),
        (THROUGHPUT_TOKENS, 0.5, 0.6, "slower"),
        (LATENCY, 0.99, 1.01, "same"),
        (LATENCY, 0.9, 1.1, "undecided"),
        (MEMORY_WEIGHTS, 1.2, 1.2, "larger"),
    ],
)
def test_what_an_interval_says(metric: object, low: float, high: float, word: str) -> None:
    assert verdict(metric, low, high) == word  # type: ignore[arg-type]


def test_the_rule_is_that_of_the_measuring_program() -> None:
    assert (SAME_MARGIN, COUNTED_MARGIN) == (statistics.SAME_MARGIN, statistics.COUNTER_MARGIN)
    for metric in METRICS:
        for low, high in ((0.5, 0.6), (0.99, 1.01), (0.9, 1.1), (1.5, 1.6)):
            if metric.better != "neither" and metric.aspect != "work":
                assert verdict(metric, low, high) == statistics.verdict(metric, low, high, SAME_MARGIN)
