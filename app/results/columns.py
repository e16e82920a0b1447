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
from app.results.figures import FIELDS, FIGURES, PLACE, WIDTH, Part

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
    "study_id",
)
"""Columns that hold one of a few words; "" where there is none."""
OVERLAP = 1_000
"""Numbers below the last one that are asked for again: transactions do not commit in the order of their numbers."""
READ_AT_ONCE = 2_000
ROOM = 1_024
_TEXTS = ("study", "variant", "baseline", "label", "verdicts")
_READ = ("number", "run_id", *_TEXTS, *WORDS, "point", "batch_size", "length", "finished_at", "figures")


class Codes:
    """One column of words: a small number for each row, and the word that each number stands for."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.codes: NDArray[np.int32] = np.zeros(ROOM, np.int32)
        self._known: dict[str, int] = {}

    def code(self, word: str) -> int:
        """The number of a word; a new word gets a new one."""
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = len(self.words)
            self.words.append(word)
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
    """``[count, figures, fields]``."""
    numbers: Places
    finished_at: Floats
    batch_size: Floats
    length: Floats
    words: dict[str, tuple[NDArray[np.int32], Sequence[str]]]
    """Of each column in ``WORDS``: codes of the rows, and the words."""
    rows: Sequence[Held]

    def column(self, figure: str, part: Part) -> Floats:
        """One figure of every row; not a number where it was not measured."""
        column: Floats = self.figures[:, PLACE[figure], FIELDS.index(part)]
        return column

    def word(self, name: str, place: int) -> str:
        """The word a row has in a column."""
        codes, words = self.words[name]
        word: str = words[codes[place]]
        return word


class Columns:
    """Keeps the columns up to date. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._seen: tuple[int, int | None] | None = None
        """How many recent rows there are and the highest number, when they held nothing new; None when they may."""
        self._version = 0
        self._places: dict[str, int] = {}
        self._rows: list[Held] = []
        self._points: dict[str, dict[str, int]] = {}
        self._figures: Floats = np.full((ROOM, len(FIGURES), len(FIELDS)), np.nan)
        self._plain: dict[str, Any] = {
            "number": np.zeros(ROOM, np.int64),
            "finished_at": np.zeros(ROOM),
            "batch_size": np.full(ROOM, np.nan),
            "length": np.full(ROOM, np.nan),
        }
        self._words = {name: Codes() for name in WORDS}

    def table(self, session: Session) -> Table:
        """The columns with everything that is committed now."""
        with self._lock:
            self._take_in(session)
            count = len(self._rows)
            return Table(
                count=count,
                version=self._version,
                figures=self._figures[:count],
                numbers=self._plain["number"][:count],
                finished_at=self._plain["finished_at"][:count],
                batch_size=self._plain["batch_size"][:count],
                length=self._plain["length"][:count],
                words={name: (codes.codes[:count], tuple(codes.words)) for name, codes in self._words.items()},
                rows=self._rows,
            )

    def _take_in(self, session: Session) -> None:
        number = col(Result.number)
        recent = number > max(0, self._last - OVERLAP)
        # A row is written anew under a higher number, so count and highest number together tell of every change.
        if (
            self._seen is not None
            and tuple(session.execute(select(func.count(), func.max(number)).where(recent)).one()) == self._seen
        ):
            return
        columns = [col(getattr(Result, name)) for name in _READ]
        recently = select(*columns).where(recent).order_by(number)
        count, highest, changed, copied = 0, None, False, False
        # In parts, or the rows of all results would be in memory at once besides the columns. Closed whatever happens: SQLite
        # keeps a connection at the state of a question that was left half read, and refuses its next write.
        with session.execute(recently.execution_options(yield_per=READ_AT_ONCE)) as rows:
            for row in rows:
                count, highest = count + 1, row.number
                place = self._places.get(row.run_id)
                if place is not None:
                    if self._plain["number"][place] >= row.number:
                        continue
                    if not copied:
                        # What was handed out keeps its arrays; rows that are there already change in copies.
                        self._copy(len(self._rows))
                        copied = True
                if not changed:
                    self._version += 1
                    changed = True
                self._keep(row)
        moved = highest is not None and highest > self._last
        # After a change the next question reads the recent rows once more: what is recent has moved.
        self._seen = None if changed or moved else (count, highest)
        self._last = max(self._last, highest or 0)

    def _keep(self, row: Any) -> None:
        place = self._places.setdefault(row.run_id, len(self._rows))
        if place == len(self._figures):
            self._copy(2 * place)
        # Few names and points come again and again; each is kept once.
        names = {name: sys.intern(getattr(row, name)) for name in _TEXTS}
        held = Held(run_id=row.run_id, point=self._points.setdefault(repr(row.point), row.point), **names)
        if place == len(self._rows):
            self._rows.append(held)
        else:
            self._rows[place] = held
        assert len(row.figures) == WIDTH
        self._figures[place] = np.frombuffer(row.figures, "<f8").reshape(len(FIGURES), len(FIELDS))
        self._plain["number"][place] = row.number
        self._plain["finished_at"][place] = row.finished_at
        for name in ("batch_size", "length"):
            value = getattr(row, name)
            self._plain[name][place] = np.nan if value is None else value
        for name, codes in self._words.items():
            codes.codes[place] = codes.code(getattr(row, name) or "")

    def _copy(self, room: int) -> None:
        """Move to new arrays with at least this much room."""
        room = max(room, len(self._figures))
        self._figures = _grown(self._figures, room)
        self._plain = {name: _grown(values, room) for name, values in self._plain.items()}
        for codes in self._words.values():
            codes.codes = _grown(codes.codes, room)
        self._rows = list(self._rows)


def _grown(values: Any, room: int) -> Any:
    grown = np.zeros((room, *values.shape[1:]), values.dtype)
    grown[: len(values)] = values
    return grown
