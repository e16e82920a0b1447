"""Pareto fronts over many rows at once, with numpy; ``app/study/pareto.py`` says what a front is and does it for a few."""

import bisect

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

ROUNDS = 16
"""Rivals by which rows are thinned out before the rest is looked at more closely."""
SAMPLE = 1_024
"""Rows among which such rivals are looked for."""
WORTH = 32
"""A rival that beats less than one row in this many is not worth another one of its kind."""
GRID = 1_024
"""Rivals that are held against all rows at once; the table for them has the square of this."""


def front(costs: Floats) -> Mask:
    """Which rows no other row beats: as good everywhere and better somewhere. Equal rows share the front.

    Args:
        costs: ``[rows, 2 or 3]``, less is better, no gaps.
    """
    sides = _sides(costs)
    found = np.zeros(len(costs), np.bool_)
    kept = _thinned(sides, sides)
    order = kept[np.lexsort(sides[::-1, kept])]
    # By rising first cost, what was seen is a staircase in the two others: second costs rise, third ones fall.
    seconds: list[float] = []
    thirds: list[float] = []
    last: list[float] | None = None
    for place, spot in zip(order.tolist(), sides[:, order].T.tolist(), strict=True):
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
    """Which rows another row beats by its whole interval: its worse ends are as good as the row's better ends, and one is better.

    Args:
        low: ``[rows, 2 or 3]``, the better ends of the intervals, less is better.
        high: ``[rows, 2 or 3]``, the worse ends.
    """
    kept = _thinned(_sides(low), _sides(high))
    # What any rival beats so, one on the front of the worse ends beats too.
    rivals = _sides(high[front(high)])
    for first in range(0, rivals.shape[1], GRID):
        kept = kept[~_beaten_by(_sides(low[kept]), rivals[:, first : first + GRID])]
    beaten = np.ones(len(low), np.bool_)
    beaten[kept] = False
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


def _sides(costs: Floats) -> Floats:
    """``[3, rows]``: each objective in one piece; a third one that is missing is the same for all."""
    sides = np.zeros((3, len(costs)))
    sides[: costs.shape[1]] = costs.T
    return sides


def _thinned(rows: Floats, rivals: Floats) -> Places:
    """Places of the rows that a few good rivals do not beat: usually a small part, found with whole arrays."""
    kept = np.arange(rows.shape[1])
    # The best of a part are quickly found; what they leave has better ones of its own.
    for _ in range(2):
        sample = rivals[:, kept[:: 1 + len(kept) // SAMPLE]]
        for best in np.argsort(_ranks(sample), kind="stable")[:ROUNDS].tolist():
            before = len(kept)
            kept = kept[~_beats(sample[:, best], rows[:, kept])]
            if before - len(kept) < before // WORTH:
                break
    return kept


def _beats(rival: Floats, rows: Floats) -> Mask:
    """Which rows one rival beats."""
    as_good = (rival[0] <= rows[0]) & (rival[1] <= rows[1]) & (rival[2] <= rows[2])
    better = (rival[0] < rows[0]) | (rival[1] < rows[1]) | (rival[2] < rows[2])
    beaten: Mask = as_good & better
    return beaten


def _beaten_by(rows: Floats, rivals: Floats) -> Mask:
    """Which rows any of some rivals beats, by the least third cost of the rivals up to each first and second one."""
    count = rivals.shape[1]
    least = np.full((count + 1, count + 1), np.inf)
    least[_order(rivals[0]) + 1, _order(rivals[1]) + 1] = rivals[2]
    np.minimum.accumulate(least, axis=0, out=least)
    np.minimum.accumulate(least, axis=1, out=least)
    ends = (np.sort(rivals[0]), np.sort(rivals[1]))
    below = [np.searchsorted(ends[side], rows[side], "left") for side in (0, 1)]
    up_to = [np.searchsorted(ends[side], rows[side], "right") for side in (0, 1)]
    beaten: Mask = least[up_to[0], up_to[1]] < rows[2]
    beaten |= least[below[0], up_to[1]] <= rows[2]
    beaten |= least[up_to[0], below[1]] <= rows[2]
    return beaten


def _ranks(sides: Floats) -> Places:
    """The sum of each row's places in the objectives, so that none outweighs the others by its unit."""
    ranks: Places = sum((_order(side) for side in sides if side.any()), np.zeros(sides.shape[1], np.int64))
    return ranks


def _order(values: Floats) -> Places:
    """The place of each value when they are sorted; equal ones keep their order."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
