"""The Runs page in Chromium: rows follow what happens; cancel, first and later; a lost connection is said and mended."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from app.db import queries
from app.runs import ledger, orders
from tests import demo
from tests.journeys.test_browser import NARROW, RULES, WIDE, Site, Watched, open_page, serving
from workers.catalog.lease import Beat, Finish, Granted, Progress, Start
from workers.catalog.spec import StudySpec

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a worker that is there, one study that is done, and nothing that waits."""
    with serving(tmp_path_factory.mktemp("runs")) as empty:
        demo.present(empty.database)
        empty.link()
        study = demo.submit(empty.database, demo.order(name="earlier"), demo.owner(empty.database))
        demo.measure(empty.database, study)
        yield empty


@pytest.fixture
def watched(site: Site, browser: Browser) -> Iterator[Watched]:
    """A signed-in page that must do nothing wrong."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    yield seen
    context.close()
    assert seen.faults == []


def queued(site: Site, name: str) -> list[str]:
    """A study of three runs that wait."""
    order = demo.order(name=name, variants=demo.order()["variants"][:2])
    study = demo.submit(site.database, order, demo.owner(site.database))
    with site.database.reading() as session:
        return [run.id for run in queries.runs(session, study)]


def begin(site: Site, run: str) -> Granted:
    with site.database.writing() as session:
        granted = ledger.claim(session, run, demo.WORKER)
        ledger.start(session, run, Start(token=granted.token, pid=1))
    return granted


def beat(site: Site, granted: Granted, fraction: float, words: str, *lines: str) -> None:
    progress = Progress(phase="measure", message=words, fraction=fraction)
    with site.database.writing() as session:
        ledger.beat(session, granted.run, Beat(token=granted.token, progress=progress, log=lines))


def finish(site: Site, granted: Granted) -> None:
    planned = next(iter(StudySpec.model_validate(demo.order()).runs()))
    with site.database.writing() as session:
        ledger.finish(session, granted.run, Finish(token=granted.token, report=demo.report(planned)))


def test_rows_follow_what_happens_without_a_reload(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}/runs")
    expect(page.locator("#live")).to_have_text("live")
    page.evaluate("window.same = true")
    first, second, third = queued(site, "watched")
    row = page.locator(f'#queue [data-row="{third}"]')
    expect(row.locator(".place")).to_have_text("3")
    granted = begin(site, first)
    running = page.locator(f'#running [data-row="{first}"]')
    expect(running).to_contain_text("earlier runs like it")
    beat(site, granted, 0.4, "pair 1 of 2")
    expect(running.locator("progress")).to_have_js_property("value", 0.4)
    expect(running.locator("[data-phase]")).to_have_text("measure · pair 1 of 2")
    again = row.get_by_role("button", name="First")
    again.focus()
    page.keyboard.press("Enter")
    expect(row.locator(".place")).to_have_text("1")
    expect(again).to_be_focused()
    row.get_by_role("button", name="Later").click()
    expect(row.locator(".place")).to_have_text("2")
    page.get_by_label("First and Later move the whole study").check()
    row.get_by_role("button", name="First").click()
    expect(page.locator(f'#queue [data-row="{second}"]')).to_contain_text("+1")
    page.locator(f'#queue [data-row="{second}"]').get_by_role("button", name="Cancel").click()
    expect(page.locator(f'#finished [data-row="{second}"]')).to_contain_text("cancelled")
    finish(site, granted)
    expect(page.locator(f'#finished [data-row="{first}"]')).to_be_visible()
    expect(page.locator("#running")).to_contain_text("No run is being measured.")
    assert page.evaluate("window.same")
    row.get_by_role("button", name="Cancel").click()
    expect(page.locator("#queue")).to_contain_text("Nothing waits.")


def test_a_run_s_page_tells_its_log_and_shows_its_figures_when_it_ends(site: Site, watched: Watched) -> None:
    page = watched.page
    first, *rest = queued(site, "told")
    granted = begin(site, first)
    page.goto(f"{site.url}/runs/{first}")
    expect(page.locator("#log")).to_have_text(re.compile("Nothing was written yet."))
    beat(site, granted, 0.7, "pair 2 of 2", "model built in 0.4 s", "<b>pair</b> 1")
    expect(page.locator("#log")).to_have_text(re.compile(r"^model built in 0.4 s\n<b>pair</b> 1\s*$"))
    expect(page.locator("#going progress")).to_have_js_property("value", 0.7)
    finish(site, granted)
    expect(page.locator('[data-chart="samples"] .scatterlayer path').first).to_be_visible()
    expect(page.locator("#run-state")).to_contain_text("Run again")
    for run in rest:
        page.goto(f"{site.url}/runs/{run}")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#run-state")).to_contain_text("cancelled")


def test_a_lost_connection_is_said_polled_over_and_mended(site: Site, watched: Watched) -> None:
    page = watched.page
    page.add_init_script(
        "{const real = window.EventSource; window.EventSource = function (url) {"
        " return new real(window.broken ? '/api/v1/nowhere' : url); }; }"
    )
    page.goto(f"{site.url}/runs")
    expect(page.locator("#live")).to_have_text("live")
    page.clock.install()
    page.evaluate("window.broken = true; document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate("dispatchEvent(new Event('pagehide')); dispatchEvent(new Event('pageshow'))")
    page.clock.run_for(2_000)
    expect(page.locator("#live")).to_have_text("connection lost, trying again")
    for _ in range(3):
        page.clock.run_for(4_000)
        page.wait_for_timeout(100)
    expect(page.locator("#live")).to_have_text("no live connection, looking every few seconds")
    first, *rest = queued(site, "polled")
    page.clock.run_for(6_000)
    expect(page.locator(f'#queue [data-row="{first}"]')).to_be_visible()
    page.evaluate("window.broken = false")
    page.clock.run_for(25_000)
    expect(page.locator("#live")).to_have_text("live")
    watched.faults[:] = [fault for fault in watched.faults if "404" not in fault and "nowhere" not in fault]
    for run in (first, *rest):
        page.locator(f'#queue [data-row="{run}"]').get_by_role("button", name="Cancel").click()
        page.clock.run_for(1_000)


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light wide", "dark narrow"])
def test_lists_and_runs_are_accessible_and_fit(site: Site, browser: Browser, scheme: Any, viewport: Any) -> None:
    runs = queued(site, f"a name that is long enough to need two lines on a telephone, {scheme}")
    granted = begin(site, runs[0])
    beat(site, granted, 0.3, "pair 1 of 3")
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    seen = open_page(site, context)
    seen.page.goto(site.link())
    found: list[str] = []
    for path in ("/runs", "/runs?state=queued", "/runs?state=ended&device=cpu", f"/runs/{runs[0]}", f"/runs/{runs[1]}"):
        seen.page.goto(site.url + path)
        expect(seen.page.locator("h1")).to_be_visible()
        answer = Axe().run(seen.page, options=RULES)
        found += [f"{path} {one['id']} {one['nodes'][0]['html'][:120]}" for one in answer.response["violations"]]
        if seen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{path} is wider than the screen")
    context.close()
    finish(site, granted)
    with site.database.writing() as session:
        for run in runs[1:]:
            orders.cancel_run(session, run)
    assert found == []
    assert seen.faults == []
