"""The databases and brokers that tests run against; a missing service skips its tests by name, and fails under CI."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

POSTGRES = os.environ.get("TRADESPACE_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of several test processes this is; each has a Redis database of its own."""
GIVEN = urlsplit(os.environ.get("TRADESPACE_TEST_REDIS", "redis://127.0.0.1:6379/15"))
REDIS = GIVEN._replace(path=f"/{(int(GIVEN.path.strip('/') or 0) - WORKER) % 16}").geturl()

BOTH_DATABASES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgres", id="postgres", marks=pytest.mark.postgres),
]
"""For ``@pytest.mark.parametrize("database_kind", BOTH_DATABASES)``; without it tests run on SQLite."""


def missing(what: str) -> None:
    """Skip the test, or fail it where every service has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI=true allows no skipped service")
    pytest.skip(what)


@contextmanager
def postgres_database() -> Iterator[str]:
    """The address of an empty database that is dropped at the end."""
    name = f"tradespace_test_{secrets.token_hex(6)}"
    engine = create_engine(POSTGRES, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        missing(f"no PostgreSQL server at {make_url(POSTGRES).render_as_string()}")
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def redis_url() -> str:
    """The address of a Redis database that tests may use."""
    import redis

    client = redis.Redis.from_url(REDIS, socket_connect_timeout=3)
    try:
        client.ping()
    except redis.exceptions.ConnectionError:
        missing(f"no Redis server at {REDIS}")
    finally:
        client.close()
    return REDIS
