"""The guide in Chromium: an answer with its reasons, changed live, and the study of what to measure, queued as it was shown."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.test_browser import NARROW, Site, serving
from tests.journeys.test_plan import CUT, page

__all__ = ["page"]

pytestmark = [pytest.mark.browser]

KNOWN = urlencode({"model": "Llama-3.1-8B", "device": "RTX 4090", "sequence": "512"})
SHIPPED = urlencode(
    {"model": "llama tiny", "task": "prefill", "device": "RTX 4090", "sequence": "128", "tolerance": "1 %"}
)
"""Of a model that the catalogue builds, so that there is something to queue."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty server."""
    with serving(tmp_path_factory.mktemp("guide")) as empty:
        yield empty


def queued(page: Page) -> dict[str, Any]:
    """The study behind the button."""
    found: dict[str, Any] = json.loads(page.locator("[data-queue]").get_attribute("data-queue") or "{}")
    return found


def listed(page: Page) -> list[str]:
    """Its variants as the page names them."""
    return [name.removesuffix(" (the pick)") for name in page.locator(".queued li").all_inner_texts()]


def test_an_answer_has_a_runner_up_reasons_rejections_and_evidence(page: Page, site: Site) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Guide").click()
    expect(page.locator("#advice-head")).not_to_be_empty()
    page.goto(f"{site.url}/guide?{KNOWN}")
    told = page.request.get(f"{site.url}/api/v1/guide?{KNOWN}").json()["advice"]
    expect(page.locator("#advice-head")).to_have_text(told["headline"])
    expect(page.locator(".reasons li")).to_have_text(told["reasons"])
    ranked = page.get_by_role("region", name="Stacks in order").locator("tbody tr")
    expect(ranked).to_have_count(len(told["ranked"]))
    expect(ranked.nth(0)).to_contain_text(" + ".join(told["ranked"][0]["titles"]))
    expect(ranked.nth(0)).to_contain_text("the pick")
    expect(ranked.nth(1)).to_contain_text("runner-up")
    left_out = page.locator(".rejections li")
    expect(left_out.first).to_be_hidden()
    page.get_by_role("heading", name="What is not in it, and why").click()
    expect(left_out).to_have_count(len(told["rejected"]))
    expect(left_out.first).to_be_visible()
    # To the evidence and back asks nothing anew: what was opened stays open.
    ranked.nth(0).locator("a.cite").first.click()
    expect(page).to_have_url(re.compile("#evidence-"))
    expect(page.locator(f"[id='{page.url.partition('#')[2]}']")).to_be_in_viewport()
    page.go_back()
    expect(left_out.first).to_be_visible()


def test_a_change_is_answered_and_what_is_wrong_named_beside_its_field(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/guide?{KNOWN}")
    device = page.get_by_label("Device", exact=True)
    device.fill("RTX 406")
    expect(device).to_have_attribute("aria-invalid", "true")
    expect(device).to_have_accessible_description(re.compile("RTX 406"))
    device.fill("RTX 4060")
    expect(device).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#advice-head")).to_be_visible()
    expect(page).to_have_url(f"{site.url}/guide?model=Llama-3.1-8B&device=RTX+4060&sequence=512")
    told = page.request.get(page.url.replace("/guide", "/api/v1/guide")).json()["advice"]
    expect(page.locator("#advice-head")).to_have_text(told["headline"])


def test_measure_these_queues_exactly_what_is_named(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/guide?{SHIPPED}")
    wanted, names = queued(page), listed(page)
    assert names == [variant["name"] for variant in wanted["variants"]]
    assert names
    page.get_by_role("button", name="Measure th").click()
    page.wait_for_url("**/studies/0*")
    made = page.request.get(page.url.replace("/studies/", "/api/v1/studies/")).json()
    assert [(one["name"], len(one["stack"])) for one in made["spec"]["variants"]] == [
        (one["name"], len(one["stack"])) for one in wanted["variants"]
    ]
    assert [run["variant"] for run in made["runs"]] == [wanted["baseline"]["name"], *names]


def test_the_study_can_be_changed_before_it_is_queued(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/guide?{SHIPPED}")
    names = listed(page)
    page.get_by_role("button", name="Open in the form").click()
    page.wait_for_url("**/studies/new?draft=*")
    expect(page.locator("ol.variants > li")).to_have_count(len(names))
    expect(page.locator("ol.variants .variant-head input").first).to_have_value(names[0])
    expect(page.locator('[data-slot="problems"] li')).to_have_count(0)


@pytest.mark.parametrize("page", [NARROW], indirect=True, ids=["narrow"])
def test_on_a_narrow_screen_the_answer_comes_first_and_whole(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/guide?{KNOWN}")
    expect(page.locator("#advice-head")).to_be_in_viewport()
    ranked = page.get_by_role("group", name="Stacks in order")
    assert ranked.evaluate("box => box.scrollWidth <= box.clientWidth"), "no stack is cut"
    page.get_by_text("Sizes, limits and what is in use").click()
    line = page.locator(".answer-line")
    expect(line).to_be_in_viewport()
    line.click()
    expect(page.locator("#advice-head")).to_be_in_viewport()


def test_no_choice_is_cut(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/guide")
    assert page.evaluate(CUT) == []
