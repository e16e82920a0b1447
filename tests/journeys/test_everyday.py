"""Everyday comfort in Chromium: keys, the menu on a narrow screen, the theme, paper, a server that goes, kept pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import demo
from tests.journeys.test_browser import NARROW, WIDE, Site, serving

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A server with one measured study, and its address."""
    with serving(tmp_path_factory.mktemp("everyday")) as site:
        demo.present(site.database)
        site.link()
        order = demo.order(variants=demo.order()["variants"][:2])
        study = demo.submit(site.database, order, demo.owner(site.database))
        demo.measure(site.database, study)
        yield site, f"{site.url}/studies/{study}"


@pytest.fixture
def page(house: tuple[Site, str], browser: Browser) -> Iterator[Page]:
    """A signed-in window on Home that reports what it must not do."""
    context = browser.new_context(viewport=WIDE, permissions=["clipboard-read", "clipboard-write"])  # type: ignore[arg-type]
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(house[0].link())
    yield opened
    context.close()
    assert faults == []


def test_keys_lead_everywhere(house: tuple[Site, str], page: Page) -> None:
    places = [
        (link.get_attribute("data-key"), link.get_attribute("href")) for link in page.locator("a[data-key]").all()
    ]
    assert {"g h", "g s", "g w", "n"} <= {key for key, _ in places}
    for keys, href in places:
        with page.expect_navigation(url=f"{house[0].url}{href}"):
            for key in str(keys).split():
                page.keyboard.press(key)


def test_keys_are_listed_and_can_be_turned_off(house: tuple[Site, str], page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    page.keyboard.press("n")
    assert page.url == f"{house[0].url}/"
    dialog.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.reload()
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    assert page.url == f"{house[0].url}/"
    page.get_by_role("button", name="Keyboard").click()
    dialog.get_by_label("Single keys act").check()
    dialog.get_by_role("button", name="Close").click()
    page.keyboard.press("n")
    page.wait_for_url(f"{house[0].url}/studies/new")


def test_keys_leave_fields_and_modifiers_alone(house: tuple[Site, str], page: Page) -> None:
    page.goto(f"{house[0].url}/studies/new")
    name = page.get_by_label("Name", exact=True).first
    name.fill("")
    name.press_sequentially("gs?nc/")
    expect(name).to_have_value("gs?nc/")
    name.blur()
    page.keyboard.press("Control+s")
    page.keyboard.press("Alt+n")
    assert page.url == f"{house[0].url}/studies/new"
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_acts(house: tuple[Site, str], page: Page) -> None:
    page.goto(f"{house[0].url}/studies?state=done")
    page.keyboard.press("s")
    expect(page.locator("#said")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{house[0].url}/studies?state=done"
    page.evaluate("document.addEventListener('tradespace:compare', () => { window.compared = true; })")
    page.keyboard.press("c")
    assert page.evaluate("window.compared")
    page.keyboard.press("/")
    page.wait_for_function("url => location.href !== url || document.activeElement?.matches('input')", arg=page.url)


def test_theme_goes_round_and_is_kept(page: Page) -> None:
    switch = page.get_by_role("button", name="Switch between light and dark")
    seen = []
    for _ in range(3):
        switch.click()
        page.reload()
        seen.append(
            page.evaluate(
                "[document.documentElement.dataset.theme ?? 'system', getComputedStyle(document.body).backgroundColor]"
            )
        )
    assert [theme for theme, _ in seen] == ["dark", "light", "system"]
    assert seen[0][1] != seen[1][1] == seen[2][1]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_narrow_screens_have_a_menu(house: tuple[Site, str], browser: Browser, scripts: bool) -> None:
    context = browser.new_context(viewport=NARROW, java_script_enabled=scripts)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(house[0].link())
    workers = page.get_by_role("navigation", name="Main", include_hidden=True).get_by_text("Workers")
    expect(workers).to_be_hidden()
    bar = page.locator(".bar").bounding_box()
    assert bar is not None
    assert bar["height"] < 70
    page.get_by_text("Menu", exact=True).click()
    expect(workers).to_be_visible()
    for link in page.locator("a[data-key]").all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW["width"]
    workers.click()
    page.wait_for_url(f"{house[0].url}/workers")
    context.close()


def test_paper_is_white_and_says_where_and_when(house: tuple[Site, str], browser: Browser) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme="dark")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(house[0].link())
    page.goto(house[1])
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    screen = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("Math.max(...[...document.querySelectorAll('.main-svg')].map(svg => svg.clientWidth))") <= 700
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)" != screen
    ink = page.locator(".js-plotly-plot .xtick text").first.evaluate("node => getComputedStyle(node).fill")
    assert max(map(int, re.findall(r"\d+", ink))) < 110, f"words of a chart are dark on paper, not {ink}"
    for hidden in (".bar", ".foot", ".chart-tools", "dialog"):
        assert not page.locator(hidden).first.is_visible()
    expect(page.locator("#printed")).to_have_text(re.compile(f"{re.escape(house[1])}.* · printed .*20"))
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == screen
    context.close()


def test_a_server_that_goes_is_noticed_and_nothing_typed_is_lost(tmp_path: Path, browser: Browser) -> None:
    with serving(tmp_path) as site:
        page = browser.new_context(viewport=WIDE).new_page()  # type: ignore[arg-type]
        page.goto(site.link())
        page.goto(f"{site.url}/studies/new")
        page.get_by_label("Name", exact=True).first.fill("typed with care")
        expect(page.locator("#lost")).to_be_hidden()
        page.context.set_offline(True)
        page.evaluate("document.dispatchEvent(new CustomEvent('tradespace:unanswered'))")
        expect(page.get_by_text("The server does not answer.").first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Name", exact=True).first).to_have_value("typed with care")
        page.context.set_offline(False)
        expect(page.locator("#lost")).to_be_hidden(timeout=10_000)
        expect(page.get_by_label("Name", exact=True).first).to_have_value("typed with care")
        page.context.close()


def test_a_second_look_fetches_no_script_and_no_style(house: tuple[Site, str], page: Page) -> None:
    fetched = "() => performance.getEntriesByType('resource').filter(one => one.name.includes('/static/') && one.transferSize).length"
    for expected in (True, False):
        page.goto(house[1])
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        assert bool(page.evaluate(fetched)) is expected
