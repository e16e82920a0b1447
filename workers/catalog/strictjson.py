"""JSON as it arrives, read strictly: what Python's reader would let through or change in silence is refused."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from workers.catalog.declared import Problem

MAX_DEPTH = 32
_LARGEST = 2**63


class Malformed(Exception):
    """It is no JSON; the message says why, and goes on after the name of what was read ("is not UTF-8.")."""


class Unfit(Exception):
    """It is JSON and holds what cannot be kept."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{problems[0].field} {problems[0].message}".strip())


class _Wrong(NamedTuple):
    """Stands in the place of a value that cannot be kept."""

    code: str
    message: str
    hint: str


_NOT_FINITE = _Wrong("not_finite", "is not a number that can be measured or stored.", "Give a finite number.")
_TOO_LARGE = _Wrong("number_too_large", "is outside the whole numbers of 64 bits.", "Give a smaller number.")
_TWICE = _Wrong("duplicate_key", "is given twice.", "Give each field once.")
_SURROGATE = _Wrong("invalid_text", "holds half of a surrogate pair, which is no character.", "Send valid Unicode.")
_NUL = _Wrong("invalid_text", "holds the character NUL.", "Leave it out.")


def read(body: bytes, *, nul: bool = False) -> JsonValue:
    """Read a body.

    Args:
        body: UTF-8.
        nul: whether text may hold NUL, as a program's output can.

    Raises:
        Malformed: it is no JSON, no UTF-8, or nested too deeply.
        Unfit: it holds numbers that are not finite or too large, a key twice, or text that is no Unicode.
    """
    suspects: list[_Wrong] = []

    def wrong(what: _Wrong) -> Any:
        suspects.append(what)
        return what

    def whole(digits: str) -> Any:
        if len(digits) > 20:
            return wrong(_TOO_LARGE)
        number = int(digits)
        return number if -_LARGEST <= number < _LARGEST else wrong(_TOO_LARGE)

    def real(digits: str) -> Any:
        number = float(digits)
        return number if math.isfinite(number) else wrong(_NOT_FINITE)

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    found[key] = wrong(_TWICE)
                seen.add(key)
        return found

    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            parse_int=whole,
            parse_float=real,
            parse_constant=lambda _: wrong(_NOT_FINITE),
            object_pairs_hook=fields,
        )
    except UnicodeDecodeError as error:
        raise Malformed("is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    except RecursionError:
        raise Malformed("is nested too deeply.") from None
    # Only an escape can bring NUL or half a surrogate pair into valid UTF-8 (NUL itself is no valid JSON text).
    if suspects or "\\u" in text or _depth_may_exceed(text):
        found = list(_wrongs(value, (), nul))
        if found:
            raise Unfit(found)
    return value  # type: ignore[no-any-return]


def _depth_may_exceed(text: str) -> bool:
    return text.count("[") + text.count("{") > MAX_DEPTH


def _wrongs(value: Any, path: tuple[str, ...], nul: bool) -> Iterator[Problem]:
    """Every value of a tree that cannot be kept.

    Raises:
        Malformed: the tree is too deep.
    """
    if len(path) > MAX_DEPTH:
        raise Malformed("is nested too deeply.")
    if isinstance(value, _Wrong):
        yield Problem(".".join(path), value.code, value.message, value.hint)
    elif isinstance(value, str):
        if what := _text(value, nul):
            yield Problem(".".join(path), what.code, what.message, what.hint)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if what := _text(key, nul=False):
                yield Problem(".".join(path), what.code, f"has a key that {what.message}", what.hint)
            else:
                yield from _wrongs(inner, (*path, key[:100]), nul)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            # Numbers are most of a report; looking at each through a generator would take longer than reading it.
            if not isinstance(inner, float):
                yield from _wrongs(inner, (*path, str(index)), nul)


def _text(text: str, nul: bool) -> _Wrong | None:
    if "\x00" in text and not nul:
        return _NUL
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return _SURROGATE
    return None
