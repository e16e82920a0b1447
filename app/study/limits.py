"""Budgets as they stand in an address: ``max.memory.peak_allocated@prefill=52009369``, in base units, or ``=49.6 MiB``.

A form without scripts cannot do sums, so ``per.memory.peak_allocated@prefill=1048576`` may say how many base units one
of its numbers without a unit is.
"""

import re
from collections.abc import Iterable
from typing import Literal

from app.study.amounts import amount, example
from app.study.budgets import Limit
from workers.catalog import metrics

DIRECTIONS: dict[str, Literal["lower", "higher"]] = {"max": "lower", "min": "higher"}
LONGEST = 200
"""Characters of a quantity's name."""
MOST = 20
"""Budgets at once."""
FARTHEST = 1e100
"""Base units beyond which nothing lies; far enough from where floating point ends that sums and units stay finite."""


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
        BadLimit: one is not an amount of its quantity, or there are too many.
    """
    found, bad = sifted(parameters)
    if bad:
        raise bad[0]
    return found


def sifted(parameters: Iterable[tuple[str, str]]) -> tuple[tuple[Limit, ...], tuple[BadLimit, ...]]:
    """As ``read``: the budgets that can be read, and what is wrong with the others."""
    given = dict(parameters)
    found: list[Limit] = []
    bad: list[BadLimit] = []
    for field, text in given.items():
        word, _, quantity = field.partition(".")
        if word not in DIRECTIONS or not quantity or not text.strip():
            continue
        try:
            if len(quantity) > LONGEST or len(found) == MOST:
                raise BadLimit(field[:LONGEST], f"is too much: at most {MOST} budgets of quantities with short names.")
            value = _value(field, text, given.get(f"per.{quantity}") or "1")
        except BadLimit as one:
            bad.append(one)
        else:
            found.append(Limit(quantity=quantity, better=DIRECTIONS[word], value=value))
    return tuple(found), tuple(bad)


def written(limit: Limit) -> tuple[str, str]:
    """Name and value of a budget in an address."""
    word = "min" if limit.better == "higher" else "max"
    return f"{word}.{limit.quantity}", f"{limit.value:.12g}"


def _value(field: str, text: str, per: str) -> float:
    """A budget in base units.

    Args:
        field: its name in the address.
        text: the amount; one that names a unit is not multiplied.
        per: base units in one of it, where it names no unit.
    """
    quantity = field.partition(".")[2]
    metric = metrics.BY_NAME.get(re.split("[@:]", quantity)[0])
    unit = metric.unit if metric else "1"
    value = amount(text, unit)
    if value is None:
        raise BadLimit(field, f"is not a number. {example(unit)}")
    factor = amount(per, "1")
    if factor is None or not 0 < factor <= FARTHEST:
        raise BadLimit(f"per.{quantity}", "is not a number above zero. For example 1048576, the bytes of a MiB.")
    value *= 1.0 if text.strip()[-1].isalpha() else factor
    if abs(value) > FARTHEST:
        raise BadLimit(field, f"is too large. {example(unit)}")
    return value
