"""Words of a command as ``name=value``, as the pages' addresses have them."""

from collections.abc import Collection, Iterable

from app.errors import Invalid
from workers.catalog.declared import Problem

FIRST = ("model", "config")
"""What a command names before the others."""


def typed(words: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """Names and values.

    Args:
        words: as typed.
        names: that there are; whether each word's is among them is checked with its value.

    Raises:
        Invalid: a word without a value, or a name given twice.
    """
    given: dict[str, str] = {}
    problems = []
    choices = ", ".join(name for name in names if name not in FIRST)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            problems.append(Problem(name, "malformed", "needs a value.", f"NAME=VALUE; names: {choices}."))
        elif name in given or name in FIRST:
            problems.append(
                Problem(name, "duplicate_key", "is given twice.", "Give each field once; the model stands first.")
            )
        given[name] = value
    if problems:
        raise Invalid.of(problems)
    return given
