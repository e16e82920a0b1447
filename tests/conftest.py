"""Fixtures of the web side: settings, a migrated database, the application, and clients that are signed in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.migrate import migrate
from app.db.session import Database
from app.door.security import Scope, create_token
from app.log import configure_log
from app.main import create_app
from app.settings import Settings
from tests.services import postgres_database

configure_log()

# Threads of torch that wait for one another give the processor away meanwhile: on a busy machine the suite would take
# several times as long, and what a test asserts is never a time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

FILE = "tradespace.sqlite"
ADDRESS = "http://127.0.0.1:8000"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take minutes first; they are handed out to processes in this order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def database_kind() -> str:
    """Which database the test runs on; parametrise it with ``tests.services.BOTH_DATABASES``."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path, database_kind: str) -> Iterator[Settings]:
    """Settings with an empty data folder, and an empty database of the kind asked for."""
    if database_kind == "sqlite":
        yield Settings(data=tmp_path)
        return
    with postgres_database() as url:
        yield Settings(data=tmp_path, database_url=url)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables and nothing in them: to copy it takes less than to migrate each time."""
    folder = tmp_path_factory.mktemp("tables")
    migrate(Settings(data=folder))
    return folder / FILE


@pytest.fixture
def database(settings: Settings, database_kind: str, tables: Path) -> Iterator[Database]:
    """A database with the newest tables."""
    if database_kind == "sqlite" and not (settings.data / FILE).exists():
        shutil.copyfile(tables, settings.data / FILE)
    migrate(settings)
    opened = Database(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    """The application, not yet started."""
    return create_app(settings)


@pytest.fixture
def anonymous(app: FastAPI) -> Iterator[TestClient]:
    """A client of the started application, without credentials."""
    with TestClient(app, base_url=ADDRESS) as client:
        yield client


def signed_in(app: FastAPI, database: Database, name: str, scope: Scope) -> TestClient:
    """A client with a token; the application must have been started by another client."""
    with database.writing() as session:
        token = create_token(session, name, scope)
    return TestClient(app, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def client(app: FastAPI, database: Database, anonymous: TestClient) -> TestClient:
    """A client of an administrator."""
    return signed_in(app, database, "ada", "admin")


@pytest.fixture
def worker(app: FastAPI, database: Database, anonymous: TestClient) -> TestClient:
    """A client of a worker."""
    return signed_in(app, database, "box", "worker")
