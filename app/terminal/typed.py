"""Words of a command as the pages' addresses have them: a model, by its name or its configuration, and ``name=value``."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from app.errors import Invalid
from app.planner.models import known
from workers.catalog.declared import Problem
from workers.catalog.strictjson import Malformed, Unfit, read

FIRST = ("model", "config")
"""What a command names before the others."""
MOST_BYTES = 1_000_000
"""Of a config.json, which has a few thousand."""


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


def named(model: str) -> dict[str, str]:
    """The fields that say which model is meant.

    Args:
        model: a well-known name, or the path of a config.json.

    Raises:
        Invalid: the file cannot be read, or is no configuration of a model.
    """
    path = Path(model)
    return {"config": _config(path)} if path.suffix == ".json" or path.is_file() else {"model": model}


def _config(path: Path) -> str:
    """The fields of a config.json that matter, short enough for an address."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid.of([_unread(f"has more than {MOST_BYTES:,} bytes; a config.json has a few thousand.")])
        held = read(path.read_bytes())
    except OSError as error:
        raise Invalid.of([_unread(f"cannot be read: {error}.")]) from None
    except (Malformed, Unfit) as error:
        raise Invalid.of([_unread(f"{error}")]) from None
    if not isinstance(held, dict):
        raise Invalid.of([_unread("must be a JSON object.")])
    try:
        return json.dumps(known.essential(held)[0])
    except Invalid as wrong:
        raise Invalid.of([one._replace(field=f"config.{one.field}") for one in wrong.problems]) from None


def _unread(said: str) -> Problem:
    return Problem("config", "unreadable", said, "The path of a config.json.")
