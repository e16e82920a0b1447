"""Techniques, hardware, claims and what is advised in Chromium: the forest is drawn, ceilings are asked for, nothing is refused, readers of every kind can read."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from app.db import queries
from app.devices import ceilings
from tests import demo
from tests.journeys.test_browser import NARROW, RULES, WIDE, Site, open_page, serving
from tests.workers.catalog.test_ceilings import MEASURED

pytestmark = [pytest.mark.browser]

PAGES = (
    "/techniques",
    "/techniques/precision",
    "/models",
    f"/models/{quote('llama tiny')}/on/{quote('AMD EPYC 9B45')}",
    "/hardware",
    f"/hardware/{demo.DEVICE.key}",
    "/plan",
    "/guide",
    "/claims",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a measured study and a worker whose device has ceilings."""
    with serving(tmp_path_factory.mktemp("knowledge")) as here:
        demo.present(here.database)
        here.link()
        demo.measure(here.database, demo.submit(here.database, demo.order(), demo.owner(here.database)))
        with here.database.writing() as session:
            ceilings.keep(session, queries.workers(session).items[0].id, MEASURED)
        yield here


def test_a_technique_is_read_and_a_device_measured_again(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    page = seen.page
    page.goto(site.link())
    page.goto(f"{site.url}/techniques")
    page.get_by_role("link", name="Precision", exact=True).click()
    expect(page.locator("[data-drawing] .point")).to_have_count(1)
    page.get_by_label("Quantity").select_option("memory")
    page.wait_for_url("**/techniques/precision?figure=memory*")
    expect(page.locator("[data-drawing] .xtitle")).to_contain_text("Peak allocated")
    page.goto(f"{site.url}/hardware")
    page.get_by_role("button", name="Measure again").click()
    expect(page.locator("[data-said]")).to_contain_text("Asked.")
    page.reload()
    expect(page.get_by_role("button", name="Measure again")).to_be_disabled()
    context.close()
    assert seen.faults == []


@pytest.mark.parametrize(("theme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light", "dark, narrow"])
def test_every_page_is_accessible_and_fits(site: Site, browser: Browser, theme: str, size: dict[str, int]) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    found: list[str] = []
    for path in PAGES:
        seen.page.goto(site.url + path)
        seen.page.wait_for_load_state("networkidle")
        for fold in seen.page.locator("details").all():
            fold.evaluate("node => node.open = true")
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
        report = Axe().run(seen.page, options=RULES)
        found += [
            f"{path}: {v['id']}: {[node['target'] for node in v['nodes']]}" for v in report.response["violations"]
        ]
    context.close()
    assert found == []
    assert seen.faults == []
