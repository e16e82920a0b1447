"""A study as it was measured: the order, what every run brought, where and when. One compressed file, to be taken in elsewhere."""

import itertools
import lzma
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Paper
from workers.catalog.lease import Announcement, Line
from workers.catalog.report import Report
from workers.catalog.spec import StudySpec

ENDING = ".json.xz"
MOST_LINES = 500
"""Log lines that are kept of a run: as many as one beat of a worker carries."""


class Unreadable(Exception):
    """A file does not hold a recorded study; the message names it and says what is wrong with it."""


class RecordedRun(Paper):
    """One run as it was measured. Times are seconds since 1970 UTC."""

    claimed_at: float
    started_at: float
    """When the measuring program ran."""
    ended_at: float
    pid: int
    """Of the measuring program."""
    log: tuple[Line, ...] = Field((), max_length=MOST_LINES)
    report: Report

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = (self.claimed_at, self.started_at, self.ended_at)
        if any(later < earlier for earlier, later in itertools.pairwise(times)):
            raise PydanticCustomError("order_of_times", "claimed_at, started_at and ended_at have to rise")
        return self


class RecordedStudy(Paper):
    """A study with all its runs."""

    version: Literal[1] = 1
    study: StudySpec
    submitted_at: float
    worker: Announcement
    ceilings: Ceilings | None = None
    """What the device can do at most; None when that was not measured."""
    runs: tuple[RecordedRun, ...]
    """In the order in which the study has them."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(self.runs) != self.study.size:
            numbers = {"size": self.study.size, "runs": len(self.runs)}
            raise PydanticCustomError("runs", "the study has {size} runs, and {runs} are recorded", numbers)
        return self


def write(recorded: RecordedStudy, file: Path) -> None:
    """Keep a study in a file; equal studies make equal files."""
    file.write_bytes(lzma.compress(recorded.model_dump_json().encode()))


def read(file: Path) -> RecordedStudy:
    """The study in a file.

    Raises:
        Unreadable: it is no xz file, no recorded study, or one of a catalog that this one is no longer.
        OSError: it cannot be opened.
    """
    try:
        return RecordedStudy.model_validate_json(lzma.decompress(file.read_bytes()))
    except lzma.LZMAError as error:
        raise Unreadable(f"{file} is not one whole xz file") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise Unreadable(f"{file}: {where}: {first['msg']}") from error
