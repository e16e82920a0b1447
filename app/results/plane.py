"""The plane of two figures over all results, and the front on it, of these two or of a third besides; or lines along more axes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.frozen import Frozen
from app.results import fronts
from app.results.columns import Floats, Places, Table
from app.results.facets import Axes, Budget, budgets, failures, mixed, placed
from app.results.figures import FIGURES, Figure, Part
from app.results.matching import Matched, column, having
from app.results.selection import RATIO, Selection

MOST_POINTS = 5_000
"""Of a chart; the front is always among them, then what may be on it."""
DIGITS = 4
"""Significant digits of a number in a chart's columns: finer than a pixel."""
FIGURE_NAMES: tuple[str, ...] = tuple(
    name
    for figure in FIGURES
    for name in ((figure.word,) if figure.relative else (figure.word, f"{figure.word}{RATIO}"))
)
"""Names of all columns there are."""
FRONT, POSSIBLE, DOMINATED = range(3)
LETTERS = np.array(["f", "p", "d"])


class Points(Frozen):
    """The results that lie in the plane of two figures or along the axes of several, a column for each figure; numbers rounded to
    what can be seen."""

    total: int
    """How many can be drawn; of more than ``MOST_POINTS`` a part is given, with the whole front."""
    selected: int
    """How many results the filters leave, placed or not."""
    failures: dict[str, int]
    """How many ended without figures, by outcome; limits are not asked, because there is nothing to hold against them."""
    runs: list[str]
    names: list[str]
    """Of the variants."""
    families: list[str]
    columns: dict[str, list[float | None]]
    """By word, or word and ``_ratio``; those of the objectives with ``.low``, ``.high`` and ``.pairs`` besides, scores of quality with
    ``.items`` in the place of ``.pairs``."""
    objectives: list[str]
    """Of these columns, the ones that the front is of: x, y, and z where it was asked for; none along axes."""
    standings: list[str]
    """f front, p possibly on it, d dominated; empty where there is no front."""
    possible: int
    """How many may be on the front besides, within the intervals; all of them, given or not."""
    front: list[int]
    """Places of the front's points, from small x to large. Of three objectives they are no line in the plane."""
    knee: int | None
    """Of a front of two objectives."""
    mixed: dict[str, int]
    """What differs among the results although their figures need it to be the same, and in how many values: on either scale the
    stack of the baseline and how quality was scored, as measured the place and the work besides. There is no front then, unless
    it is the baseline alone."""
    against: str | None
    """The stack of the baseline that the front is over, where the results have several: that of most; None where they have one."""
    over: int
    """How many results the front was sought among."""
    budgets: tuple[Budget, ...]


def points(matched: Matched, also: Sequence[str] = (), most: int | None = None, axes: Axes = None) -> Points:
    """The results in the plane of two figures, with the front and how the limits bear on them; or those along some axes.

    Args:
        matched: what a reader picked among all rows; objectives and scale are part of it.
        also: names of more columns, figures or their ratios.
        most: how many points are given besides the front; None gives ``MOST_POINTS``.
        axes: figures that the results are drawn along instead: whatever x, y and z are, those that have at least two of them.
            There is no front then.
    """
    table, selection = matched.table, matched.selection
    objectives = selection.objectives if axes is None else ()
    places = placed(matched, axes)
    differing = mixed(matched, places, axes)
    directed = axes is None and all(figure.better != "neither" for figure in selection.objectives)
    alike: Places = np.arange(len(places))
    against: str | None = None
    if differing.keys() == {"against"}:
        codes, words = table.words["against"]
        most_common = int(np.bincount(codes[places]).argmax())
        alike, against = np.flatnonzero(codes[places] == most_common), words[most_common]
    elif differing:
        directed = False
    standing = np.full(len(places), DOMINATED, np.int8)
    line: Places = np.zeros(0, np.int64)
    knee: int | None = None
    if directed and len(places):
        costs, low, high = _costs(table, selection, places)
        honest = alike[~having(table, "ran", {"fell_back"})[places[alike]]]
        standing[honest[~fronts.surely_beaten(low[honest], high[honest])]] = POSSIBLE
        standing[honest[fronts.front(costs[honest])]] = FRONT
        line = np.flatnonzero(standing == FRONT)
        line = line[np.lexsort((places[line], costs[line, 1], costs[line, 0]))]
        knee = fronts.knee(costs[line, 0], costs[line, 1]) if costs.shape[1] == 2 else None
        if selection.figure("x").better == "higher":
            line = line[::-1]
            knee = None if knee is None else len(line) - 1 - knee
    kept = _thinned(standing, table.numbers[places], most or MOST_POINTS)
    given = places[kept]
    front = np.searchsorted(kept, line)
    families, words = table.words["family"]
    return Points(
        total=len(places),
        selected=int(np.count_nonzero(matched.rows)),
        failures=failures(matched),
        runs=[table.rows[place].run_id for place in given.tolist()],
        names=[table.rows[place].variant for place in given.tolist()],
        families=[words[code] for code in families[given].tolist()],
        columns=_columns(
            table, selection, objectives, given, [*(_name(selection, axis) for axis in axes or ()), *also]
        ),
        objectives=[_name(selection, figure) for figure in objectives],
        standings=LETTERS[standing[kept]].tolist() if directed else [],
        possible=int(np.count_nonzero(standing == POSSIBLE)),
        front=front.tolist(),
        knee=None if knee is None else int(front[knee]),
        mixed=differing,
        against=against if directed else None,
        over=len(alike) if directed else 0,
        budgets=budgets(matched),
    )


def _name(selection: Selection, figure: Figure) -> str:
    """The column of a figure on the scale that was picked."""
    return figure.word + (RATIO if selection.part(figure) == "ratio" else "")


def _ends(table: Table, selection: Selection, figure: Figure, places: Places) -> tuple[Floats, Floats, Floats]:
    """What is shown of an objective, and the ends of its interval."""
    if selection.part(figure) == "ratio":
        value, low, high = (table.column(figure.word, part) for part in ("ratio", "ratio_low", "ratio_high"))
    else:
        value, low, high = (table.column(figure.word, part) for part in ("value", "low", "high"))
    return value[places], low[places], high[places]


def _costs(table: Table, selection: Selection, places: Places) -> tuple[Floats, Floats, Floats]:
    """Values, and the better and worse ends of their intervals, turned so that less is better: ``[rows, objectives]`` each."""
    values, lows, highs = [], [], []
    for figure in selection.objectives:
        own, low, high = _ends(table, selection, figure, places)
        if figure.better == "higher":
            own, low, high = -own, -high, -low
        values.append(own)
        lows.append(np.where(np.isnan(low), own, low))
        highs.append(np.where(np.isnan(high), own, high))
    return np.column_stack(values), np.column_stack(lows), np.column_stack(highs)


def _thinned(standing: NDArray[np.int8], numbers: Places, most: int) -> Places:
    """Places of the points that are given: the front, then what may be on it, then a part of the rest that stays the same."""
    if len(standing) <= most:
        return np.arange(len(standing))
    # A fixed scramble of the number, so that neither age nor a redraw decides which of the others are seen.
    scramble = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    room = max(most, int(np.count_nonzero(standing == FRONT)))
    # What stands better comes first, whatever the scramble.
    order = scramble | standing.astype(np.uint64) << np.uint64(32)
    return np.sort(np.argpartition(order, room - 1)[:room])


def _columns(
    table: Table, selection: Selection, objectives: Sequence[Figure], given: Places, also: Sequence[str]
) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for figure in objectives:
        name = _name(selection, figure)
        own, low, high = _ends(table, selection, figure, given)
        found |= {name: _rounded(own), f"{name}.low": _rounded(low), f"{name}.high": _rounded(high)}
        n: Part = "items" if figure.scored else "pairs"
        found[f"{name}.{n}"] = _listed(table.column(figure.word, n)[given])
    for name in also:
        found.setdefault(name, _rounded(column(table, name)[given]))
    return found


def _rounded(values: Floats) -> list[float | None]:
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        return _listed(np.where(np.isfinite(scale), np.round(values * scale) / scale, values))


def _listed(values: Floats) -> list[float | None]:
    found: list[float | None] = values.tolist()
    for place in np.flatnonzero(np.isnan(values)).tolist():
        found[place] = None
    return found
