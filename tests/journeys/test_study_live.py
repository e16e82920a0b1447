"""A study's page in Chromium while it is measured: an answer that fails once stops nothing, and a long outage is said and polled over."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from app.api import streams
from app.db import queries
from tests import demo
from tests.journeys.test_browser import WIDE, Site, Watched, open_page, serving
from tests.journeys.test_runs_page import beat, begin, finish

pytestmark = pytest.mark.browser

STREAM = "**/api/v1/studies/*/events?*"
LIVE = "[data-live-state]"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a worker that is there and does nothing by itself."""
    with serving(tmp_path_factory.mktemp("live")) as empty:
        demo.present(empty.database)
        empty.link()
        yield empty


@pytest.fixture
def watched(site: Site, browser: Browser) -> Iterator[Watched]:
    """A signed-in page that must do nothing wrong, besides what a server that is away brings about."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    yield seen
    context.close()
    assert [fault for fault in seen.faults if "503" not in fault] == []


def queued(site: Site, name: str) -> tuple[str, list[str]]:
    """A study of two runs that wait, and these."""
    order = demo.order(name=name, variants=demo.order()["variants"][:1])
    study = demo.submit(site.database, order, demo.owner(site.database))
    with site.database.reading() as session:
        return study, [run.id for run in queries.runs(session, study)]


def test_one_refusal_on_reconnecting_does_not_end_it(
    site: Site, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = watched.page
    study, (first, second) = queued(site, "refused once")
    monkeypatch.setattr(streams, "STREAM_S", 1.0)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) != 2:
            return route.continue_()
        monkeypatch.setattr(streams, "STREAM_S", 600.0)
        route.fulfill(status=503)

    page.route(STREAM, answer)
    with page.expect_response(lambda response: response.status == 503):
        page.goto(f"{site.url}/studies/{study}?tab=log")
    granted = begin(site, first)
    beat(site, granted, 0.5, "pair 1 of 2", "model built in 0.4 s")
    expect(page.locator("#progress-bar")).to_have_js_property("value", 0.25)
    expect(page.locator("#progress-message")).to_contain_text("measure · pair 1 of 2")
    expect(page.locator("#log")).to_have_text("model built in 0.4 s\n")
    expect(page.locator(LIVE)).to_have_text("live")
    beat(site, granted, 0.9, "pair 2 of 2", "<b>pair</b> 2")
    expect(page.locator("#log")).to_have_text("model built in 0.4 s\n<b>pair</b> 2\n")
    assert len(asked) == 3
    finish(site, granted)
    finish(site, begin(site, second))
    expect(page.locator("#study-state")).to_contain_text("done")
    expect(page.locator(LIVE)).to_be_hidden()


def test_a_long_outage_is_said_polled_over_and_mended(site: Site, watched: Watched) -> None:
    page = watched.page
    study, (first, second) = queued(site, "away for long")
    finish(site, begin(site, first))
    page.goto(f"{site.url}/studies/{study}")
    chart = page.locator('[data-chart="trade_off"] .plot .point:visible').first
    expect(chart).to_be_visible()
    expect(page.locator(LIVE)).to_have_text("live")
    page.route(STREAM, lambda route: route.fulfill(status=503))
    page.clock.install()
    page.evaluate("dispatchEvent(new Event('pagehide')); dispatchEvent(new Event('pageshow'))")
    page.clock.run_for(2_000)
    expect(page.locator(LIVE)).to_have_text("connection lost, trying again")
    for _ in range(3):
        page.clock.run_for(4_000)
        page.wait_for_timeout(100)
    expect(page.locator(LIVE)).to_have_text("no live connection, looking every few seconds")
    beat(site, begin(site, second), 0.5, "pair 1 of 2")
    page.clock.run_for(6_000)
    expect(page.locator("#progress-bar")).to_have_js_property("value", 0.75)
    page.route(f"**/studies/{study}", lambda route: route.fulfill(status=503))
    page.clock.run_for(6_000)
    expect(page.locator(LIVE)).to_have_text("cannot be refreshed just now, trying again")
    expect(chart).to_be_visible()
    page.unroute_all()
    page.clock.run_for(25_000)
    expect(page.locator(LIVE)).to_have_text("live")
