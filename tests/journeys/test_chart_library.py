"""The library that draws the charts is large: a page loads it when it draws a chart, and no other page does."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import demo
from tests.journeys.test_browser import Site, measured, open_page, site, watched

__all__ = ["measured", "site", "watched"]

pytestmark = [pytest.mark.browser]

LIBRARY = "/static/vendor/plotly"
CHART = ".js-plotly-plot"
PAGES = {
    "/explore": True,
    "/explore?tab=parallel": False,
    "/explore?technique=torch_compile&outcome=oom_host": False,
    "{study}": True,
    "{study}?tab=effects": True,
    "{study}?tab=energy": False,
    "{study}?tab=environment": False,
    "{study}?tab=log": False,
    "{study}?tab=reproduce": False,
    "{failed}": False,
    "{run}": True,
    "/compare?runs={runs}": True,
    "/compare": False,
    "/techniques/precision": True,
    "/techniques/gradient_checkpointing": False,
    "/": False,
    "/studies": False,
    "/studies/new": False,
    "/runs": False,
    "/workers": False,
    "/coverage": False,
    "/techniques": False,
    "/models": False,
    "/hardware": False,
    "/views": False,
    "/docs": False,
    "/plan": False,
    "/guide": False,
    "/claims": False,
}
"""Whether a page draws a chart with it."""


@pytest.fixture(scope="module")
def signed_in(site: Site, measured: dict[str, str], browser: Browser) -> Any:
    """Cookies of somebody who has signed in, for windows that begin with an empty cache."""
    context = browser.new_context()
    context.new_page().goto(site.link())
    state = context.storage_state()
    context.close()
    return state


def loads(page: Page) -> list[str]:
    """What a page asks for of the library, from now on."""
    found: list[str] = []
    page.on("request", lambda asked: found.append(asked.url) if LIBRARY in asked.url else None)
    return found


@pytest.mark.parametrize(("path", "draws"), PAGES.items(), ids=PAGES.keys())
def test_only_a_page_with_a_chart_loads_it(
    path: str, draws: bool, site: Site, measured: dict[str, str], signed_in: Any, browser: Browser
) -> None:
    context = browser.new_context(storage_state=signed_in)
    seen = open_page(site, context)
    loaded = loads(seen.page)
    runs = measured["run"].rpartition("/")[2], measured["fell"].rpartition("/")[2]
    seen.page.goto(site.url + path.format(**measured, runs=",".join(runs)), wait_until="load")
    if draws:
        expect(seen.page.locator(CHART).first).to_be_visible()
    elif path.startswith(("/explore", "{")):
        # They ask for more after they have been loaded, and for nothing as long as it lasts.
        seen.page.wait_for_load_state("networkidle")
    charts = seen.page.locator(CHART).count()
    context.close()
    assert (charts > 0, len(loaded)) == (draws, int(draws))
    assert seen.faults == []


def test_the_first_chart_of_an_open_page_brings_it(site: Site, signed_in: Any, browser: Browser) -> None:
    study = demo.submit(site.database, demo.order(name="opened before it ran"), demo.owner(site.database))
    context = browser.new_context(storage_state=signed_in)
    seen = open_page(site, context)
    loaded = loads(seen.page)
    seen.page.goto(f"{site.url}/studies/{study}")
    expect(seen.page.locator(".chart-message")).to_have_text("Nothing has been measured yet.")
    assert loaded == []
    demo.measure(site.database, study, 2)
    expect(seen.page.locator(f"{CHART} .point").first).to_be_visible()
    context.close()
    assert len(loaded) == 1
    assert seen.faults == []


def test_a_filter_that_is_taken_away_brings_it(
    site: Site, measured: dict[str, str], signed_in: Any, browser: Browser
) -> None:
    context = browser.new_context(storage_state=signed_in)
    seen = open_page(site, context)
    loaded = loads(seen.page)
    seen.page.goto(f"{site.url}/explore?technique=torch_compile&outcome=oom_host")
    expect(seen.page.locator(".chart-message")).to_contain_text("No result of these has both figures.")
    assert loaded == []
    seen.page.locator(".chip", has_text="oom_host").click()
    expect(seen.page.locator(f"{CHART} .point").first).to_be_visible()
    context.close()
    assert len(loaded) == 1
    assert seen.faults == []


def test_a_library_that_does_not_come_is_said_and_asked_for_again(
    site: Site, measured: dict[str, str], signed_in: Any, browser: Browser
) -> None:
    context = browser.new_context(storage_state=signed_in)
    page = context.new_page()
    page.route(f"**{LIBRARY}**", lambda route: route.abort())
    page.goto(site.url + measured["study"])
    expect(page.locator(".chart-message:visible")).to_have_text("What draws the charts could not be fetched.")
    page.unroute(f"**{LIBRARY}**")
    page.get_by_label("Vertical axis").select_option(label="Weights")
    expect(page.locator(f"{CHART} .point").first).to_be_visible()
    context.close()
