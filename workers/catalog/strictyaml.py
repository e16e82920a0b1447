"""YAML as people write studies in it, read as strictly as JSON: plain data, each field once, nothing guessed.

Anchors, aliases and tags are refused, so that a short text cannot become a large one or an object. Plain words are read
as YAML 1.2 reads them: ``true``, ``false``, ``null`` and numbers; ``off``, ``no`` and ``12:30`` are text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import yaml
from pydantic import JsonValue

from workers.catalog import strictjson
from workers.catalog.declared import Problem
from workers.catalog.strictjson import MAX_DEPTH, Malformed, Unfit

MAX_BYTES = 100_000
"""A study of every technique at every length has a tenth of this."""
_WORDS: dict[str, JsonValue] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TOO_MANY_DIGITS = 25
_ENDS = {r"'\x00'": "the end of the text", r"'\n'": "the end of the line"}
"""What the reader calls by a character, in words."""


class Written(NamedTuple):
    """A text and where in it each field stands."""

    value: JsonValue
    lines: Mapping[str, int]
    """Line of each field by its dotted path, from 1."""


class _Open:
    """A mapping or list that has not ended yet."""

    def __init__(self, value: dict[str, Any] | list[Any], path: tuple[str, ...]) -> None:
        self.value = value
        self.path = path
        self.key: str | None = None
        """The field whose value comes next; None in a mapping that expects a field."""


class _Builder:
    """Takes a text's events and keeps what they say."""

    def __init__(self) -> None:
        self.value: JsonValue = None
        self.lines: dict[str, int] = {}
        self.twice: list[Problem] = []
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """The next event.

        Raises:
            Malformed: the text is more than one document, or nested too deeply.
            Unfit: it uses what plain data does not need.
        """
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Malformed(f"holds more than one document (line {_line(event)}).")
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"repeats what stands elsewhere (*{event.anchor}).", "Write the value out.")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _node(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._refuse(event, f"has an anchor (&{event.anchor}).", "Leave it out.")
        if event.tag is not None:
            self._refuse(event, f"has a tag ({event.tag}).", "Leave it out; types follow from the fields.")
        here = self._open[-1] if self._open else None
        if here is not None and isinstance(here.value, dict) and here.key is None:
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "has a field whose name is a list or mapping.", "Names of fields are words.")
            self._name(here, event)
            return
        path = self._path()
        if len(path) > MAX_DEPTH:
            raise Malformed(f"is nested too deeply (line {_line(event)}).")
        self.lines.setdefault(".".join(path), _line(event))
        value: Any = _plain(event) if isinstance(event, yaml.ScalarEvent) else _empty(event)
        if here is None:
            self.value = value
        elif isinstance(here.value, dict):
            assert here.key is not None
            here.value[here.key] = value
            here.key = None
        else:
            here.value.append(value)
        if not isinstance(event, yaml.ScalarEvent):
            self._open.append(_Open(value, path))

    def _name(self, here: _Open, event: yaml.ScalarEvent) -> None:
        """The name of a field; its value is the next event."""
        assert isinstance(here.value, dict)
        here.key = str(event.value)
        path = ".".join((*here.path, here.key))
        if here.key in here.value:
            hint = f"Give each field once; it stands in line {self.lines[path]} already."
            self.twice.append(Problem(path, "duplicate_key", f"is given twice. (line {_line(event)})", hint))
        self.lines.setdefault(path, _line(event))

    def _path(self) -> tuple[str, ...]:
        """Where the next value stands."""
        if not self._open:
            return ()
        here = self._open[-1]
        if isinstance(here.value, dict):
            return here.path if here.key is None else (*here.path, here.key)
        return (*here.path, str(len(here.value)))

    def _refuse(self, event: yaml.Event, message: str, hint: str) -> NoReturn:
        raise Unfit([Problem(".".join(self._path()), "not_plain_data", f"{message} (line {_line(event)})", hint)])


def read(body: bytes) -> Written:
    """Read a text.

    Args:
        body: UTF-8.

    Raises:
        Malformed: it is too large, no YAML, no UTF-8, more than one document, or nested too deeply.
        Unfit: it holds anchors, aliases, tags, a field twice, or what JSON cannot carry either.
    """
    if len(body) > MAX_BYTES:
        raise Malformed(f"has {len(body):,} bytes; {MAX_BYTES:,} are read.")
    built = _Builder()
    try:
        for event in yaml.parse(body.decode("utf-8"), Loader=yaml.SafeLoader):
            built.take(event)
    except UnicodeDecodeError as error:
        raise Malformed("is not UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        said = str(error.problem or error.context)
        for character, words in _ENDS.items():
            said = said.replace(character, words)
        raise Malformed(f"is not YAML: {said}{place}.") from None
    except yaml.YAMLError:
        raise Malformed("is not YAML: it holds control characters.") from None
    except (ValueError, OverflowError):
        # An escape names a character beyond the last one.
        raise Malformed("is not YAML: it names a character that does not exist.") from None
    if built.twice:
        raise Unfit(built.twice)
    try:
        # What JSON's reader refuses in text and numbers is refused here by the same words.
        value = strictjson.read(json.dumps(built.value).encode())
    except Unfit as error:
        raise Unfit(placed(error.problems, built.lines)) from None
    return Written(value, built.lines)


def placed(problems: Sequence[Problem], lines: Mapping[str, int]) -> list[Problem]:
    """Problems that say in which line their field stands, or what holds it when it is missing."""
    found = []
    for problem in problems:
        path = problem.field.split(".") if problem.field else []
        while path and ".".join(path) not in lines:
            path.pop()
        line = lines.get(".".join(path))
        found.append(problem._replace(message=f"{problem.message} (line {line})") if line else problem)
    return found


def _plain(event: yaml.ScalarEvent) -> JsonValue:
    """A value as YAML 1.2's core schema reads it; what is quoted is text."""
    text = str(event.value)
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text[:_TOO_MANY_DIGITS])
    if _REAL.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _empty(event: yaml.NodeEvent) -> dict[str, Any] | list[Any]:
    return {} if isinstance(event, yaml.MappingStartEvent) else []


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1
