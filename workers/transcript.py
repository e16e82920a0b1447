"""What a program writes to its standard error: progress and log lines, made safe to show, and the last of them kept."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from pydantic import ValidationError

from workers.catalog.lease import Progress

LINE_CHARS = 4_000
"""A longer line is cut."""
TAIL_CHARS = 20_000
"""What a report can carry."""

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
"""Terminal control sequences."""
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab, other line ends, and characters that turn the direction of text."""


def clean(text: str) -> str:
    """One line as text that is safe to show: no escapes, no controls, not endless."""
    text = CONTROLS.sub("", ESCAPES.sub("", text)).rstrip()
    return text if len(text) <= LINE_CHARS else text[: LINE_CHARS - 1] + "…"


class Transcript:
    """Turns bytes into progress and lines, and remembers the end.

    Args:
        tail_chars: How much of the end is kept.
    """

    def __init__(self, tail_chars: int) -> None:
        self._room = min(tail_chars, TAIL_CHARS)
        self._open = bytearray()
        self._tail: deque[str] = deque()
        self._held = 0
        self.phase: str | None = None
        """Where the program said it was last."""

    @property
    def tail(self) -> str | None:
        """The last lines; None when there were none."""
        return "\n".join(self._tail) or None

    def feed(self, chunk: bytes) -> Iterator[Progress | str]:
        """What becomes complete with these bytes, in order."""
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._open += part
            yield from self.flush()
        self._open += rest[: max(0, 4 * LINE_CHARS - len(self._open))]

    def flush(self) -> Iterator[Progress | str]:
        """What is there of a line that was not ended."""
        text = self._open.decode("utf-8", "replace")
        self._open.clear()
        if text.startswith("{"):
            with suppress(ValidationError):
                said = Progress.model_validate_json(text)
                said = said.model_copy(update={"phase": clean(said.phase), "message": clean(said.message)})
                self.phase = said.phase
                yield said
                return
        for line in map(clean, text.split("\r")):
            if line:
                self.keep(line)
                yield line

    def keep(self, line: str) -> None:
        """Add a line to the tail, dropping what is too old for it."""
        self._tail.append(line)
        self._held += len(line) + 1
        while self._held > self._room:
            self._held -= len(self._tail.popleft()) + 1
