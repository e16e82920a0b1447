"""What coordinator and arm say to each other: one JSON object a line, a request answered by one reply.

An arm's standard output belongs to this channel alone; whatever a library prints goes to standard error.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from pydantic import Field

from workers.catalog.declared import Paper
from workers.catalog.report import Outcome
from workers.catalog.spec import RunSpec


class Order(Paper):
    """The first line an arm reads: what it is."""

    spec: RunSpec
    arm: str
    """"baseline" or "variant": whose stack it applies."""
    seed: int
    scratch: str
    """Folder for outputs that are too large for a line."""
    parent: int
    """Pid of the coordinator, to end with it."""
    memory_bytes: int | None = None
    """Bytes of private memory the arm may hold; None is no limit."""


class Failure(Paper):
    """Why an arm cannot go on."""

    outcome: Outcome
    phase: str
    message: str
    tail: str | None = None


class Times(Paper):
    """Seconds of some steps: whole, and of each part by phase, one value a step."""

    whole: tuple[float, ...]
    parts: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class Channel:
    """An arm's end of the line."""

    def __init__(self) -> None:
        """Take standard output for replies alone; what is printed from here on goes to standard error."""
        self._replies: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def requests(self) -> Iterator[dict[str, Any]]:
        """Each request in turn, until the coordinator closes the line."""
        for line in sys.stdin:
            yield json.loads(line)

    def reply(self, **fields: Any) -> None:
        """Answer the request."""
        json.dump(fields, self._replies, allow_nan=True)
        self._replies.write("\n")
        self._replies.flush()
