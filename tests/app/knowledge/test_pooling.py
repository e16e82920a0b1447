"""Pooling: one run stays as it is, runs that agree narrow the interval, runs that do not widen it, few of them most of all; verdicts
by the known rule."""

import numpy as np
import pytest
from scipy import stats

from app.knowledge.pooling import Z, pool, verdict
from workers.catalog.metrics import LATENCY, MEMORY_WEIGHTS, THROUGHPUT_TOKENS

LEAST_COVERED = 0.93
"""Of 95 % intervals; what uneven runs and the floor leave, and 8,000 draws tell apart from less."""


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


def test_three_runs_by_hand() -> None:
    # Log-ratios 0, 0.1, 0.4 with standard errors 0.1: Q = 8.667, τ² = 0.03333, mean 1/6, its error 0.12019; the runs differ as
    # much as τ² says, so Hartung and Knapp's factor is 1, and 97.5 % of Student's t with 2 degrees of freedom lie below 4.30265.
    errors = [(np.exp(y), np.exp(y - 0.196), np.exp(y + 0.196)) for y in (0.0, 0.1, 0.4)]
    ratio, low, high, _ = pooled(*errors)
    assert np.log(ratio) == pytest.approx(1 / 6)
    assert (np.log(high) - np.log(low)) / 2 == pytest.approx(4.30265 * 0.12019, rel=1e-4)


def test_a_published_example() -> None:
    # Raudenbush 2009, Analyzing effect sizes: random-effects models, in The Handbook of Research Synthesis and Meta-Analysis, page
    # 309, Table 16.3, with the data of Raudenbush and Bryk 1985: estimator of DerSimonian and Laird, method of Knapp and Hartung.
    effects = (
        *(0.03, 0.12, -0.14, 1.18, 0.26, -0.06, -0.02, -0.32, 0.27, 0.80),
        *(0.54, 0.18, -0.02, 0.23, -0.18, -0.06, 0.30, 0.07, -0.07),
    )
    errors = (
        *(0.125, 0.147, 0.167, 0.373, 0.369, 0.103, 0.103, 0.220, 0.164, 0.251),
        *(0.302, 0.223, 0.289, 0.290, 0.159, 0.167, 0.139, 0.094, 0.174),
    )
    rows = [(np.exp(y), np.exp(y - Z * s), np.exp(y + Z * s)) for y, s in zip(effects, errors, strict=True)]
    ratio, low, high, runs = pooled(*rows)
    assert runs == 19
    assert [np.log(ratio), np.log(low), np.log(high)] == pytest.approx([0.0893, -0.0442, 0.2229], abs=5e-4)


def test_runs_that_agree_by_chance_do_not_make_it_certain() -> None:
    ratio, low, high, _ = pooled((0.9, 0.8, 1.0125), (0.9001, 0.8001, 1.0126))
    plain = Z * (np.log(1.0125 / 0.8) / 2 / Z) / 2**0.5
    assert (np.log(high) - np.log(low)) / 2 == pytest.approx(plain, rel=1e-3)
    assert ratio == pytest.approx(0.90005)


@pytest.mark.parametrize("runs", [2, 3, 5, 12])
@pytest.mark.parametrize("between", [0.0, 0.05, 0.3], ids=["the same", "some", "much"])
@pytest.mark.parametrize("uneven", [False, True], ids=["alike", "uneven"])
def test_the_interval_holds_the_truth_as_often_as_it_says(runs: int, between: float, uneven: bool) -> None:
    count, truth = 8_000, np.log(0.8)
    dice = np.random.default_rng(20_261_121)
    errors = dice.uniform(0.02, 0.12, (count, runs)) if uneven else np.full((count, runs), 0.05)
    logs = truth + dice.normal(0.0, between, (count, runs)) + dice.normal(0.0, errors)
    groups = np.repeat(np.arange(count), runs)
    flat, half = logs.ravel(), Z * errors.ravel()
    found = pool(np.exp(flat), np.exp(flat - half), np.exp(flat + half), groups, count)
    covered = float(np.mean((found.low <= 0.8) & (found.high >= 0.8)))
    assert covered >= LEAST_COVERED, f"{covered:.3f} of the intervals over {runs} runs"


def test_many_runs_need_no_more_than_the_normal_interval() -> None:
    rows = 400
    dice = np.random.default_rng(7)
    logs = dice.normal(0.0, 0.1, rows)
    _, low, high, _ = pooled(*[(np.exp(y), np.exp(y - 0.0196), np.exp(y + 0.0196)) for y in logs])
    expected = float(stats.t.ppf(0.975, rows - 1)) * logs.std(ddof=1) / rows**0.5
    assert (np.log(high) - np.log(low)) / 2 == pytest.approx(expected, rel=0.01)


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


def test_exact_figures_have_the_narrower_margin() -> None:
    assert verdict(LATENCY, 0.99, 1.01) == "same"
    assert verdict(LATENCY, 0.99, 0.99) == "faster"
    assert verdict(LATENCY, 0.999, 0.999) == "same"
    assert verdict(LATENCY, 0.9, 1.1) == "undecided"
