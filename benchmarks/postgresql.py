"""A database of its own on a PostgreSQL server, for as long as a benchmark runs."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

SERVER = os.environ.get("TRADESPACE_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
"""The one that the tests use."""


class NoServer(Exception):
    """There is none at the address."""


@contextmanager
def database() -> Iterator[str]:
    """The address of an empty database that is dropped at the end.

    Raises:
        NoServer: the server does not answer, or does not let anybody in.
    """
    name = f"tradespace_bench_{secrets.token_hex(6)}"
    engine = create_engine(SERVER, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        raise NoServer(f"no server at {make_url(SERVER).render_as_string()}") from error
    try:
        yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
