"""What journeys travel with: fresh databases and brokers on real servers, and a browser."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from tests.services import missing, postgres_database, redis_url

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=30_000)
"""A machine that is busy with other tests is slow, not wrong."""


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of an empty database; of ``sqlite`` it is None, the file in the data folder."""
    if request.param == "sqlite":
        yield None
        return
    with postgres_database() as url:
        yield url


@pytest.fixture
def broker_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of an empty broker; of ``filesystem`` it is None, the folder in the data folder."""
    if request.param == "filesystem":
        yield None
        return
    import redis

    url = redis_url()
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the system's, else the one that Playwright fetched."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        except Error:
            missing("no Chromium; `make browser` fetches one")
            raise
        yield opened
        opened.close()
