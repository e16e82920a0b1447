"""All results of the team at once: a part of the list in the order asked for, and the plane of two figures with its front."""

import base64
import binascii
import bisect
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from app.errors import Invalid
from app.frozen import Frozen
from app.results import fronts
from app.results.columns import Floats, Places, Table
from app.results.facets import Budget, failing, failures, mixed, weighed
from app.results.figures import FIGURES, Cell, unpacked
from app.results.matching import column, every, having, masks, selected
from app.results.selection import AXES, RATIO, Group, Selection
from workers.catalog.declared import Problem

MOST_POINTS = 5_000
"""Of a chart; the front and what may be on it are always among them."""
DIGITS = 4
"""Significant digits of a number in a chart's columns: finer than a pixel."""


class Explored(Frozen):
    """One result as lists show it."""

    run: str
    url: str
    study: str
    study_url: str
    owner: str
    model: str
    workload: str
    device: str
    hardware: str
    environment: str
    baseline: str
    variant: str
    label: str
    family: str
    techniques: tuple[str, ...]
    effort: str
    outcome: str
    ran: str
    point: dict[str, int]
    batch_size: int | None
    length: int | None
    finished_at: float
    figures: dict[str, Cell]
    """By word, in base units."""


class Page(Frozen):
    """A part of the list of results."""

    items: tuple[Explored, ...]
    next: str | None
    total: int
    groups: dict[str, int] = Field(default_factory=dict)
    """Of the groups that this part shows, how many results each has; empty without groups."""


class Points(Frozen):
    """The results that lie in the plane of two figures, a column each; numbers rounded to what can be seen."""

    total: int
    """How many lie there; of more than ``MOST_POINTS`` a part is given, with the whole front."""
    selected: int
    """How many results the filters leave, placed or not."""
    failures: dict[str, int]
    """How many ended without figures, by outcome; limits are not asked, because there is nothing to hold against them."""
    runs: list[str]
    names: list[str]
    """Of the variants."""
    families: list[str]
    columns: dict[str, list[float | None]]
    """By word, or word and ``_ratio``; those of the axes with ``.low``, ``.high`` and ``.pairs`` besides."""
    standings: list[str]
    """f front, p possibly on it, d dominated; empty where there is no front."""
    possible: int
    """How many may be on the front besides, within the intervals; all of them, given or not."""
    front: list[int]
    """Places of the front's points, from small x to large."""
    knee: int | None
    mixed: dict[str, int]
    """What differs among the results although values as measured need it to be the same, and in how many values."""
    budgets: tuple[Budget, ...]


def page(table: Table, selection: Selection, *, cursor: str | None = None, limit: int = 50) -> Page:
    """A part of the results in the order that was asked for; those without a value come last.

    Raises:
        Invalid: the cursor is not one that an earlier page of this order gave.
    """
    places = np.flatnonzero(selected(table, selection))
    total = len(places)
    down = selection.sort.startswith("-")
    keys = _keys(table, selection.sort.removeprefix("-"), places)
    keys = np.where(np.isnan(keys), np.inf, -keys if down else keys)
    numbers = table.numbers[places]
    grouping = _Grouping(table, selection.group)
    ranks = grouping.ranks[places]
    sizes = np.bincount(ranks, minlength=len(grouping.words))
    if cursor is not None:
        group, after, number = _read_cursor(cursor, selection)
        rank = grouping.rank(group)
        later = (keys > after) | ((keys == after) & (numbers < number))
        later = (ranks > rank) | ((ranks == rank) & later) if grouping.rank_is_shown(rank, group) else ranks >= rank
        places, keys, numbers, ranks = places[later], keys[later], numbers[later], ranks[later]
    order = _first(keys, numbers, limit + 1) if selection.group == "none" else np.lexsort((-numbers, keys, ranks))
    shown = order[:limit]
    following = None
    if len(order) > limit:
        last = shown[-1]
        following = _cursor(selection, grouping.words[ranks[last]], float(keys[last]), int(numbers[last]))
    groups = {grouping.words[rank]: int(sizes[rank]) for rank in dict.fromkeys(ranks[shown].tolist())}
    return Page(
        items=tuple(rows(table, places[shown])),
        next=following,
        total=total,
        groups=groups if selection.group != "none" else {},
    )


def group_of(row: Explored, group: Group) -> str:
    """What a result is grouped by."""
    return {"none": "", "model": row.model, "technique": "+".join(row.techniques), "hardware": row.hardware}[group]


def failed(table: Table, selection: Selection, limit: int) -> list[Explored]:
    """The newest of the results that ended without figures."""
    places = np.flatnonzero(failing(table, selection))
    return rows(table, places[np.argsort(-table.numbers[places])][:limit])


def rows(table: Table, places: Places) -> list[Explored]:
    """Results as lists show them."""
    return [_row(table, place) for place in places.tolist()]


def points(table: Table, selection: Selection, also: Sequence[str] = (), most: int | None = None) -> Points:
    """The results in the plane of two figures, with the front and how the limits bear on them.

    Args:
        table: all rows.
        selection: what a reader picked, axes and scale among it.
        also: names of more columns, figures or their ratios.
        most: how many points are given besides the front; None gives ``MOST_POINTS``.
    """
    by_name = masks(table, selection)
    mask = every(by_name, table.count)
    x, y = selection.figure("x"), selection.figure("y")
    parts = {"x": selection.part(x), "y": selection.part(y)}
    across = table.column(x.word, parts["x"])
    up = table.column(y.word, parts["y"])
    placed = np.flatnonzero(mask & ~np.isnan(across) & ~np.isnan(up))
    differing = mixed(table, placed) if selection.scale == "measured" else {}
    directed = x.better != "neither" and y.better != "neither"
    standing = np.full(len(placed), "d")
    line: Places = np.zeros(0, np.int64)
    knee: int | None = None
    if directed and not differing and len(placed):
        costs, low, high = _costs(table, selection, placed)
        honest = ~having(table, "ran", {"fell_back"})[placed]
        possible = np.zeros(len(placed), np.bool_)
        possible[honest] = ~fronts.surely_beaten(low[honest], high[honest])
        standing[possible] = "p"
        on_front = np.zeros(len(placed), np.bool_)
        on_front[honest] = fronts.front(costs[honest])
        standing[on_front] = "f"
        line = np.flatnonzero(on_front)
        line = line[np.lexsort((placed[line], costs[line, 1], costs[line, 0]))]
        deepest = fronts.knee(costs[line, 0], costs[line, 1])
        if x.better == "higher":
            line = line[::-1]
            deepest = None if deepest is None else len(line) - 1 - deepest
        knee = None if deepest is None else int(line[deepest])
    kept = _thinned(standing, table.numbers[placed], most or MOST_POINTS)
    where = {int(place): index for index, place in enumerate(kept.tolist())}
    given = placed[kept]
    return Points(
        total=len(placed),
        selected=int(np.count_nonzero(mask)),
        failures=failures(table, selection),
        runs=[table.rows[place].run_id for place in given.tolist()],
        names=[table.rows[place].variant for place in given.tolist()],
        families=[table.word("family", place) for place in given.tolist()],
        columns=_columns(table, selection, given, also),
        standings=standing[kept].tolist() if directed and not differing else [],
        possible=int(np.count_nonzero(standing == "p")),
        front=[where[place] for place in line.tolist()],
        knee=None if knee is None else where[knee],
        mixed=differing,
        budgets=weighed(table, selection, by_name),
    )


def _keys(table: Table, order: str, places: Places) -> Floats:
    """What rows are ordered by, as numbers."""
    if order == "finished":
        return table.finished_at[places]
    return column(table, order)[places]


def _first(keys: Floats, numbers: Places, count: int) -> Places:
    """Places of the first rows in order: by key, the newest first among equals."""
    if len(keys) > 4 * count:
        edge = np.partition(keys, count - 1)[count - 1]
        near = np.flatnonzero(keys <= edge)
        return near[np.lexsort((-numbers[near], keys[near]))][:count]
    return np.lexsort((-numbers, keys))[:count]


def _row(table: Table, place: int) -> Explored:
    held = table.rows[place]
    techniques = table.word("techniques", place)
    names = ("owner", "model", "workload", "device", "hardware", "environment", "family", "effort", "outcome", "ran")
    return Explored(
        run=held.run_id,
        url=f"/runs/{held.run_id}",
        study=held.study,
        study_url=f"/studies/{table.word('study_id', place)}",
        baseline=held.baseline,
        variant=held.variant,
        label=held.label,
        techniques=tuple(techniques.split("+")) if techniques else (),
        point=held.point,
        batch_size=_whole(table.batch_size[place]),
        length=_whole(table.length[place]),
        finished_at=float(table.finished_at[place]),
        figures=unpacked(table.figures[place].ravel().tolist(), held.verdicts),
        **{name: table.word(name, place) for name in names},
    )


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _costs(table: Table, selection: Selection, placed: Places) -> tuple[Floats, Floats, Floats]:
    """Values, and the better and worse ends of their intervals, turned so that less is better: ``[rows, 2]`` each."""
    values, lows, highs = [], [], []
    for axis in AXES:
        figure = selection.figure(axis)
        ratio = selection.part(figure) == "ratio"
        own = table.column(figure.word, "ratio" if ratio else "value")[placed]
        low = table.column(figure.word, "ratio_low" if ratio else "low")[placed]
        high = table.column(figure.word, "ratio_high" if ratio else "high")[placed]
        if figure.better == "higher":
            own, low, high = -own, -high, -low
        values.append(own)
        lows.append(np.where(np.isnan(low), own, low))
        highs.append(np.where(np.isnan(high), own, high))
    return np.column_stack(values), np.column_stack(lows), np.column_stack(highs)


def _thinned(standing: Any, numbers: Places, most: int) -> Places:
    """Places of the points that are given: the front, then what may be on it, then a part of the rest that stays the same."""
    if len(standing) <= most:
        return np.arange(len(standing))
    rank = np.select([standing == "f", standing == "p"], [0, 1], 2)
    # A fixed scramble of the number, so that neither age nor a redraw decides which of the others are seen.
    scramble = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    room = max(most, int(np.count_nonzero(rank == 0)))
    return np.sort(np.lexsort((scramble, rank))[:room])


def _columns(table: Table, selection: Selection, given: Places, also: Sequence[str]) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for axis in AXES:
        figure = selection.figure(axis)
        ratio = selection.part(figure) == "ratio"
        name = figure.word + (RATIO if ratio else "")
        found[name] = _rounded(table.column(figure.word, "ratio" if ratio else "value")[given])
        found[f"{name}.low"] = _rounded(table.column(figure.word, "ratio_low" if ratio else "low")[given])
        found[f"{name}.high"] = _rounded(table.column(figure.word, "ratio_high" if ratio else "high")[given])
        found[f"{name}.pairs"] = _rounded(table.column(figure.word, "pairs")[given])
    for name in also:
        found.setdefault(name, _rounded(column(table, name)[given]))
    return found


def _rounded(values: Floats) -> list[float | None]:
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
    rounded = np.where(np.isfinite(scale), np.round(values * scale) / scale, values)
    return [None if np.isnan(value) else value for value in rounded.tolist()]


class _Grouping:
    """The groups of all rows, numbered in the order in which they are shown."""

    def __init__(self, table: Table, group: Group) -> None:
        if group == "none":
            self.words, self.ranks = [""], np.zeros(table.count, np.int64)
            return
        codes, words = table.words["techniques" if group == "technique" else group]
        self.words = sorted(words)
        places = {word: place for place, word in enumerate(self.words)}
        self.ranks = np.asarray([places[word] for word in words], np.int64)[codes]

    def rank(self, word: str) -> int:
        """Number of a group, or of the first one after it."""
        return bisect.bisect_left(self.words, word)

    def rank_is_shown(self, rank: int, word: str) -> bool:
        """Whether a group's number is its own."""
        return rank < len(self.words) and self.words[rank] == word


def _cursor(selection: Selection, group: str, key: float, number: int) -> str:
    held = json.dumps([selection.sort, selection.group, group, repr(key), number]).encode()
    return base64.urlsafe_b64encode(held).decode().rstrip("=")


def _read_cursor(cursor: str, selection: Selection) -> tuple[str, float, int]:
    try:
        held = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        order, kind, group, key, number = held
        if (order, kind) == (selection.sort, selection.group) and isinstance(number, int):
            return str(group), float(key), number
    except (binascii.Error, ValueError, TypeError):
        order = None
    problem = Problem(
        "cursor", "unknown_cursor", "is not a cursor of this list.", "Take `next` of a page in the same order."
    )
    raise Invalid("The cursor is not one of this list.", problems=[problem])


FIGURE_NAMES: tuple[str, ...] = tuple(
    name
    for figure in FIGURES
    for name in ((figure.word,) if figure.relative else (figure.word, f"{figure.word}{RATIO}"))
)
"""Names of all columns there are."""
