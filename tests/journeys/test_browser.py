"""The pages in Chromium: a study from the form to its chart, watched live; accessibility; narrow screens; strict headers."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from app.db import queries
from app.db.migrate import migrate
from app.db.session import Database
from app.door.security import create_signin_link
from app.main import create_app
from app.pages.study_view import TABS
from app.settings import Settings
from tests import demo
from tests.journeys.house import until

pytestmark = [pytest.mark.browser, pytest.mark.long]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


class Site(NamedTuple):
    """A server of this process on a port of its own."""

    url: str
    database: Database

    def link(self) -> str:
        """A fresh sign-in link."""
        with self.database.writing() as session:
            return f"{self.url}/sign-in/{create_signin_link(session)}"


@contextmanager
def serving(data: Path) -> Iterator[Site]:
    """An empty server on a folder; no worker is there."""
    settings = Settings(data=data, port=0)
    migrate(settings)
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    app.state.is_stopping = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the server listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    database: Database = app.state.database
    yield Site(f"http://127.0.0.1:{port}", database)
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty server with a worker that is there and does nothing by itself."""
    with serving(tmp_path_factory.mktemp("site")) as empty:
        demo.present(empty.database)
        yield empty


@pytest.fixture(scope="module")
def measured(site: Site) -> dict[str, str]:
    """Addresses of studies that are done, failed, fell back and were measured on two machines, and of runs."""
    site.link()
    owner = demo.owner(site.database)
    variants = demo.order()["variants"]
    broken = demo.order(
        name="failed", baseline={"name": "nf4", "stack": [{"technique": "nf4"}]}, variants=variants[6:7]
    )
    done = demo.submit(site.database, demo.order(), owner)
    failed = demo.submit(site.database, broken, owner)
    for study in (done, failed):
        demo.measure(site.database, study)
    profiled = demo.submit(site.database, demo.order(name="profiled", profile=True, variants=variants[:2]), owner)
    mixed = demo.submit(site.database, demo.order(name="two machines", variants=variants[:3]), owner)
    fallen = demo.submit(site.database, demo.order(name="fell back"), owner)
    demo.measure(site.database, profiled)
    demo.measure(site.database, mixed, brings=demo.elsewhere)
    demo.measure(site.database, fallen, brings=demo.fallen)
    with site.database.reading() as session:
        run, fell = queries.runs(session, profiled)[1].id, queries.runs(session, fallen)[5].id
    return {
        "study": f"/studies/{done}",
        "failed": f"/studies/{failed}",
        "mixed": f"/studies/{mixed}",
        "fallen": f"/studies/{fallen}",
        "run": f"/runs/{run}",
        "fell": f"/runs/{fell}",
    }


class Watched(NamedTuple):
    """A page, and everything it must not have done: errors, refusals by policy, requests to another origin."""

    page: Page
    faults: list[str]


def open_page(site: Site, context: BrowserContext) -> Watched:
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    local = (site.url, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(local) else faults.append(request.url))
    return Watched(page, faults)


@pytest.fixture
def watched(site: Site, browser: Browser) -> Iterator[Watched]:
    """A wide window, signed in by a link."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    expect(seen.page.locator("h1")).to_have_text("Which optimisations are worth it here?")
    yield seen
    context.close()
    assert seen.faults == []


def rows(page: Page) -> Locator:
    return page.locator("#tables section[aria-labelledby=against] tbody tr")


def options(page: Page) -> Locator:
    return page.locator('#tables [data-table="trade_off"] tbody tr')


def tab(page: Page, name: str) -> None:
    """Open a tab of a study's page."""
    page.get_by_role("navigation", name="Views of this study").get_by_role("link", name=name).click()
    expect(page.locator('.tabs [aria-current="page"]')).to_have_text(name)


def test_a_study_from_the_form_to_its_chart(site: Site, watched: Watched) -> None:
    page = watched.page
    page.get_by_role("link", name="New study").first.click()
    expect(page.locator('[data-slot="runs"]')).to_have_text("5 runs")
    page.get_by_role("button", name="Remove variant int8").click()
    page.get_by_role("button", name="+ bf16 + compile").click()
    expect(page.locator('[data-slot="runs"]')).to_have_text("5 runs")
    page.get_by_label("Name", exact=True).first.fill("from the form")
    page.get_by_role("button", name="Measure").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/studies/[0-9A-Z]{26}$"))
    study = page.url.rsplit("/", 1)[1]
    expect(page.locator("h1")).to_have_text("from the form")
    expect(page.locator("#study-state")).to_contain_text("queued")
    page.evaluate("window.sameDocument = true")

    demo.measure(site.database, study, 2)
    expect(page.get_by_text("2 of 5 runs finished")).to_be_visible()
    expect(
        page.locator('[data-chart="trade_off"] .js-plotly-plot .point, [data-chart="trade_off"] .plot .point').first
    ).to_be_visible()
    expect(options(page)).to_have_count(5)
    expect(options(page).filter(has_text="on the front")).to_have_count(1)
    expect(options(page).filter(has_text="queued")).to_have_count(3)
    assert page.evaluate("window.sameDocument"), "the page was loaded again"

    tab(page, "Log")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#log")).to_contain_text("fp32: pair 1 of 3")
    demo.measure(site.database, study, 1)
    expect(page.locator("#log")).to_contain_text(re.compile(r"(pair 1 of 3.*){3}", re.DOTALL))
    assert page.evaluate("window.sameDocument"), "the page was loaded again"

    tab(page, "Effects")
    page.evaluate("window.sameDocument = true")
    demo.measure(site.database, study)
    expect(page.locator("#study-state")).to_have_text("done")
    expect(rows(page)).to_have_count(5)
    assert page.evaluate("window.sameDocument"), "the page was loaded again"
    for row in rows(page).all():
        cell = row.locator("td").first
        assert re.search(r"×[\d.]+\s*[\d.]+–[\d.]+", cell.inner_text()), cell.inner_text()
        assert re.search(r"faster|slower|same|undecided", cell.inner_text())
    assert "null test" in rows(page).first.inner_text()


def test_metrics_are_picked_and_stay_in_the_address(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    axis = page.locator('[data-chart="trade_off"] .ytitle')
    expect(axis).to_contain_text("Peak allocated")
    page.get_by_label("Vertical axis").select_option(label="Weights")
    expect(axis).to_contain_text("Weights")
    page.wait_for_url(re.compile("y=memory.weights@load"))
    page.reload()
    expect(axis).to_contain_text("Weights")
    expect(page.get_by_label("Vertical axis")).to_have_value("memory.weights@load")


def test_trade_off_opens_with_ratios_and_shows_values_on_request(
    measured: dict[str, str], site: Site, watched: Watched
) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    axis = page.locator('[data-chart="trade_off"] .xtitle')
    expect(axis).to_contain_text("× baseline")
    page.locator('[data-chart="trade_off"] [name="scale"]').select_option("measured")
    expect(axis).to_contain_text("(ms)")
    page.wait_for_url(re.compile("scale=measured"))
    tab(page, "Memory")
    assert "scale=measured" in page.url
    expect(page.locator('[data-chart="anatomy"] .bars .point').first).to_be_visible()


def test_environments_are_compared_by_a_switch_in_the_address(
    measured: dict[str, str], site: Site, watched: Watched
) -> None:
    page = watched.page
    page.goto(site.url + measured["mixed"])
    expect(page.get_by_text("Measured in 2 environments.", exact=True)).to_be_visible()
    scale = page.locator('[data-chart="trade_off"] [name="scale"]')
    expect(scale.locator('option[value="measured"]')).to_be_disabled()
    page.get_by_role("link", name="Compare anyway").click()
    expect(page.get_by_text("Compared across environments.", exact=True)).to_be_visible()
    assert "across_environments=true" in page.url
    scale.select_option("measured")
    expect(page.locator("#caption-trade_off")).to_contain_text("Across environments that differ in cpu.model")
    page.get_by_role("link", name="Ratios only").click()
    expect(page.locator('[data-chart="trade_off"] .xtitle')).to_contain_text("× baseline")


def test_a_run_shows_its_memory_and_gives_its_trace(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["run"])
    expect(page.locator('[data-chart="anatomy"] .bars .point').first).to_be_visible()
    expect(page.locator('[data-chart="memory_over_time"] .scatterlayer .lines path').first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="trace.json, bf16").click()
    trace = json.loads(waiting.value.path().read_text())
    assert trace["traceEvents"][0]["args"] == {"arm": "variant"}


def test_the_form_notices_a_worker_that_comes(tmp_path: Path, browser: Browser) -> None:
    with serving(tmp_path) as empty:
        context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(empty.link())
        page.goto(f"{empty.url}/studies/new")
        expect(page.locator("#absent")).to_be_visible()
        demo.present(empty.database)
        expect(page.locator("#absent")).to_be_hidden(timeout=20_000)
        expect(page.locator('[data-slot="device"] label').first).to_contain_text("a worker is present")
        context.close()


def test_a_profile_is_asked_for_in_the_form(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}/studies/new")
    page.get_by_label("Profile").check()
    expect(page.locator(".summary code").first).to_contain_text('"profile": true')


def test_theme_is_switched_and_kept(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}{measured['study']}?tab=effects")
    point = page.locator('[data-chart="effects"] .point').first
    expect(point).to_be_visible()
    before = point.evaluate("node => getComputedStyle(node).stroke")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('[data-chart=effects] .point')).stroke !== before",
        arg=before,
    )
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_charts_offer_no_upload(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn = page.locator('[data-chart="trade_off"] .js-plotly-plot')
    drawn.hover()
    expect(drawn.locator(".modebar-btn").first).to_be_attached()
    titles = [str(button.get_attribute("data-title")) for button in page.locator(".modebar-btn").all()]
    assert titles
    assert not [title for title in titles if re.search("share|cloud|studio|plotly", title, re.IGNORECASE)]


def test_form_names_what_is_wrong_where_it_is(site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{site.url}/studies/new")
    batch = page.locator('[data-field="workload.batch_size"]')
    batch.locator("input").fill("0")
    expect(batch.locator(".field-error")).not_to_be_empty()
    expect(batch.locator("input")).to_have_attribute("aria-invalid", "true")
    batch.locator("input").fill("2")
    expect(batch.locator(".field-error")).to_be_empty()
    page.get_by_role("button", name="checkpointing").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pick-reason")).to_contain_text("is for training; prefill is inference")
    options: list[str] = page.locator('[data-field="baseline.stack"] option:disabled').all_inner_texts()
    assert any("already in the stack" in option for option in options)


def test_a_finished_study_fills_the_form_again(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    page.get_by_role("link", name="Change and run again").click()
    expect(page.locator('[data-slot="runs"]')).to_have_text("8 runs")
    expect(page.get_by_label("Name", exact=True).first).to_have_value("tiny llama, what pays on this CPU")


def test_without_scripts_the_tables_are_there(measured: dict[str, str], site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport=NARROW, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(site.link())
    page.goto(site.url + measured["study"])
    expect(options(page)).to_have_count(8)
    expect(page.locator(".still")).to_be_visible()
    tab(page, "Effects")
    expect(rows(page)).to_have_count(8)
    expect(page.get_by_text("The chart needs JavaScript.").first).to_be_visible()
    page.goto(f"{site.url}/studies/new")
    expect(page.get_by_text("The form needs JavaScript.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("You are signed out")
    context.close()


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light wide", "dark narrow"])
def test_every_page_is_accessible_and_fits(
    measured: dict[str, str], site: Site, browser: Browser, scheme: Any, viewport: Any
) -> None:
    # axe runs as a script of its own, which the pages' policy forbids; the other tests keep the policy on.
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    seen = open_page(site, context)
    seen.page.goto(site.link())
    found: list[str] = []
    tabs = [f"{measured['study']}?tab={name}" for name, _ in TABS]
    for path in ("/", "/studies", "/studies/new", "/workers", "/sign-in", *measured.values(), *tabs):
        seen.page.goto(site.url + path)
        seen.page.wait_for_load_state("networkidle")
        for fold in seen.page.locator("details").all():
            fold.evaluate("node => { node.open = true; }")
        answer = Axe().run(seen.page, options=RULES)
        found += [f"{path} {one['id']} {one['nodes'][0]['html'][:120]}" for one in answer.response["violations"]]
        if seen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{path} is wider than the screen")
    context.close()
    assert found == []
    assert seen.faults == []
