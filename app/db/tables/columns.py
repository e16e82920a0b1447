"""What the columns of all tables share: ids, large numbers, JSON."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer
from sqlmodel import Field
from ulid import ULID

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on every database; SQLite's INTEGER has them already and numbers rows only under that name."""


def new_id() -> str:
    """A random id that sorts by the time it was made, so that an id is also a page cursor."""
    return str(ULID())


def json_column(**kwargs: Any) -> Any:
    """A field that holds JSON; never null unless ``nullable`` says so. The rest is as in sqlmodel's ``Field``."""
    return Field(sa_column=Column(JSON, nullable=kwargs.pop("nullable", False)), **kwargs)
