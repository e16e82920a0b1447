"""What scores of items say: an arm's value, the variant over the baseline item by item, and the verdict. Pure functions.

Two arms that answer the same items are alike in what makes an item hard, so the difference of an item's scores varies far
less than the scores do. Items that share a text or a start are resampled together, as one cluster (Miller 2024, "Adding error
bars to evals", https://arxiv.org/abs/2411.00640).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.catalog import student
from workers.catalog.evaluation import Scale, Scores, Scoring
from workers.catalog.report import Verdict
from workers.catalog.verdict import verdict as verdict_of
from workers.measurement import statistics
from workers.measurement.statistics import Array, Estimate

RESAMPLES = 4_000
FEWEST_FOR_BOOTSTRAP = 20
"""Clusters below which resampling says too little about the tails; Student's t takes its place."""
NOISE = 0.25
"""Share of the margin by which the baseline may differ from itself: more could carry a verdict across the margin."""
CHUNK = 2_000_000
"""Numbers drawn at a time."""

Ids = NDArray[np.int64]


class Comparison(NamedTuple):
    """Variant over baseline for one metric."""

    ratio: Estimate
    verdict: Verdict
    method: str


class Width(NamedTuple):
    """The same ratio with the items of both arms paired, and as if each arm had drawn items of its own."""

    paired: Estimate
    unpaired: Estimate

    @property
    def tighter(self) -> float:
        """How many times narrower the paired interval is."""
        narrow = self.paired.high - self.paired.low
        return (self.unpaired.high - self.unpaired.low) / narrow if narrow else math.inf


class _Clusters(NamedTuple):
    """Sums over the items of each cluster."""

    sums: Array
    """[C]."""
    sizes: Array
    """[C], items."""

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def error(self) -> float:
        """Standard error of the mean over items, robust to what items of a cluster share: a ratio estimator's
        (Cochran 1977, Sampling Techniques, 6.4)."""
        count = len(self.sums)
        if count < 2:
            return math.inf
        rest = self.sums - self.mean * self.sizes
        return float(math.sqrt(count / (count - 1) * (rest @ rest)) / self.sizes.sum())


def value(scale: Scale, scores: Array, clusters: Ids | None, seed: int) -> Estimate:
    """What one arm scores, on its own.

    Args:
        scale: What the scores are.
        scores: [N], one of each item.
        clusters: [N], or None when every item stands for itself.
        seed: Of the resampling.
    """
    if scale in ("share", "agreement"):
        return _share(scores, clusters)
    found = mean(scores, clusters, seed)
    if scale == "log":
        return _exponential(found)
    return found._replace(low=max(0.0, found.low))


def exact(found: Estimate) -> Estimate:
    """The same without uncertainty."""
    return found._replace(low=found.value, high=found.value)


def compare(scoring: Scoring, scores: Scores, seed: int, *, identical: bool = False) -> Comparison | None:
    """The variant over the baseline, paired by item; None where the baseline scores nothing to divide by.

    Args:
        scoring: What is compared, and within what margin it is the same.
        scores: Of both arms.
        seed: Of the resampling.
        identical: Whether both arms' outputs are the same bit for bit, which leaves nothing to be uncertain about.
    """
    if scores.baseline is None:
        found: Comparison | None = _against_itself(scoring, scores, seed)
    elif scoring.scale == "log":
        found = _log_ratio(scoring, scores, seed)
    elif scoring.scale == "share":
        found = _share_ratio(scoring, scores, seed)
    else:
        raise ValueError(f"{scoring.metric.name}: scores of scale {scoring.scale} have no baseline of their own")
    if found is None or not identical:
        return found
    return Comparison(exact(found.ratio)._replace(p_value=None), "same", f"outputs identical over {_count(scores)}")


def widths(scoring: Scoring, scores: Scores, seed: int) -> Width:
    """The interval of the ratio with items paired, beside the one that throws the pairing away.

    The latter is what a comparison of two tables of results has: the standard errors of both arms, added in squares.
    """
    comparison = compare(scoring, scores, seed)
    if comparison is None or scores.baseline is None:
        raise ValueError(f"{scoring.metric.name} has no ratio of two arms")
    old, new = (value(scoring.scale, each, scores.clusters, seed) for each in (scores.baseline, scores.variant))
    ratio = new.value / old.value
    reach = math.hypot(
        *(math.log(each.high / each.low) / 2 if each.low > 0 else statistics.FARTHEST for each in (old, new))
    )
    apart = Estimate(ratio, ratio * math.exp(-reach), ratio * math.exp(reach), new.n, new.effective_n)
    return Width(comparison.ratio, apart)


def disagreement(scoring: Scoring, scores: Scores) -> str | None:
    """Why a second pass of the baseline, given as the variant, is too far from the first; None when it agrees."""
    off = _distance(scoring.scale, scores)
    most = NOISE * scoring.margin
    if off <= most:
        return None
    return f"the baseline's two passes differ in {scoring.metric.name} by {off:.2%}, and {most:.2%} is the most allowed"


def mean(scores: Array, clusters: Ids | None, seed: int) -> Estimate:
    """Mean over items with a 95 % interval: bootstrap over clusters, or Student's t where they are few."""
    grouped = _grouped(scores, clusters)
    if len(grouped.sums) < FEWEST_FOR_BOOTSTRAP:
        centre, error, freedom = grouped.mean, grouped.error, len(grouped.sums) - 1
        reach = student.quantile(freedom) * error if freedom else statistics.FARTHEST
        low, high = centre - reach, centre + reach
    else:
        low, high = _quantiles(_resampled([grouped], seed)[0], len(grouped.sums))
    centre = grouped.mean
    return Estimate(
        centre, min(low, centre), max(high, centre), len(scores), _effective(scores, grouped), _chance(grouped)
    )


def mcnemar(baseline: Array, variant: Array) -> float:
    """Exact two-sided McNemar test: the items on which only one arm is right, against a fair coin (McNemar 1947)."""
    only_old = int(np.count_nonzero((baseline > 0.5) & (variant < 0.5)))
    only_new = int(np.count_nonzero((baseline < 0.5) & (variant > 0.5)))
    n = only_old + only_new
    tail: int = sum(math.comb(n, k) for k in range(min(only_old, only_new) + 1))
    # Whole numbers of any size divide exactly; their quotient is rounded once.
    chance: float = 2 * tail / 2**n
    return min(1.0, chance)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in ``n`` independent items; ``n`` need not be whole."""
    z = statistics.Z
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    middle = share + z * z / (2 * n)
    scale = 1 + z * z / n
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def _log_ratio(scoring: Scoring, scores: Scores, seed: int) -> Comparison:
    assert scores.baseline is not None
    difference = mean(scores.variant - scores.baseline, scores.clusters, seed)
    ratio = _exponential(difference)
    verdict = verdict_of(scoring.metric, ratio.low, ratio.high, scoring.margin)
    return Comparison(ratio, verdict, _method(scores, "paired"))


def _share_ratio(scoring: Scoring, scores: Scores, seed: int) -> Comparison | None:
    """Ratio of two shares of the same items, judged by the points between them.

    One disagreement each way is added to what was seen (Bonett and Price 2012, the adjusted Wald interval for paired
    proportions): where arms were right on the same items, that none can differ does not follow.
    """
    old, new, clusters = scores.baseline, scores.variant, scores.clusters
    assert old is not None
    if not old.any():
        return None
    first = len(old) if clusters is None else int(clusters.max()) + 1
    ids = np.append(np.arange(len(old)) if clusters is None else clusters, [first, first + 1])
    grouped = [_grouped(np.append(each, extra), ids) for each, extra in ((old, [1.0, 0.0]), (new, [0.0, 1.0]))]
    apart = _grouped(np.append(new - old, [-1.0, 1.0]), ids)
    count = len(apart.sums)
    old_mean, new_mean = float(old.mean()), float(new.mean())
    if count < FEWEST_FOR_BOOTSTRAP:
        reach = student.quantile(count - 1) * apart.error
        points = (new_mean - old_mean - reach, new_mean - old_mean + reach)
        low, high = (max(0.0, (old_mean + each) / old_mean) for each in points)
    else:
        draws = _resampled(grouped, seed)
        points = _quantiles(draws[1] - draws[0], count)
        floor = math.exp(-statistics.FARTHEST)
        low, high = _quantiles(draws[1] / np.maximum(draws[0], floor), count)
    chance = mcnemar(old, new) if clusters is None else _chance(_grouped(new - old, clusters))
    centre = new_mean / old_mean
    most = math.exp(statistics.FARTHEST)
    ratio = Estimate(
        centre, min(low, centre), min(max(high, centre), most), len(old), _effective(new - old, apart), chance
    )
    verdict = _by_points(scoring, min(points[0], new_mean - old_mean), max(points[1], new_mean - old_mean))
    test = "exact McNemar test" if clusters is None else "clustered t test"
    return Comparison(ratio, verdict, f"{_method(scores, 'paired')}, {test}")


def _by_points(scoring: Scoring, low: float, high: float) -> Verdict:
    """Verdict on a difference of shares, in the metric's own words."""
    if -scoring.margin <= low and high <= scoring.margin:
        return "same"
    if low <= 0 <= high:
        return "undecided"
    return "better" if (low > 0) == (scoring.metric.better == "higher") else "worse"


def _against_itself(scoring: Scoring, scores: Scores, seed: int) -> Comparison:
    """Scores that are a distance from the baseline: it cannot be exceeded, so nothing is "better"."""
    found = value(scoring.scale, scores.variant, scores.clusters, seed)._replace(p_value=None)
    if scoring.scale == "agreement":
        near, far, ratio = 1 - found.high, 1 - found.low, found
    elif scoring.scale == "divergence":
        ratio = _exponential(found)
        near, far = ratio.low - 1, ratio.high - 1
    else:
        near, far = found.low, found.high
        ratio = found._replace(value=1 + found.value, low=1 + near, high=1 + far)
    verdict: Verdict = "same" if far <= scoring.margin else "worse" if near > scoring.margin else "undecided"
    method = "Wilson interval" if scoring.scale == "agreement" else _method(scores, "")
    return Comparison(ratio, verdict, method if scoring.scale != "agreement" else f"{method} over {_count(scores)}")


def _share(scores: Array, clusters: Ids | None) -> Estimate:
    """Share of hits with Wilson's interval, for as many independent items as the clusters leave."""
    share = float(scores.mean())
    independent = _effective(scores, _grouped(scores, clusters))
    return Estimate(share, *wilson(share, independent), len(scores), independent)


def _distance(scale: Scale, scores: Scores) -> float:
    """How far the variant lies from the baseline, in what the margin is measured in."""
    new = float(scores.variant.mean())
    if scores.baseline is None:
        return 1 - new if scale == "agreement" else math.expm1(abs(new)) if scale == "divergence" else abs(new)
    off = new - float(scores.baseline.mean())
    return abs(math.expm1(off)) if scale == "log" else abs(off)


def _grouped(scores: Array, clusters: Ids | None) -> _Clusters:
    if clusters is None:
        return _Clusters(np.asarray(scores, dtype=np.float64), np.ones(len(scores)))
    _, index = np.unique(clusters, return_inverse=True)
    return _Clusters(np.bincount(index, weights=scores).astype(np.float64), np.bincount(index).astype(np.float64))


def _resampled(groups: Sequence[_Clusters], seed: int) -> list[Array]:
    """Of each group means over items of ``RESAMPLES`` draws of clusters with replacement, the same clusters in all groups.

    Clusters that are alike in every group are drawn as one kind, so many times as they fall; right and wrong answers of two
    arms make four kinds, however many there are.
    """
    columns = np.column_stack([column for group in groups for column in group])
    kinds, counts = np.unique(columns, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    totals = np.empty((RESAMPLES, columns.shape[1]))
    rows = max(1, CHUNK // len(kinds))
    for start in range(0, RESAMPLES, rows):
        drawn = generator.multinomial(len(columns), counts / len(columns), min(rows, RESAMPLES - start))
        totals[start : start + len(drawn)] = drawn @ kinds
    return [totals[:, 2 * index] / totals[:, 2 * index + 1] for index in range(len(groups))]


def _quantiles(draws: Array, clusters: int) -> tuple[float, float]:
    """Percentile interval, expanded for a small number of clusters (Hesterberg 2015, The American Statistician 69:4, 5.1)."""
    normal = NormalDist()
    tail = normal.cdf(-math.sqrt(clusters / (clusters - 1)) * student.quantile(clusters - 1))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _chance(grouped: _Clusters) -> float | None:
    """Two-sided probability of a mean as far from zero if zero were the truth, by a t test over clusters."""
    if len(grouped.sums) < 2:
        return None
    error = grouped.error
    if not error:
        return float(grouped.mean == 0)
    return student.two_sided(grouped.mean / error, len(grouped.sums) - 1)


def _effective(scores: Array, grouped: _Clusters) -> float:
    """Independent items that would give the mean the error its clusters give it; never more than there are items."""
    items, alone = len(scores), float(np.var(scores))
    if len(grouped.sums) == items or alone == 0:
        return float(min(items, len(grouped.sums)))
    return float(min(items, max(1.0, alone / grouped.error**2)))


def _exponential(found: Estimate) -> Estimate:
    reach = statistics.FARTHEST
    low, centre, high = (math.exp(min(max(each, -reach), reach)) for each in (found.low, found.value, found.high))
    return found._replace(value=centre, low=low, high=high)


def _method(scores: Scores, paired: str) -> str:
    few = len(_grouped(scores.variant, scores.clusters).sums) < FEWEST_FOR_BOOTSTRAP
    return " ".join(word for word in (paired, "t interval" if few else "bootstrap", "over", _count(scores)) if word)


def _count(scores: Scores) -> str:
    items = f"{len(scores.variant):,} items"
    if scores.clusters is None:
        return items
    return f"{items} in {len(np.unique(scores.clusters)):,} clusters"
