"""All results in memory, a column each, so that filters, counts, orders and fronts over all of them take milliseconds.

The database stays the truth: before each question the columns take in what has been written since, by its number.
"""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlmodel import Session, col

from app.db.tables import Result
from app.results.figures import DEFINITION, FIELDS, FIGURES, PLACE, WIDTH, Part

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

WORDS = (
    "model",
    "workload",
    "device",
    "hardware",
    "family",
    "techniques",
    "effort",
    "outcome",
    "ran",
    "owner",
    "environment",
    "against",
    "evaluation",
    "study_id",
)
"""Columns that hold one of a few words; "" where there is none."""
OVERLAP = 1_000
"""Numbers below the last one that are asked for again: transactions do not commit in the order of their numbers."""
READ_AT_ONCE = 2_000
ROOM = 1_024
_TEXTS = ("study", "variant", "baseline", "label", "verdicts")
_PLAIN = ("number", "finished_at", "batch_size", "length")
_READ = ("run_id", *_TEXTS, *WORDS, *_PLAIN, "point", "figures", "withdrawn")


class Codes:
    """One column of a few values: a small number for each row, and the value that each number stands for."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.codes: NDArray[np.int32] = np.zeros(ROOM, np.int32)
        self._known: dict[str, int] = {}

    def code(self, value: Any, name: str) -> int:
        """The number of a value, known by its name; a new one gets a new number."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = len(self.values)
            self.values.append(value)
        return found


class Held(NamedTuple):
    """What is shown of a row and not filtered by."""

    run_id: str
    study: str
    """Name of the study."""
    variant: str
    baseline: str
    label: str
    verdicts: str
    """A letter for each figure."""
    point: dict[str, int]


@dataclass(frozen=True)
class Table:
    """The columns as they are at one moment. Arrays are shared with later moments and must not be changed."""

    count: int
    version: int
    """Rises with every change."""
    figures: Floats
    """``[count, figures, fields]``; each column lies in one piece, a row does not. Of what ``apart`` finds there is the
    definition alone, so that nothing counts, limits or pools it beside figures of another."""
    numbers: Places
    finished_at: Floats
    batch_size: Floats
    length: Floats
    words: dict[str, tuple[NDArray[np.int32], Sequence[str]]]
    """Of each column in ``WORDS``: codes of the rows, and the words."""
    points: tuple[NDArray[np.int32], Sequence[dict[str, int]]]
    """Codes of the rows, and the sizes and switches of a workload that each code stands for."""
    rows: Sequence[Held]

    def column(self, figure: str, part: Part) -> Floats:
        """One figure of every row; not a number where it was not measured."""
        column: Floats = self.figures[:, PLACE[figure], FIELDS.index(part)]
        return column

    def size(self, name: str) -> Floats:
        """Batch size, length, or another size or switch of every row's workload; not a number where it has none."""
        if name in ("batch_size", "length"):
            sizes: Floats = getattr(self, name)
            return sizes
        codes, points = self.points
        of_points: Floats = np.array([point.get(name, np.nan) for point in points], np.float64)
        return of_points[codes]

    def word(self, name: str, place: int) -> str:
        """The word a row has in a column."""
        codes, words = self.words[name]
        word: str = words[codes[place]]
        return word


def apart(figures: Floats) -> Mask:
    """Which figures followed another definition than the catalogue's: ``[rows, figures]`` of ``[rows, figures, fields]``."""
    followed = figures[..., DEFINITION]
    found: Mask = ~np.isnan(followed) & (followed != [figure.version for figure in FIGURES])
    return found


class Columns:
    """Keeps the columns up to date. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._seen: tuple[int, int | None] | None = None
        """How many recent rows there are and the highest number, when they held nothing new; None when they may."""
        self._version = 0
        self._held = _Store()

    def table(self, session: Session) -> Table:
        """The columns with everything that is committed now."""
        with self._lock:
            self._take_in(session)
            return self._held.table(self._version)

    def _take_in(self, session: Session) -> None:
        number = col(Result.number)
        recent = number > max(0, self._last - OVERLAP)
        # A row is written anew under a higher number, so count and highest number together tell of every change.
        seen = session.execute(select(func.count(), func.max(number)).where(recent)).one()
        if tuple(seen) == self._seen:
            return
        if not self._last:
            self._held.reserve(seen[0])
        columns = [col(getattr(Result, name)) for name in _READ]
        recently = select(*columns).where(recent).order_by(number)
        count, highest, changed = 0, None, False
        # In parts, or the rows of all results would be in memory at once besides the columns. Closed whatever happens: SQLite
        # keeps a connection at the state of a question that was left half read, and refuses its next write.
        with session.execute(recently.execution_options(yield_per=READ_AT_ONCE)) as rows:
            for part in rows.partitions():
                count, highest = count + len(part), part[-1].number
                changed |= self._held.take(part)
        self._version += changed
        moved = highest is not None and highest > self._last
        # After a change the next question reads the recent rows once more: what is recent has moved.
        self._seen = None if changed or moved else (count, highest)
        self._last = max(self._last, highest or 0)


class _Store:
    """The arrays. Whoever was given them before still reads theirs: rows are added behind those, and change in copies."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._rows: list[Held] = []
        # A question reads whole columns, never whole rows: each column lies in one piece, its rows along the last axis.
        self._figures: Floats = np.zeros((len(FIGURES), len(FIELDS), ROOM))
        self._plain: dict[str, Any] = {
            name: np.zeros(ROOM, np.int64 if name == "number" else np.float64) for name in _PLAIN
        }
        self._words = {name: Codes() for name in WORDS}
        self._points = Codes()
        self._shared = False

    def table(self, version: int) -> Table:
        """The columns as they are now."""
        self._shared = True
        count = len(self._rows)
        plain = {name: values[:count] for name, values in self._plain.items()}
        return Table(
            count=count,
            version=version,
            figures=self._figures[..., :count].transpose(2, 0, 1),
            numbers=plain["number"],
            finished_at=plain["finished_at"],
            batch_size=plain["batch_size"],
            length=plain["length"],
            words={name: (codes.codes[:count], tuple(codes.values)) for name, codes in self._words.items()},
            points=(self._points.codes[:count], tuple(self._points.values)),
            rows=self._rows,
        )

    def reserve(self, count: int) -> None:
        """Have room for so many rows."""
        if count > self._figures.shape[-1]:
            self._copy(count)

    def take(self, rows: Sequence[Any]) -> bool:
        """Take in rows, each of another run, that were written or withdrawn. Whether there was anything new."""
        news = [row for row in rows if self._is_news(row)]
        if self._shared and any(row.run_id in self._places for row in news):
            self._copy(0)
        for row in news:
            if row.withdrawn:
                self._forget(self._places[row.run_id])
        written = [row for row in news if not row.withdrawn]
        if written:
            self._write(written)
        return bool(news)

    def _is_news(self, row: Any) -> bool:
        place = self._places.get(row.run_id)
        return not row.withdrawn if place is None else bool(self._plain["number"][place] < row.number)

    def _write(self, rows: Sequence[Any]) -> None:
        """Put rows into their places, column by column."""
        columns = dict(zip(_READ, zip(*rows, strict=True), strict=True))
        assert all(len(figures) == WIDTH for figures in columns["figures"])
        places = [self._places.setdefault(run_id, len(self._places)) for run_id in columns["run_id"]]
        if len(self._places) > self._figures.shape[-1]:
            self._copy(max(len(self._places), 2 * len(self._rows)))
        figures = np.frombuffer(b"".join(columns["figures"]), "<f8").reshape(len(rows), len(FIGURES), len(FIELDS))
        self._figures[..., places] = _of_now(figures).transpose(1, 2, 0)
        for name, values in self._plain.items():
            values[places] = [np.nan if value is None else value for value in columns[name]]
        for name, codes in self._words.items():
            codes.codes[places] = [codes.code(word or "", word or "") for word in columns[name]]
        points = [self._points.code(point, repr(point)) for point in columns["point"]]
        self._points.codes[places] = points
        # Few names and points come again and again; each is kept once.
        texts = zip(*([sys.intern(text) for text in columns[name]] for name in _TEXTS), strict=True)
        for place, run_id, names, point in zip(places, columns["run_id"], texts, points, strict=True):
            self._rows[place : place + 1] = [Held._make((run_id, *names, self._points.values[point]))]

    def _forget(self, place: int) -> None:
        """Take a row out; the last one takes its place."""
        del self._places[self._rows[place].run_id]
        last = self._rows.pop()
        end = len(self._rows)
        if place == end:
            return
        self._places[last.run_id] = place
        self._rows[place] = last
        self._figures[..., place] = self._figures[..., end]
        for values in (*self._plain.values(), *(each.codes for each in (*self._words.values(), self._points))):
            values[place] = values[end]

    def _copy(self, room: int) -> None:
        """Move to new arrays with at least this much room."""
        count = len(self._rows)
        room = max(room, self._figures.shape[-1])
        self._figures = _grown(self._figures, count, room)
        self._plain = {name: _grown(values, count, room) for name, values in self._plain.items()}
        for codes in (*self._words.values(), self._points):
            codes.codes = _grown(codes.codes, count, room)
        self._rows = list(self._rows)
        self._shared = False


def _of_now(figures: Floats) -> Floats:
    """Of figures that are apart nothing but their definition; the others as they are."""
    kept = figures.copy()
    kept[apart(figures)] = np.nan
    kept[..., DEFINITION] = figures[..., DEFINITION]
    return kept


def _grown(values: Any, count: int, room: int) -> Any:
    """A copy with more room along the last axis."""
    grown = np.zeros((*values.shape[:-1], room), values.dtype)
    grown[..., :count] = values[..., :count]
    return grown
