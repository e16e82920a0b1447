"""A server with pages in this process, a signed-in reader, and studies in every state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi.testclient import TestClient

from app.db.migrate import migrate
from app.db.session import Database
from app.door.security import create_signin_link
from app.main import create_app
from app.settings import Settings
from tests import demo

ADDRESS = "http://127.0.0.1:8000"
HOSTILE = "<img src=x onerror=alert(1)> {{7*7}} =HYPERLINK(1)"


class House(NamedTuple):
    """A server and what is in it."""

    database: Database
    browser: TestClient
    """Signed in, and asks for pages."""
    owner_id: str
    studies: dict[str, str]
    """Ids by what they are an example of."""


@contextmanager
def opened(data: Path) -> Iterator[House]:
    """An empty server in a folder, and somebody who has signed in."""
    settings = Settings(data=data)
    migrate(settings)
    app = create_app(settings)
    database: Database = app.state.database
    with database.writing() as session:
        secret = create_signin_link(session)
    browser = TestClient(app, base_url=ADDRESS, headers={"Accept": "text/html"}, follow_redirects=False)
    assert browser.get(f"/sign-in/{secret}").status_code == 303
    yield House(database, browser, demo.owner(database), {})
    browser.close()
    database.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty server; nobody measures."""
    with opened(tmp_path) as empty:
        yield empty


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Studies that are done, swept, all failed, with hostile names, profiled, measured on two machines, with a variant
    that fell back, half done, and queued for an absent GPU.

    Shared by tests that only look.
    """
    variants = demo.order()["variants"]
    orders = {
        "done": demo.order(),
        "swept": demo.order(name="swept", sweep={"sequence_length": [128, 512]}, variants=variants[:2]),
        "failed": demo.order(
            name="failed", baseline={"name": "nf4", "stack": [{"technique": "nf4"}]}, variants=[variants[6]]
        ),
        "hostile": demo.order(name=HOSTILE, variants=[{**variants[0], "name": HOSTILE}]),
        "profiled": demo.order(name="profiled", profile=True, variants=variants[:2]),
        "mixed": demo.order(name="two machines", variants=variants[:3]),
        "fallen": demo.order(name="fell back"),
        "going": demo.order(name="half done"),
        "queued": demo.order(name="waits for a GPU", device="cuda"),
    }
    with opened(tmp_path_factory.mktemp("full")) as house:
        demo.present(house.database)
        for word, asked in orders.items():
            house.studies[word] = demo.submit(house.database, asked, house.owner_id)
        for word in ("done", "swept", "failed", "hostile", "profiled"):
            demo.measure(house.database, house.studies[word])
        demo.measure(house.database, house.studies["mixed"], brings=demo.elsewhere)
        demo.measure(house.database, house.studies["fallen"], brings=demo.fallen)
        demo.measure(house.database, house.studies["going"], 3, stop_before_report=True)
        yield house
