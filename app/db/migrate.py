"""Brings the database to the newest tables; ``python -m app.db.migrate`` does it by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import Database
from app.settings import CannotStart, Settings, read_settings

if TYPE_CHECKING:
    # At run time only where there is something to migrate: a server that starts has no other use for Alembic.
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_LOCK = 0x7261_6465
"""PostgreSQL's advisory lock, so that two programs that start together do not both migrate."""


def migrate(settings: Settings) -> None:
    """Bring the database of these settings to the newest tables; does nothing when it has them.

    Raises:
        CannotStart: the database cannot be reached or written, or a newer version of the program made its tables.
    """
    database = Database(settings.database)
    try:
        upgrade(database)
    finally:
        database.close()


def upgrade(database: Database) -> None:
    """As ``migrate``, for an open database."""
    try:
        if is_current(database):
            return
        from alembic import command
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with database.writing() as session:
            connection = session.connection()
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config = configuration(connection)
            current = MigrationContext.configure(connection).get_current_revision()
            script = ScriptDirectory.from_config(config)
            if current == script.get_current_head():
                return
            if current is not None and not _known(script, current):
                raise CannotStart(
                    f"the database has tables of a newer version ({current}); this program knows "
                    f"{script.get_current_head()}. Start the newer program, or restore an older backup."
                )
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise CannotStart(f"cannot use the database {place(database)}: {reason(error)}") from error


def is_current(database: Database) -> bool:
    """Whether the database has the newest tables. Files of migrations are named by their revision, which rises."""
    newest = max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    with database.reading() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return False
        return session.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest]


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, working inside an open transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def place(database: Database) -> str:
    """Where a database is, without its password."""
    return database.engine.url.render_as_string(hide_password=True)


def reason(error: SQLAlchemyError) -> str:
    """The first line of what the driver said."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0]


def _known(script: ScriptDirectory, revision: str) -> bool:
    from alembic.util import CommandError

    try:
        return script.get_revision(revision) is not None
    except CommandError:
        return False


if __name__ == "__main__":
    try:
        migrate(read_settings())
    except CannotStart as error:
        print(f"tradespace: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
