"""What every page is given: a database session that reads, and whether somebody is signed in."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from app.db.session import Database
from app.results.columns import Columns, Table


def _reading(request: Request) -> Iterator[Session]:
    database: Database = request.app.state.database
    with database.reading() as session:
        yield session


def _results(request: Request, session: Annotated[Session, Depends(_reading)]) -> Table:
    columns: Columns = request.app.state.columns
    return columns.table(session)


Reading = Annotated[Session, Depends(_reading)]
Results = Annotated[Table, Depends(_results)]
"""All results, with what has been written until now."""


def is_signed_in(request: Request) -> bool:
    """Whether the request came with credentials that hold."""
    return getattr(request.state, "principal", None) is not None
