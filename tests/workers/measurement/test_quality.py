"""What scores of items say: against scipy where it knows the answer, against simulated truth where nobody does."""

import math

import numpy as np
import pytest
from scipy import stats

from workers.catalog import metrics
from workers.catalog.evaluation import Scale, Scores, Scoring
from workers.measurement import quality
from workers.measurement.statistics import Array

SCALES: dict[Scale, metrics.Metric] = {
    "log": metrics.QUALITY_PERPLEXITY,
    "share": metrics.QUALITY_TOP1,
    "agreement": metrics.QUALITY_AGREEMENT,
    "divergence": metrics.QUALITY_KL,
    "deviation": metrics.QUALITY_LOSS_DEVIATION,
}


def scoring(scale: Scale, margin: float = 0.01) -> Scoring:
    return Scoring(SCALES[scale], scale, margin, "for a test")


def compared(scale: Scale, scores: Scores, margin: float = 0.01) -> quality.Comparison:
    found = quality.compare(scoring(scale, margin), scores, seed=0)
    assert found is not None
    return found


def text(generator: np.random.Generator, windows: int, rise: float) -> Scores:
    """Surprises of a text's tokens under two arms: hard windows are hard for both, and one arm is worse by ``rise``."""
    each = 32
    hard = np.repeat(generator.normal(2.0, 0.5, windows), each) + generator.gamma(1.0, 1.0, windows * each)
    apart = np.repeat(generator.normal(rise, 0.02, windows), each) + generator.normal(0.0, 0.1, windows * each)
    return Scores(hard + apart, hard, np.repeat(np.arange(windows), each))


def right(generator: np.random.Generator, items: int, lost: float, won: float, share: float = 0.9) -> Scores:
    """Right answers of two arms that differ on few items."""
    old = generator.random(items) < share
    new = np.where(old, generator.random(items) >= lost, generator.random(items) < won)
    return Scores(new.astype(np.float64), old.astype(np.float64))


def test_mcnemar_is_the_binomial_test_of_the_items_that_differ() -> None:
    for only_old, only_new, both in ((0, 0, 5), (1, 0, 9), (3, 11, 200), (40, 22, 0), (700, 650, 10)):
        old = np.array([1.0] * only_old + [0.0] * only_new + [1.0] * both)
        new = np.array([0.0] * only_old + [1.0] * only_new + [1.0] * both)
        n = only_old + only_new
        expected = stats.binomtest(only_old, n).pvalue if n else 1.0
        assert quality.mcnemar(old, new) == pytest.approx(expected)


def test_wilsons_interval_is_scipys() -> None:
    for hits, n in ((0, 20), (7, 20), (256, 256), (250, 256)):
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert quality.wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_few_clusters_of_one_size_are_a_t_test_of_their_means() -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(0.3, 1.0, (6, 10))
    found = quality.mean(values.ravel(), np.repeat(np.arange(6), 10), seed=0)
    expected = stats.ttest_1samp(values.mean(1), 0.0)
    interval = expected.confidence_interval()
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_bootstrap_of_a_mean_agrees_with_scipys_and_repeats_itself() -> None:
    values = np.random.default_rng(5).exponential(1.0, 400)
    found = quality.mean(values, None, seed=0)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.02)
    assert found == quality.mean(values, None, seed=0)


@pytest.mark.parametrize(("windows", "least"), [(6, 0.93), (24, 0.93), (64, 0.935)])
def test_the_interval_of_a_perplexity_ratio_covers_the_truth(windows: int, least: float) -> None:
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(500):
        found = compared("log", text(generator, windows, rise=0.03)).ratio
        hits += found.low <= math.exp(0.03) <= found.high
    assert least <= hits / 500 <= 0.975


def test_items_that_share_a_window_do_not_count_as_many() -> None:
    scores = text(np.random.default_rng(3), 64, rise=0.0)
    apart = Scores(scores.variant, scores.baseline)
    clustered, free = compared("log", scores).ratio, compared("log", apart).ratio
    assert clustered.high - clustered.low > 1.3 * (free.high - free.low)
    assert clustered.effective_n < 0.6 * clustered.n
    assert free.effective_n == free.n == 64 * 32


@pytest.mark.parametrize(("lost", "won"), [(0.0, 0.0), (0.02, 0.02), (0.05, 0.3), (0.1, 0.05)])
def test_the_interval_of_an_accuracy_ratio_covers_the_truth(lost: float, won: float) -> None:
    generator = np.random.default_rng(11)
    truth = (0.9 * (1 - lost) + 0.1 * won) / 0.9
    hits = 0
    for _ in range(400):
        found = compared("share", right(generator, 300, lost, won)).ratio
        hits += found.low <= truth <= found.high
    assert hits / 400 >= 0.93


def test_at_most_one_null_test_in_twenty_sees_a_difference() -> None:
    generator = np.random.default_rng(13)
    words = ("same", "undecided")
    texts = [compared("log", text(generator, 40, rise=0.0), margin=0.001) for _ in range(400)]
    shares = [compared("share", right(generator, 400, 0.02, 0.18), margin=0.001) for _ in range(400)]
    for found in (texts, shares):
        assert sum(each.verdict not in words for each in found) / 400 <= 0.065
        assert sum((each.ratio.p_value or 0.0) < 0.05 for each in found) / 400 <= 0.065


def test_a_true_rise_is_found_and_called_worse() -> None:
    generator = np.random.default_rng(17)
    found = [compared("log", text(generator, 64, rise=0.03)) for _ in range(100)]
    assert sum(each.verdict == "worse" for each in found) >= 99
    assert sum(each.verdict == "same" for each in found) == 0
    assert max(each.ratio.p_value or 0.0 for each in found) < 0.01


def test_pairing_makes_intervals_at_least_three_times_tighter() -> None:
    generator = np.random.default_rng(19)
    for _ in range(20):
        width = quality.widths(scoring("log"), text(generator, 64, rise=0.03), seed=0)
        assert width.tighter >= 3
        assert width.paired.value == pytest.approx(width.unpaired.value)
    apart = quality.widths(scoring("share"), right(generator, 500, 0.01, 0.02), seed=0)
    assert apart.tighter >= 3


def test_pairing_does_not_help_where_arms_have_nothing_in_common() -> None:
    generator = np.random.default_rng(23)
    scores = Scores(generator.exponential(1.0, 2_000), generator.exponential(1.0, 2_000))
    assert quality.widths(scoring("log"), scores, seed=0).tighter == pytest.approx(1.0, abs=0.1)


def test_no_disagreement_seen_is_not_taken_for_none_possible() -> None:
    old = np.ones(60)
    few = compared("share", Scores(old, old))
    assert few.ratio.value == 1.0
    assert few.ratio.low < 0.97
    assert few.verdict == "undecided"
    assert few.ratio.p_value == 1.0
    assert compared("share", Scores(np.ones(1_000), np.ones(1_000))).verdict == "same"


def test_a_baseline_that_is_never_right_has_no_ratio() -> None:
    assert quality.compare(scoring("share"), Scores(np.ones(50), np.zeros(50)), seed=0) is None


def test_accuracy_is_judged_by_points() -> None:
    generator = np.random.default_rng(29)
    assert compared("share", right(generator, 2_000, 0.08, 0.0)).verdict == "worse"
    assert compared("share", right(generator, 2_000, 0.0, 0.6)).verdict == "better"
    # A tenth more right answers of very few is not a point.
    rare = right(generator, 20_000, 0.0, 0.001, share=0.01)
    found = compared("share", rare)
    assert found.ratio.value > 1.05
    assert found.verdict == "same"


@pytest.mark.parametrize(
    ("scale", "items", "expected"),
    [
        ("agreement", [1.0] * 400, "same"),
        ("agreement", [1.0] * 200, "undecided"),
        ("agreement", [1.0] * 90 + [0.0] * 10, "worse"),
        ("divergence", [0.001, 0.002] * 50, "same"),
        ("divergence", [0.1, 0.2] * 50, "worse"),
        ("divergence", [0.0, 0.021] * 15, "undecided"),
        ("deviation", [0.001, 0.003] * 50, "same"),
        ("deviation", [0.05, 0.06] * 50, "worse"),
    ],
)
def test_a_distance_from_the_baseline_is_never_better(scale: Scale, items: list[float], expected: str) -> None:
    found = compared(scale, Scores(np.array(items)))
    assert found.verdict == expected
    assert found.ratio.p_value is None


def test_a_divergence_is_the_rise_in_perplexity_of_the_baselines_own_words() -> None:
    found = compared("divergence", Scores(np.full(50, 0.02)))
    assert (found.ratio.low, found.ratio.value, found.ratio.high) == pytest.approx((math.exp(0.02),) * 3)


def test_an_arms_own_value_has_its_own_interval() -> None:
    surprise = np.random.default_rng(31).gamma(2.0, 1.0, 900)
    found = quality.value("log", surprise, None, seed=0)
    assert found.value == pytest.approx(math.exp(float(surprise.mean())))
    reach = 1.96 * float(surprise.std(ddof=1)) / 30
    assert math.log(found.high / found.low) == pytest.approx(2 * reach, rel=0.1)
    clustered = quality.value("share", np.repeat(np.array([1.0, 0.0] * 20), 10), np.repeat(np.arange(40), 10), seed=0)
    assert clustered.n == 400
    assert clustered.effective_n == pytest.approx(39, rel=0.05)


def test_identical_outputs_leave_nothing_uncertain() -> None:
    scores = text(np.random.default_rng(1), 20, rise=0.0)
    same = Scores(scores.variant, scores.variant, scores.clusters)
    found = quality.compare(scoring("log"), same, seed=0, identical=True)
    assert found is not None
    assert (found.ratio.low, found.ratio.value, found.ratio.high, found.verdict) == (1.0, 1.0, 1.0, "same")


def test_one_cluster_alone_decides_nothing() -> None:
    found = compared("log", Scores(np.full(30, 1.1), np.full(30, 1.0), np.zeros(30, dtype=np.int64)))
    assert found.verdict == "undecided"
    assert math.isfinite(found.ratio.low)
    assert math.isfinite(found.ratio.high)


@pytest.mark.parametrize(
    ("scale", "scores", "agrees"),
    [
        ("log", Scores(np.full(9, 1.0 + 1e-4), np.full(9, 1.0)), True),
        ("log", Scores(np.full(9, 1.01), np.full(9, 1.0)), False),
        ("share", Scores(np.array([1.0] * 99 + [0.0]), np.ones(100)), False),
        ("share", Scores(np.array([1.0] * 999 + [0.0]), np.ones(1_000)), True),
        ("agreement", Scores(np.array([1.0] * 99 + [0.0])), False),
        ("divergence", Scores(np.full(9, 1e-4)), True),
        ("divergence", Scores(np.full(9, 0.02)), False),
        ("deviation", Scores(np.full(9, 0.02)), False),
    ],
)
def test_a_baseline_at_odds_with_itself_is_seen(scale: Scale, scores: Scores, agrees: bool) -> None:
    assert (quality.disagreement(scoring(scale), scores) is None) == agrees


def test_scores_without_a_baseline_have_no_width_to_compare() -> None:
    values: Array = np.ones(50)
    with pytest.raises(ValueError, match="no ratio of two arms"):
        quality.widths(scoring("agreement"), Scores(values), seed=0)
    with pytest.raises(ValueError, match="no baseline of their own"):
        quality.compare(scoring("divergence"), Scores(values, values), seed=0)
