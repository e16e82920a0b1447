"""What every page is given: a database session that reads, and whether somebody is signed in."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from app.db.session import Database


def _reading(request: Request) -> Iterator[Session]:
    database: Database = request.app.state.database
    with database.reading() as session:
        yield session


Reading = Annotated[Session, Depends(_reading)]


def is_signed_in(request: Request) -> bool:
    """Whether the request came with credentials that hold."""
    return getattr(request.state, "principal", None) is not None
