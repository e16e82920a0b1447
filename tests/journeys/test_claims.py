"""Claims in Chromium: topics with their counts, one status picked, a claim's study taken to the form; short on a narrow screen."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import demo
from tests.journeys.test_browser import NARROW, Site, serving
from tests.journeys.test_plan import page

__all__ = ["page"]

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a measured study."""
    with serving(tmp_path_factory.mktemp("claims")) as here:
        demo.present(here.database)
        here.link()
        demo.measure(here.database, demo.submit(here.database, demo.order(), demo.owner(here.database)))
        yield here


def test_a_status_is_picked_and_left(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims")
    statuses = page.get_by_role("navigation", name="By status")
    rows = page.locator("section tbody tr")
    everything = rows.count()
    expect(rows.first).to_be_hidden()
    page.get_by_role("heading", name="Optimizer memory").click()
    expect(page.get_by_role("group", name="Optimizer memory").locator("tr").nth(1)).to_be_visible()
    contradicted = statuses.get_by_role("link", name="contradicted")
    count = int(re.sub(r"\D", "", contradicted.inner_text()))
    contradicted.click()
    expect(page).to_have_url(f"{site.url}/claims?status=contradicted")
    expect(rows).to_have_count(count)
    for row in rows.all():
        expect(row).to_be_visible()
        expect(row.locator(".told")).to_have_text("contradicted")
    expect(rows.locator('a[href^="/runs/"]').first).to_be_visible()
    page.locator("select[name=technique]").select_option("precision")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{site.url}/claims?status=contradicted&technique=precision&topic=")
    assert 0 < rows.count() < count
    statuses.get_by_role("link", name="contradicted").click()
    expect(page).to_have_url(f"{site.url}/claims?technique=precision")
    page.get_by_role("link", name="All ").click()
    expect(rows).to_have_count(everything)


def test_a_claim_is_taken_to_the_form(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims")
    page.get_by_role("heading", name="Attention by length").click()
    page.get_by_role("link", name="Measure this").locator("visible=true").first.click()
    offered = page.locator("#cell")
    expect(offered).to_be_focused()
    offered.get_by_role("button", name="Open in the form").click()
    page.wait_for_url("**/studies/new?draft=*")
    expect(page.locator('[data-slot="problems"] li')).to_have_count(0)
    expect(page.locator("ol.variants > li")).to_have_count(1)


@pytest.mark.parametrize("page", [NARROW], indirect=True, ids=["narrow"])
def test_on_a_narrow_screen_it_is_short_and_nothing_is_cut(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims")
    windows = page.evaluate("document.documentElement.scrollHeight / innerHeight")
    assert windows < 4
    page.get_by_role("heading", name="Optimizer memory").click()
    box = page.get_by_role("group", name="Optimizer memory")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
