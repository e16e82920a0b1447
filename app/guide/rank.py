"""Which stacks are worth showing, and in which order: ε-dominance, then distance to the ideal, then confidence and simplicity.

ε-dominance: Laumanns et al. 2002, Combining convergence and diversity in evolutionary multiobjective optimization. Distance:
augmented Chebyshev (Steuer and Choo 1983, An interactive weighted Tchebycheff procedure).
"""

from collections.abc import Callable, Sequence
from math import log

from app.guide.options import Option
from app.guide.situation import EFFORTS, Situation, Weights
from app.study.pareto import Candidate, Reading, pareto

EPSILON = 0.02
"""Share below which two stacks are alike in memory or time; measured noise where that is larger."""
LOSS_EPSILON = 0.002
"""The same for relative loss of quality, which is given to three digits at best."""
FAR = 1.0
"""Distance behind the pick from which on an option is not worth showing: as far as a factor of two in time."""
LEAST_TOLERANCE = 0.005
"""Relative loss that quality is told in where less is allowed: half a point in a hundred."""
AUGMENTED = 0.05
"""What the sum of all distances counts beside the largest one, so that of equally far ones the better in the rest wins."""


def front(options: Sequence[Option], noise: float = 0.0) -> list[Option]:
    """Options that no other is as good as in everything, but for ε; of alike ones the surer and simpler.

    Args:
        options: to choose from.
        noise: relative half-width of the noise of what was measured here.
    """
    epsilon = max(EPSILON, noise)
    kept: list[Option] = []
    for one in sorted(options, key=_simple):
        if any(_covers(other, one, epsilon) for other in kept):
            continue
        kept = [other for other in kept if not _covers(one, other, epsilon)]
        kept.append(one)
    return kept


def ranked(options: Sequence[Option], situation: Situation, weights: Weights | None = None) -> list[Option]:
    """Options in order of their distance to the best there is in each goal.

    Goals have scales of their own, so that a bad option changes nothing for the others: a factor of two in time, all memory that
    is free, all loss that is allowed, the whole range of efforts.

    Args:
        options: a front.
        situation: what is asked.
        weights: how much each goal counts; None for the situation's.
    """
    if not options:
        return []
    counts = weights or situation.weights
    goals: list[tuple[float, Callable[[Option], float]]] = [
        (counts.time, lambda one: log(one.ratio.value) / log(2)),
        (counts.memory, lambda one: one.memory.value / situation.free),
        (counts.quality, lambda one: one.loss.value / max(situation.tolerance, LEAST_TOLERANCE)),
        (counts.effort, lambda one: one.effort_place / (len(EFFORTS) - 1)),
    ]
    ideal = [min(map(goal, options)) for _, goal in goals]

    def distance(one: Option) -> float:
        parts = [weight * (goal(one) - best) for (weight, goal), best in zip(goals, ideal, strict=True)]
        return max(parts) + AUGMENTED * sum(parts)

    ordered = sorted(
        options, key=lambda one: (round(distance(one), 3), "ABCD".index(one.grade), len(one.words), one.words)
    )
    return [one for one in ordered if distance(one) <= distance(ordered[0]) + FAR]


def knee(options: Sequence[Option]) -> tuple[str, ...] | None:
    """Words of the option at the knee of memory against time; None with fewer than three places.

    Args:
        options: a front.
    """
    places = [
        Candidate("+".join(one.words), _reading(one.memory.value), _reading(one.ratio.value)) for one in options
    ]  # fmt: skip
    found = pareto(places, "lower", "lower") if places else None
    return tuple(found.knee.split("+")) if found and found.knee else None


def _reading(value: float) -> Reading:
    return Reading(value=value, low=value, high=value, n=1)


def _simple(one: Option) -> tuple[int, int, int, tuple[str, ...]]:
    return one.effort_place, "ABCD".index(one.grade), len(one.words), one.words


def _covers(one: Option, other: Option, epsilon: float) -> bool:
    """Whether an option is as good as another in everything, but for ε."""
    return (
        one.ratio.value <= other.ratio.value * (1 + epsilon)
        and one.memory.value <= other.memory.value * (1 + epsilon)
        and one.loss.value <= other.loss.value + LOSS_EPSILON
        and one.effort_place <= other.effort_place
    )
