"""Cursors of lists: opaque text that says behind which place a list goes on. Only the list that gave one reads it."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from app.errors import Invalid
from workers.catalog.declared import Problem

Shape = Sequence[Callable[[Any], bool]]
"""What a place of a list is made of: for each of its values, whether one that came back can be it."""


def written(of: str, place: Sequence[Any]) -> str:
    """The cursor behind a place. Opaque on purpose: what it holds may change.

    Args:
        of: which list, and in which order.
        place: what the order goes by: words and numbers.
    """
    text = json.dumps([of, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, of: str, shape: Shape) -> list[Any]:
    """The place that a cursor holds.

    Raises:
        Invalid: the list did not give it.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if isinstance(found, list) and len(found) == len(shape) + 1 and found[0] == of:
        place: list[Any] = found[1:]
        if all(fits(value) for value, fits in zip(place, shape, strict=True)):
            return place
    problem = Problem(
        "cursor", "unknown_cursor", "is not a cursor of this list.", "Take `next` of a page in the same order."
    )
    raise Invalid.of([problem])


def an_id(value: Any) -> bool:
    """Whether a value can be an id, and is one that every database takes."""
    return isinstance(value, str) and value.isascii() and value.isalnum()


def a_text(value: Any) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def a_count(value: Any) -> bool:
    """Whether a value is a whole number that every database takes."""
    return type(value) is int and abs(value) < 2**31


def a_number(value: Any) -> bool:
    """Whether a value is a number, not too large to be counted with exactly."""
    return type(value) in (int, float) and abs(value) < 2**53


def a_key(value: Any) -> bool:
    """Whether a value is a number to order by, with the infinite one of what has no value among them."""
    return type(value) is float and not math.isnan(value)
