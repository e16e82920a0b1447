"""What everything on a menu has in common: frozen, strict about its fields, and found by one word."""

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class Reference(NamedTuple):
    """Where a number or a formula comes from."""

    title: str
    url: str


class Problem(NamedTuple):
    """One thing that is wrong with what somebody sent."""

    field: str
    """Dotted path into it, for example ``variants.2.stack.0``."""
    code: str
    message: str
    hint: str
    """What would be right: the valid choices, or what to remove."""


class Paper(BaseModel):
    """Plain data that travels as JSON: unknown fields and numbers that JSON cannot carry are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _exact(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_exact(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    kept = {name: part if name in ("default", "metadata") else _exact(part) for name, part in schema.items()}
    return kept | {"strict": True} if kept.get("type") in ("int", "float", "bool") else kept


class Exact(Paper):
    """What a person or a program orders: a number is a number, never ``true`` nor ``"1"``."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's own schema with its numbers and truth values strict; lists may still become tuples."""
        exact: CoreSchema = _exact(handler(source))
        return exact


class Declared(Exact):
    """One entry of a menu: class variables declare it, its fields are the parameters a person may set.

    A subclass opens with its discriminator, for example ``technique: Literal["precision"] = "precision"``, named by
    ``discriminator``; ``word`` is that literal.
    """

    discriminator: ClassVar[str] = "name"
    word: ClassVar[str] = ""
    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        field = cls.model_fields.get(cls.discriminator)
        if field is not None and isinstance(field.default, str):
            cls.word = field.default

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen parameters, without the word that names the entry."""
        return self.model_dump(mode="json", exclude={self.discriminator})


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known word a person probably meant, or nothing when none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return near[0] if near else None
