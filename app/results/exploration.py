"""All results of the team as a list: a part of it in the order asked for, or the whole of it."""

import bisect
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from app.db import cursor as cursors
from app.frozen import Frozen
from app.results.columns import Floats, Mask, Places, Table
from app.results.figures import Cell, unpacked
from app.results.matching import Matched, column
from app.results.selection import Group, Selection

PLACE = (cursors.a_text, cursors.a_key, cursors.a_number)
"""Behind what a page goes on: group, what it is ordered by, number."""
CHUNK = 500
"""Rows that are made at a time of a list that is given as a whole."""


class Explored(Frozen):
    """One result as lists show it."""

    run: str
    url: str
    study: str
    study_url: str
    owner: str
    model: str
    workload: str
    evaluation: str
    """How quality was scored; empty where it was not."""
    device: str
    hardware: str
    environment: str
    baseline: str
    """Its name in the study."""
    against: str
    """Its stack in words: results with the same have ratios that may be held against each other."""
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


NAMED = (
    "owner",
    "model",
    "workload",
    "evaluation",
    "device",
    "hardware",
    "environment",
    "against",
    "family",
    "effort",
    "outcome",
    "ran",
)
"""Columns of words that are shown as they are."""


class Page(Frozen):
    """A part of the list of results."""

    items: tuple[Explored, ...]
    next: str | None
    total: int
    groups: dict[str, int] = Field(default_factory=dict)
    """Of the groups that this part shows, how many results each has; empty without groups."""


def page(matched: Matched, *, cursor: str | None = None, limit: int = 50) -> Page:
    """A part of the results in the order that was asked for; those without a value come last.

    Raises:
        Invalid: the cursor is not one that an earlier page of this order gave.
    """
    selection = matched.selection
    listed = _Listed(matched)
    total = len(listed.places)
    sizes = np.bincount(listed.ranks, minlength=len(listed.groups))
    if cursor is not None:
        group, key, number = cursors.read(cursor, _of(selection), PLACE)
        listed.go_on(group, key, number)
    order = listed.first(limit + 1)
    shown = order[:limit]
    following = None
    if len(order) > limit:
        last = shown[-1]
        place = (listed.groups[listed.ranks[last]], float(listed.keys[last]), int(listed.numbers[last]))
        following = cursors.written(_of(selection), place)
    groups = {listed.groups[rank]: int(sizes[rank]) for rank in dict.fromkeys(listed.ranks[shown].tolist())}
    return Page(
        items=tuple(rows(matched.table, listed.places[shown])),
        next=following,
        total=total,
        groups=groups if selection.group != "none" else {},
    )


def whole(matched: Matched) -> Iterator[Places]:
    """All results in the order that was asked for, some at a time."""
    listed = _Listed(matched)
    places = listed.places[listed.order()]
    for first in range(0, len(places), CHUNK):
        yield places[first : first + CHUNK]


def group_of(row: Explored, group: Group) -> str:
    """What a result is grouped by."""
    return {"none": "", "model": row.model, "technique": "+".join(row.techniques), "hardware": row.hardware}[group]


def failed(matched: Matched, limit: int) -> list[Explored]:
    """The newest of the results that ended without figures."""
    places = np.flatnonzero(matched.failed)
    return rows(matched.table, places[np.argsort(-matched.table.numbers[places])][:limit])


def rows(table: Table, places: Places) -> list[Explored]:
    """Results as lists show them."""
    return [_row(table, place) for place in places.tolist()]


class _Listed:
    """The results that are listed, with what they are ordered by: group, key, and the newest first among equals."""

    def __init__(self, matched: Matched) -> None:
        table, sort, group = matched.table, matched.selection.sort, matched.selection.group
        self.places = np.flatnonzero(matched.rows)
        self.numbers = table.numbers[self.places]
        name = sort.removeprefix("-")
        keys = (table.finished_at if name == "finished" else column(table, name))[self.places]
        # What has no value comes last in both directions.
        self.keys: Floats = np.where(np.isnan(keys), np.inf, -keys if sort.startswith("-") else keys)
        self.groups: list[str] = [""]
        self.ranks: Places = np.zeros(len(self.places), np.int64)
        self._grouped = group != "none"
        if self._grouped:
            codes, words = table.words["techniques" if group == "technique" else group]
            self.groups = sorted(words)
            ranks = {word: rank for rank, word in enumerate(self.groups)}
            self.ranks = np.asarray([ranks[word] for word in words], np.int64)[codes[self.places]]

    def go_on(self, group: str, key: float, number: int) -> None:
        """Keep only what comes behind a place."""
        rank = bisect.bisect_left(self.groups, group)
        if rank < len(self.groups) and self.groups[rank] == group:
            behind: Mask = (self.keys > key) | ((self.keys == key) & (self.numbers < number))
            later = (self.ranks > rank) | ((self.ranks == rank) & behind)
        else:
            later = self.ranks >= rank
        self.places, self.numbers = self.places[later], self.numbers[later]
        self.keys, self.ranks = self.keys[later], self.ranks[later]

    def order(self) -> Places:
        """How all of them follow one another."""
        return np.lexsort((-self.numbers, self.keys, self.ranks))

    def first(self, count: int) -> Places:
        """How the first of them follow one another."""
        if self._grouped or len(self.keys) <= 4 * count:
            return self.order()[:count]
        edge = np.partition(self.keys, count - 1)[count - 1]
        near = np.flatnonzero(self.keys <= edge)
        return near[np.lexsort((-self.numbers[near], self.keys[near]))][:count]


def _row(table: Table, place: int) -> Explored:
    held = table.rows[place]
    techniques = table.word("techniques", place)
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
        **{name: table.word(name, place) for name in NAMED},
    )


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _of(selection: Selection) -> str:
    """What a cursor belongs to."""
    return f"{selection.sort} by {selection.group}"
