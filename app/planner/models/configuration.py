"""The content of a ``config.json``, read field by field; what is wrong is refused by name."""

from collections.abc import Mapping

from pydantic import JsonValue

from app.errors import Invalid
from workers.catalog.declared import Problem


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
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**40:
            said = "is missing." if value is None else f"is {value!r}, which is no whole number from 1."
            raise Invalid.of([Problem(name, "invalid_number", said, f"config.json of a {self.family} model has it.")])
        return value

    def maybe(self, name: str) -> int | None:
        """A whole number, or None where it is absent or null."""
        return None if self._values.get(name) is None else self.number(name)

    def none_or_more(self, name: str) -> int:
        """A whole number that may be zero, which it is where it is absent."""
        return 0 if not self._values.get(name) else self.number(name)

    def same(self, name: str, wanted: int) -> None:
        """Refuse a number that differs from another one, of which it may be absent."""
        found = self.number(name, wanted)
        if found != wanted:
            raise Invalid.of([Problem(name, "not_read", f"is {found}.", f"Models of which it is {wanted} are read.")])

    def flag(self, name: str, default: bool) -> bool:
        """A switch."""
        value = self._values.get(name)
        return value if isinstance(value, bool) else default

    def words(self, name: str) -> list[str]:
        """A list of words; empty where it is absent."""
        value = self._values.get(name)
        return [str(each) for each in value] if isinstance(value, list) else []

    def text(self, name: str) -> str | None:
        """A word, or None."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    @property
    def dtype(self) -> str | None:
        """Format of the published weights."""
        return self.text("dtype") or self.text("torch_dtype")
