"""The content of a ``config.json``, read field by field; what is wrong is refused by name."""

from collections.abc import Mapping

from pydantic import JsonValue

from app.errors import Invalid
from workers.catalog.declared import Problem

MOST = {"layer": 10_000, "head": 2**16, "expert": 2**16, "vocab": 2**26, "": 2**24}
"""Largest numbers that are read, by a part of the field's name: several times those of any published model."""
SHOWN = 80
"""Characters of a wrong value that are repeated."""


class Configuration:
    """A configuration of a family."""

    def __init__(self, family: str, values: Mapping[str, JsonValue]) -> None:
        self.family = family
        self._values = values

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        most = next(limit for part, limit in MOST.items() if part in name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            said = (
                "is missing." if value is None else f"is {shown(value)}, which is no whole number from 1 to {most:,}."
            )
            raise Invalid.of([Problem(name, "invalid_number", said, f"config.json of a {self.family} model has it.")])
        return value

    def maybe(self, name: str) -> int | None:
        """A whole number, or None where it is absent or null."""
        return None if self._values.get(name) is None else self.number(name)

    def none_or_more(self, name: str) -> int:
        """A whole number that may be zero, which it is where it is absent."""
        value = self._values.get(name)
        return 0 if value is None or (value == 0 and not isinstance(value, bool)) else self.number(name)

    def same(self, name: str, wanted: int) -> None:
        """Refuse a number that differs from another one, of which it may be absent."""
        found = self.number(name, wanted)
        if found != wanted:
            raise Invalid.of([Problem(name, "not_read", f"is {found}.", f"Models of which it is {wanted} are read.")])

    def heads(self, name: str, hidden: int, default: int | None = None) -> int:
        """Heads of queries, each at least one element wide."""
        found = self.number(name, default)
        if found > hidden:
            said = f"is {found:,}, in a model {hidden:,} wide."
            raise Invalid.of([Problem(name, "contradiction", said, "At most as many heads as the model is wide.")])
        return found

    def key_heads(self, name: str, heads: int) -> int:
        """Heads of keys and values, which queries share evenly; as many as theirs where it is absent."""
        found = self.number(name, heads)
        if heads % found:
            said = f"is {found:,}, which {heads:,} heads cannot share."
            raise Invalid.of([Problem(name, "contradiction", said, "A divisor of the number of heads.")])
        return found

    def chosen(self, experts: int) -> int:
        """Experts that work on a token, of so many."""
        found = self.number("num_experts_per_tok")
        if found > experts:
            said = f"is {found:,}, of {experts:,} experts."
            raise Invalid.of([Problem("num_experts_per_tok", "contradiction", said, "At most as many as there are.")])
        return found

    def flag(self, name: str, default: bool) -> bool:
        """A switch."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise Invalid.of([Problem(name, "invalid_switch", f"is {shown(value)}.", "true or false.")])
        return value

    def words(self, name: str) -> list[str]:
        """A list of words; empty where it is absent."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Invalid.of([Problem(name, "invalid_list", f"is {shown(value)}.", "A list of words.")])
        return [str(each) for each in value]

    def text(self, name: str) -> str | None:
        """A word, or None."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise Invalid.of([Problem(name, "invalid_word", f"is {shown(value)}.", "A word.")])
        return value

    @property
    def dtype(self) -> str | None:
        """Format of the published weights."""
        return self.text("dtype") or self.text("torch_dtype")


def shown(value: JsonValue) -> str:
    """A wrong value, as much of it as helps."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def language_part(config: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """What of a configuration is about language: of a model of several parts, its ``text_config``."""
    inner = config.get("text_config")
    if not isinstance(inner, dict):
        return config
    of_all = {name: config[name] for name in ("torch_dtype", "dtype") if config.get(name) is not None}
    return {**of_all, **inner}
