"""Pareto fronts over many rows at once, with numpy; ``app/pareto.py`` says what a front is and does it for a few."""

import bisect

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

ROUNDS = 16
"""Rows by which the others are thinned out before they are gone through one by one."""


def front(costs: Floats) -> Mask:
    """Which rows no other row beats: as good everywhere and better somewhere. Equal rows share the front.

    Args:
        costs: ``[rows, 2 or 3]``, less is better, no gaps.
    """
    found = np.zeros(len(costs), np.bool_)
    if costs.shape[1] == 2:
        costs = np.column_stack((costs, np.zeros(len(costs))))
    kept = _thinned(costs)
    order = kept[np.lexsort((costs[kept, 2], costs[kept, 1], costs[kept, 0]))]
    # By rising first cost, what was seen is a staircase in the two others: second costs rise, third ones fall.
    seconds: list[float] = []
    thirds: list[float] = []
    last: tuple[float, float, float] | None = None
    for place in order.tolist():
        spot: tuple[float, float, float] = tuple(costs[place].tolist())
        if spot == last:
            found[place] = True
            continue
        step = bisect.bisect_right(seconds, spot[1])
        if step and thirds[step - 1] <= spot[2]:
            continue
        found[place] = True
        last = spot
        begin = bisect.bisect_left(seconds, spot[1])
        end = begin
        while end < len(thirds) and thirds[end] >= spot[2]:
            end += 1
        seconds[begin:end], thirds[begin:end] = [spot[1]], [spot[2]]
    return found


def surely_beaten(low: Floats, high: Floats) -> Mask:
    """Which rows another row beats whose intervals lie wholly on the better side on both of two objectives.

    Args:
        low: ``[rows, 2]``, the better ends of the intervals, less is better.
        high: ``[rows, 2]``, the worse ends.
    """
    order = np.argsort(high[:, 0], kind="stable")
    ends = high[order, 0]
    least = np.minimum.accumulate(high[order, 1]) if len(order) else np.zeros(0)
    strictly = np.searchsorted(ends, low[:, 0], "left")
    touching = np.searchsorted(ends, low[:, 0], "right")
    padded = np.concatenate(([np.inf], least))
    beaten: Mask = (padded[strictly] <= low[:, 1]) | (padded[touching] < low[:, 1])
    return beaten


def knee(x: Floats, y: Floats) -> int | None:
    """Place of the front's point farthest from the line between its ends (Das 1999); None below three places.

    Args:
        x: costs of the front's points, rising.
        y: their other costs.
    """
    if len({*zip(x.tolist(), y.tolist(), strict=True)}) < 3:
        return None
    bulges = 1.0 - (x - x.min()) / np.ptp(x) - (y - y.min()) / np.ptp(y)
    deepest = int(np.argmax(bulges))
    return deepest if bulges[deepest] > 1e-9 else None


def _thinned(costs: Floats) -> Places:
    """Places of the rows that a few good rows do not beat: usually a small part, found with whole arrays."""
    kept = np.arange(len(costs))
    order = np.argsort(_ranks(costs).sum(axis=1), kind="stable")
    for best in order[:ROUNDS].tolist():
        left = costs[kept]
        kept = kept[np.any(left < costs[best], axis=1) | np.all(left == costs[best], axis=1)]
    return kept


def _ranks(costs: Floats) -> Floats:
    """Ranks of each objective, so that none outweighs the others by its unit."""
    return np.argsort(np.argsort(costs, axis=0, kind="stable"), axis=0, kind="stable").astype(np.float64)
