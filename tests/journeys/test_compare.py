"""Compare, notes and tags in Chromium: chosen and written by keyboard, kept in the address, two writers at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select
from sqlmodel import col

from app.db import queries
from app.db.tables import User
from app.door import security
from app.team import notes
from tests import demo
from tests.journeys.test_browser import NARROW, RULES, WIDE, Site, open_page, serving

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, list[str]]]:
    """A server with two measured studies, one of them on two machines, and the ids of all runs."""
    with serving(tmp_path_factory.mktemp("compare")) as here:
        demo.present(here.database)
        here.link()
        owner = demo.owner(here.database)
        runs: list[str] = []
        for name, brings in (("first", demo.report), ("two machines", demo.elsewhere)):
            order = demo.order(name=name, variants=demo.order()["variants"][:3])
            study = demo.submit(here.database, order, owner)
            demo.measure(here.database, study, brings=brings)
            with here.database.reading() as session:
                runs += [run.id for run in queries.runs(session, study)]
        yield here, runs


@pytest.fixture
def page(site: tuple[Site, list[str]], browser: Browser) -> Iterator[Page]:
    """A signed-in window that reports what it must not do."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site[0], context)
    seen.page.goto(site[0].link())
    yield seen.page
    context.close()
    # A refused change is an answer too; the browser writes each one down.
    assert [fault for fault in seen.faults if "status of 409" not in fault] == []


def signed_in(site: Site, context: BrowserContext, path: str) -> Page:
    opened = context.new_page()
    opened.goto(site.link())
    opened.goto(site.url + path)
    return opened


def test_runs_are_chosen_by_keyboard_and_drawn(site: tuple[Site, list[str]], page: Page) -> None:
    page.goto(f"{site[0].url}/compare")
    page.get_by_label("Name of a study, variant or model").fill("two machines")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?search=two+machines&pick=true")
    compare = page.get_by_role("button", name="Compare", exact=True)
    expect(compare).to_have_attribute("aria-disabled", "true")
    for name in ("bf16", "compile"):
        page.get_by_role("checkbox", name=name).focus()
        page.keyboard.press("Space")
    expect(page.locator("[data-count]")).to_have_text("2 chosen")
    page.reload()
    expect(page.locator("[data-count]")).to_have_text("2 chosen")
    compare.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?runs=*,*")
    expect(page.locator("#stamp")).to_contain_text("Not comparable as measured. The runs differ in cpu.model.")
    expect(page.locator("#forest .point")).to_have_count(2)
    page.locator("#forest select").select_option(label="Weights")
    expect(page.locator("#forest-caption")).to_contain_text("Weights, variant over fp32")
    assert page.url.endswith("&x=memory.weights%40load")
    page.reload()
    expect(page.locator("#forest-caption")).to_contain_text("Weights, variant over fp32")


def test_two_people_edit_one_note(site: tuple[Site, list[str]], page: Page, browser: Browser) -> None:
    here, runs = site
    path = f"/runs/{runs[1]}"
    page.goto(here.url + path)
    page.get_by_role("button", name="Write a note").click()
    page.keyboard.type("first *words*")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".note em")).to_have_text("words")
    other = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    theirs = signed_in(here, other, path)
    for window, text in ((page, "mine"), (theirs, "theirs")):
        window.get_by_role("button", name="Edit").click()
        window.get_by_label("Your text").fill(text)
    theirs.get_by_role("button", name="Save").click()
    expect(theirs.locator(".note-text:visible")).to_have_text("theirs")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".note-newer .notice")).to_contain_text("operator has changed the note meanwhile")
    expect(page.get_by_label("Their text")).to_have_value("theirs")
    expect(page.get_by_label("Your text")).to_have_value("mine")
    page.get_by_label("Your text").fill("mine and theirs")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".note-text:visible")).to_have_text("mine and theirs")
    page.get_by_role("link", name="version 3, earlier ones").click()
    expect(page.locator(".note-versions pre")).to_have_text(["theirs", "first *words*"])
    page.get_by_role("button", name="Take away").click()
    page.get_by_role("button", name="Really take away?").click()
    expect(page.get_by_text("No notes yet.")).to_be_visible()
    other.close()


def test_a_note_is_previewed_and_what_was_begun_is_offered_back(site: tuple[Site, list[str]], page: Page) -> None:
    here, runs = site
    address = f"{here.url}/runs/{runs[5]}"
    text, offered = page.get_by_label("Your text"), page.get_by_role("list", name="Begun and not saved")
    page.goto(address)
    expect(offered).to_be_hidden()
    page.get_by_role("button", name="Write a note").press("Enter")
    page.keyboard.type("**begun**")
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_be_focused()
    expect(preview.locator("strong")).to_have_text("begun")
    expect(text).to_be_hidden()
    page.get_by_role("button", name="Preview").press("Enter")
    expect(text).to_be_focused()
    page.goto(f"{here.url}/runs")
    page.goto(address)
    expect(offered).to_contain_text("“**begun**”")
    offered.get_by_role("button", name="Continue").press("Enter")
    expect(text).to_have_value("**begun**")
    expect(page.get_by_text("What you began before is back.")).to_be_visible()
    expect(offered).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".note strong")).to_have_text("begun")
    page.reload()
    expect(offered).to_be_hidden()


def test_an_edit_that_was_begun_is_of_the_version_that_was_read(site: tuple[Site, list[str]], page: Page) -> None:
    here, runs = site
    bob = somebody(here, "bob")
    with here.database.writing() as session:
        about = notes.subject(session, "runs", runs[6])
        note = notes.write(session, about, "first", bob)
    text, offered = page.get_by_label("Your text"), page.get_by_role("list", name="Begun and not saved")
    page.goto(f"{here.url}/runs/{runs[6]}")
    page.get_by_role("button", name="Edit").click()
    text.fill("mine")
    with here.database.writing() as session:
        notes.rewrite(session, about, note.id, "by bob", bob, 1)
    page.reload()
    offered.get_by_role("button", name="Continue").click()
    expect(text).to_have_value("mine")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".note-newer .notice")).to_contain_text("bob has changed the note meanwhile")
    expect(page.get_by_label("Their text")).to_have_value("by bob")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".note-text:visible", has_text="by bob")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    expect(text).to_have_value("by bob")
    text.fill("thrown away")
    page.reload()
    offered.get_by_role("button", name="Throw away").click()
    page.reload()
    expect(offered).to_be_hidden()


def test_somebody_elses_note_is_read_and_answered_beside(site: tuple[Site, list[str]], browser: Browser) -> None:
    here, runs = site
    with here.database.writing() as session:
        operator = security.Principal(demo.owner(here.database), "operator", "admin", by_cookie=True)
        notes.write(session, notes.subject(session, "runs", runs[7]), "the operator's", operator)
        token = security.create_token(session, "bob", "submit")
    context = browser.new_context(viewport=NARROW, extra_http_headers={"Authorization": f"Bearer {token}"})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{here.url}/runs/{runs[7]}")
    expect(page.locator(".note-text")).to_have_text("the operator's")
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    page.get_by_role("button", name="Write a note").click()
    page.keyboard.type("and bob's")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".note-text:visible")).to_have_text(["the operator's", "and bob's"])
    expect(page.get_by_role("button", name="Edit")).to_have_count(1)
    context.close()


def somebody(site: Site, name: str) -> security.Principal:
    """A member of the team."""
    with site.database.writing() as session:
        security.create_token(session, name, "submit")
        user = session.execute(select(User).where(col(User.name) == name)).scalar_one()
        return security.Principal(user.id, name, "submit", by_cookie=False)


def test_tags_are_added_followed_and_removed(site: tuple[Site, list[str]], page: Page) -> None:
    here, runs = site
    with here.database.reading() as session:
        study = queries.run(session, runs[0]).study_id
    page.goto(f"{here.url}/studies/{study}")
    page.get_by_label("New tag").fill("Fits 8 GB")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Fits 8 GB").click()
    page.wait_for_url("**/studies?tag=Fits%208%20GB")
    expect(page.get_by_role("row", name="first")).to_be_visible()
    expect(page.get_by_role("row", name="two machines")).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Remove the tag Fits 8 GB").click()
    expect(page.get_by_text("No tags yet")).to_be_visible()


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light wide", "dark narrow"])
def test_it_is_accessible_and_fits(site: tuple[Site, list[str]], browser: Browser, scheme: Any, viewport: Any) -> None:
    here, runs = site
    # axe runs as a script of its own, which the pages' policy forbids; the other tests keep the policy on.
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page = signed_in(here, context, "/compare")
    found: list[str] = []
    mixed = ",".join([*runs[1:4], runs[7]])
    for path in (f"/compare?runs={runs[1]}", f"/compare?runs={mixed}", f"/runs/{runs[2]}"):
        page.goto(here.url + path)
        page.wait_for_load_state("networkidle")
        if path.startswith("/runs"):
            page.get_by_role("button", name="Write a note").click()
        for fold in page.locator("details").all():
            fold.evaluate("node => { node.open = true; }")
        answer = Axe().run(page, options=RULES)
        found += [f"{path} {one['id']} {one['nodes'][0]['html'][:120]}" for one in answer.response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{path} is wider than the screen")
    context.close()
    assert found == []
