"""Pages of lists, and moments as text."""

from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """A page of a list, newest first."""

    items: list[Item]
    next: str | None
    """Cursor of the following page; null at the end."""


def moment(seconds: float) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_if(seconds: float | None) -> str | None:
    """The same of a moment that may not have come."""
    return None if seconds is None else moment(seconds)
