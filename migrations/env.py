"""Runs migrations inside the transaction that ``app.db.migrate`` opened."""

from alembic import context
from sqlmodel import SQLModel

from app.db import tables  # noqa: F401  (registers the tables)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True, compare_type=True)
context.run_migrations()
