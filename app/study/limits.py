"""Budgets as they stand in an address: ``max.memory.peak_allocated@prefill=52009369``, in base units.

A form without scripts cannot do sums, so ``per.memory.peak_allocated@prefill=1048576`` may say how many base units one
of its numbers is.
"""

import math
from collections.abc import Iterable
from typing import Literal

from app.study.budgets import Limit

DIRECTIONS: dict[str, Literal["lower", "higher"]] = {"max": "lower", "min": "higher"}
LONGEST = 200
"""Characters of a quantity's name."""
MOST = 20
"""Budgets at once."""


class BadLimit(Exception):
    """A budget that cannot be read; the message is a sentence's end, after the field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


def read(parameters: Iterable[tuple[str, str]]) -> tuple[Limit, ...]:
    """The budgets of an address; empty ones are none.

    Args:
        parameters: names and values, in any order, with all others of the address.

    Raises:
        BadLimit: one is not a number, or there are too many.
    """
    given = dict(parameters)
    found: list[Limit] = []
    for field, text in given.items():
        word, _, quantity = field.partition(".")
        if word not in DIRECTIONS or not quantity or not text.strip():
            continue
        if len(quantity) > LONGEST or len(found) == MOST:
            raise BadLimit(field[:LONGEST], f"is too much: at most {MOST} budgets of quantities with short names.")
        value = _number(field, text) * _number(f"per.{quantity}", given.get(f"per.{quantity}") or "1")
        found.append(Limit(quantity=quantity, better=DIRECTIONS[word], value=value))
    return tuple(found)


def written(limit: Limit) -> tuple[str, str]:
    """Name and value of a budget in an address."""
    word = "min" if limit.better == "higher" else "max"
    return f"{word}.{limit.quantity}", f"{limit.value:.12g}"


def _number(field: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadLimit(field, "is not a number; write it like 52009369 or 0.012, in base units (bytes, seconds).")
    return value
