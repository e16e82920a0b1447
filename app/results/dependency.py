"""All results, as pages and the JSON API are given them."""

from typing import Annotated

from fastapi import Depends, Request

from app.db.session import Database
from app.results.columns import Columns, Table


def _results(request: Request) -> Table:
    database: Database = request.app.state.database
    columns: Columns = request.app.state.columns
    with database.reading() as session:
        return columns.table(session)


Results = Annotated[Table, Depends(_results)]
"""All results, with what has been written until now."""
