"""Hostile texts in every field that people fill: a page has the same elements and attributes as with harmless ones."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import pytest

from app.db import queries
from tests import demo
from tests.app.pages.conftest import House, opened
from tests.hostile import PAYLOADS

OWN = {"Origin": "http://127.0.0.1:8000"}
LINKS = frozenset({"", "http", "https", "mailto"})
OURS = re.compile("/(?!/)")
"""What is loaded or sent stays with this server."""


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes; nothing in it may act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        assert tag not in ("iframe", "object", "embed", "base", "math", "video", "style", "img"), tag
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action"):
                assert urlsplit(str(value)).scheme in LINKS, (tag, value)
            if tag in ("script", "link", "form") and name in ("href", "src", "action"):
                assert OURS.match(str(value)), (tag, value)
        assert tag != "script" or "src" in dict(attrs)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An empty server that all payloads share."""
    with opened(tmp_path_factory.mktemp("hostile")) as empty:
        demo.present(empty.database)
        yield empty


def pages(house: House, text: str) -> dict[str, str]:
    """Every page that shows a study, a variant, a note and a tag of this text, by what it is."""
    variant = {"name": text, "stack": demo.order()["variants"][0]["stack"]}
    study = demo.submit(house.database, demo.order(name=text, variants=[variant]), house.owner_id)
    demo.measure(house.database, study)
    with house.database.reading() as session:
        runs = [run.id for run in queries.runs(session, study)]
    for kind, subject in (("studies", study), ("runs", runs[1])):
        address = f"/api/v1/{kind}/{subject}"
        assert house.browser.post(f"{address}/notes", json={"text": text}, headers=OWN).status_code == 201
        assert house.browser.post(f"{address}/tags", json={"tag": text[:40]}, headers=OWN).status_code == 200
    paths = {
        "study": f"/studies/{study}",
        "run": f"/runs/{runs[1]}",
        "compare": f"/compare?runs={','.join(runs)}",
        "pick": f"/compare?runs={','.join(runs)}&pick=true&search=nothing",
        "tagged": f"/studies?tag={quote(text[:40], safe='')}",
    }
    return {word: house.browser.get(path).text for word, path in paths.items()}


@pytest.fixture(scope="module")
def harmless(house: House) -> dict[str, str]:
    """The same pages for a text without any meaning."""
    return pages(house, "harmless")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_hostile_text_stays_text(house: House, harmless: dict[str, str], payload: str) -> None:
    for word, page in pages(house, payload).items():
        found = Skeleton(page).elements
        assert "<" not in payload or payload not in page, word
        if word in ("compare", "pick"):
            # The others hold a note in Markdown, which is what its author made of it.
            assert found == Skeleton(harmless[word]).elements, word
