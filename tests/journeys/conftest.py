"""Databases and brokers for journeys: fresh ones on real servers, where the test asks for them."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text
from ulid import ULID

POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/9"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of an empty database: ``sqlite`` is None, the file in the data folder."""
    if request.param == "sqlite":
        yield None
        return
    server = make_url(os.environ.get("TRADESPACE_TEST_POSTGRES", POSTGRES)).set(drivername="postgresql+psycopg")
    name = f"tradespace_{ULID()}".lower()
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of an empty broker: ``filesystem`` is None, the folder in the data folder."""
    if request.param == "filesystem":
        yield None
        return
    import redis

    url = os.environ.get("TRADESPACE_TEST_REDIS", REDIS)
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()
