"""The first load of every page without a chart, from an empty cache: few requests, few bytes, nothing from elsewhere."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, StorageState

from tests import demo
from tests.journeys.test_browser import Site, serving

pytestmark = [pytest.mark.browser]

MOST_REQUESTS, MOST_BYTES = 8, 80_000
"""Goal 1 of docs/dashboard.md."""
PAGES = (
    "/",
    "/studies",
    "/studies/new",
    "/runs",
    "/workers",
    "/compare",
    "/coverage",
    "/views",
    "/techniques",
    "/models",
    "/hardware",
    "/docs",
    "/plan",
    "/guide",
    "/claims",
    "/nowhere",
)


class Reader(NamedTuple):
    """A server with a measured study, and the cookies of somebody who has signed in."""

    site: Site
    cookies: StorageState


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Reader]:
    with serving(tmp_path_factory.mktemp("first-load")) as site:
        context = browser.new_context()
        context.new_page().goto(site.link())
        demo.present(site.database)
        demo.measure(site.database, demo.submit(site.database, demo.order(), demo.owner(site.database)))
        yield Reader(site, context.storage_state())
        context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_charts_comes_light(reader: Reader, browser: Browser, path: str) -> None:
    context = browser.new_context(storage_state=reader.cookies)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[float] = []
    asked: list[str] = []
    network.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(reader.site.url + path, wait_until="load")
    if path == "/studies/new":
        page.locator("#order").wait_for()
    context.close()
    assert 3 < len(asked) <= MOST_REQUESTS, asked
    assert all(url.startswith(reader.site.url) for url in asked)
    assert 0 < sum(sizes) <= MOST_BYTES
