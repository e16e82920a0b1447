"""The page New study in Chromium: presets, sweep, drafts, clones, text in and out, and nothing typed is ever lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.ordering.menu import STARTS
from tests import demo
from tests.journeys.test_browser import WIDE, Site, open_page, serving
from workers.catalog.evaluations.divergence import Divergence

pytestmark = [pytest.mark.browser, pytest.mark.long]

VARIANTS = "ol.variants > li"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty server with a worker that is there and does nothing by itself."""
    with serving(tmp_path_factory.mktemp("order")) as empty:
        demo.present(empty.database)
        yield empty


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """The form, signed in, with what the page must not do reported at the end."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    seen.page.goto(f"{site.url}/studies/new")
    expect(runs(seen.page)).to_have_text("5 runs")
    yield seen.page
    context.close()
    # Chromium writes every refused request to the console; these were provoked.
    assert [fault for fault in seen.faults if not fault.startswith("Failed to load resource")] == []


def runs(page: Page) -> Any:
    return page.locator('[data-slot="runs"]')


def study(page: Page) -> dict[str, Any]:
    """The study that the form would post."""
    read: dict[str, Any] = json.loads(page.locator(".summary code").first.text_content() or "{}")
    return read


def names(page: Page) -> list[str]:
    return [variant["name"] for variant in study(page)["variants"]]


def test_a_preset_fills_the_form_and_can_be_taken_back(page: Page) -> None:
    page.get_by_role("button", name="Quantisation ladder").click()
    expect(page.get_by_text("Filled by: Quantisation ladder.")).to_be_visible()
    assert names(page)[:2] == ["bf16", "bf16 + int8"]
    expect(page.locator('[data-slot="problems"] li')).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(runs(page)).to_have_text("5 runs")
    training = page.get_by_role("button", name="Training memory")
    expect(training).to_have_attribute("aria-disabled", "true")
    expect(training).to_have_accessible_description("Gradient checkpointing is for training; prefill is inference.")
    page.get_by_label("Workload").select_option("train_step")
    expect(training).not_to_have_attribute("aria-disabled", "true")
    training.click()
    assert study(page)["workload"]["name"] == "train_step"
    assert "checkpointing + accumulation" in names(page)


def test_a_stack_is_taken_apart_with_one_click(page: Page) -> None:
    page.get_by_role("button", name="+ bf16 + compile").click()
    page.get_by_role("button", name="Ablation of bf16 + compile").click()
    expect(page.get_by_text("Filled by: Ablation of bf16 + compile.")).to_be_visible()
    assert names(page) == ["bf16 + compile", "without bf16", "without compile"]


def test_effort_exact_names_what_needs_values_and_leaves_it_out(page: Page) -> None:
    note = page.locator('[data-slot="exact"]')
    expect(note).to_be_empty()
    page.locator('[name="effort"][value="exact"]').check()
    apart = f"the evaluation {Divergence.title} and the variant compile."
    expect(note).to_contain_text(f"it cannot take {apart}")
    note.get_by_role("button", name="Leave out").click()
    expect(note).to_contain_text(f"Left out for effort exact: {apart}")
    expect(note.get_by_role("button", name="Put back")).to_be_focused()
    expect(page.locator('[data-slot="problems"] li')).to_have_count(0)
    assert names(page) == ["bf16", "flash attention", "int8"]
    assert "evaluation" not in study(page)
    page.locator('[name="effort"][value="quick"]').check()
    note.get_by_role("button", name="Put back").click()
    expect(note).to_be_empty()
    assert names(page) == ["bf16", "flash attention", "int8", "compile"]
    assert study(page)["evaluation"]["name"] == "divergence"
    expect(page.locator('[data-slot="problems"] li')).to_have_count(0)


def test_the_sweep_is_filled_by_keyboard_alone(page: Page) -> None:
    page.get_by_label("sequence length, doubling from").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("128")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2048")
    page.keyboard.press("Enter")
    assert study(page)["sweep"] == {"sequence_length": [128, 256, 512, 1024, 2048]}
    expect(runs(page)).to_have_text("25 runs")
    expect(page.locator('[data-slot="size"]')).to_have_text(
        "5 points × 4 variants and the null test at each; at most 200 runs"
    )
    page.get_by_role("button", name="Remove sequence length, value 5").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("sequence length, value 4", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("0")
    wrong = page.locator('[data-field="sweep.sequence_length.4"]')
    expect(wrong.locator(".field-error")).to_contain_text("0 is not possible")
    expect(wrong.locator("input")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("sequence length, doubling to").fill("100")
    page.get_by_role("button", name="Fill sequence length by doubling").click()
    expect(page.locator('[data-field="sweep.sequence_length"] > .field-error')).to_contain_text(
        "not below the beginning"
    )


def test_predicted_time_says_on_what_it_rests(site: Site, page: Page) -> None:
    expect(page.locator('[data-slot="time"]')).to_contain_text("No quick run has been measured on a CPU here yet")
    demo.measure(site.database, demo.submit(site.database, demo.order(), demo.owner(site.database)))
    page.locator('[name="effort"][value="standard"]').check()
    chosen = page.locator(".forecast tr.chosen")
    expect(chosen).to_contain_text("standard")
    expect(chosen.locator("td")).not_to_have_text("not known")
    expect(page.locator('[data-slot="time"]')).to_contain_text("earlier runs with this effort on a CPU")


def test_a_draft_is_saved_wrong_opened_renamed_and_deleted(site: Site, page: Page) -> None:
    page.get_by_label("Name", exact=True).first.fill("for later")
    page.locator('[data-field="workload.batch_size"] input').fill("0")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    assert "?draft=" in page.url
    page.goto(f"{site.url}/studies/new")
    page.locator("#drafts summary").click()
    page.get_by_role("button", name="Rename draft for later").click()
    page.keyboard.type("much later")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="much later").click()
    expect(page.locator('[data-field="workload.batch_size"] .field-error')).to_contain_text("0 is not possible")
    expect(page.get_by_label("Name", exact=True).first).to_have_value("for later")
    page.locator("#drafts summary").click()
    page.get_by_role("button", name="Delete draft much later").click()
    page.locator("#drafts").get_by_text("Delete for good").click()
    expect(page.get_by_role("link", name="much later")).to_have_count(0)


def test_a_clone_carries_everything(site: Site, page: Page) -> None:
    asked = demo.order(sweep={"sequence_length": [64, 96]}, effort="thorough", profile=True, seed=11)
    original = demo.submit(site.database, asked, demo.owner(site.database))
    page.goto(f"{site.url}/studies/new?from={original}")
    expect(runs(page)).to_have_text("16 runs")
    cloned = study(page)
    assert {name: cloned[name] for name in ("name", "sweep", "effort", "profile", "seed")} == {
        name: asked[name] for name in ("name", "sweep", "effort", "profile", "seed")
    }
    assert cloned["evaluation"]["name"] == asked["evaluation"]["name"]
    page.goto(f"{site.url}/studies/new?from={original}&ablate=bf16 %2B flash %2B compile")
    expect(page.get_by_label("Name", exact=True).first).to_have_value("Ablation of bf16 + flash + compile")


def test_text_goes_out_and_comes_back_the_same(page: Page, tmp_path: Path) -> None:
    page.get_by_label("Name", exact=True).first.fill('off: "yes", #1 – größer\\')
    page.get_by_label("sequence length, doubling from").press("Enter")
    before = study(page)
    page.locator(".summary summary", has_text="As YAML").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as study.yaml").click()
    saved = tmp_path / "study.yaml"
    waiting.value.save_as(saved)
    page.reload()
    page.get_by_role("button", name="Start afresh").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("")
    page.locator("#import summary").click()
    page.locator('#import input[type="file"]').set_input_files(saved)
    expect(page.get_by_text("Filled by: the text you gave.")).to_be_visible()
    after = study(page)
    assert {**after, "seed": 0} == {**before, "seed": 0}
    saved.write_text(saved.read_text().replace("preset: tiny", "preset: tinny"))
    page.locator("#import summary").click()
    page.locator('#import input[type="file"]').set_input_files(saved)
    expect(page.locator("#import .problems")).to_contain_text(
        "model.preset 'tinny' is not one of the choices. Did you mean 'tiny'?"
    )
    expect(page.locator("#import .problems")).to_contain_text("(line ")
    expect(page.locator("#import textarea")).to_have_value(saved.read_text())


def test_nothing_typed_is_lost_by_a_reload_or_a_lost_sign_in(site: Site, page: Page) -> None:
    name = page.get_by_label("Name", exact=True).first
    name.fill("half typed")
    page.locator("#import summary").click()
    page.get_by_label("A study as text").fill("name: [")
    page.reload()
    expect(page.get_by_text("What you had not submitted is here again.")).to_be_visible()
    expect(name).to_have_value("half typed")
    expect(page.get_by_label("A study as text")).to_have_value("name: [")
    page.context.clear_cookies()
    page.get_by_role("button", name="Measure").click()
    expect(page.locator('[data-slot="refusal"]')).to_contain_text("You are signed out. Nothing is lost")
    page.goto(site.link())
    page.goto(f"{site.url}/studies/new")
    expect(name).to_have_value("half typed")
    page.get_by_role("button", name="Measure").click()
    page.wait_for_url("**/studies/0*")
    page.goto(f"{site.url}/studies/new")
    expect(name).to_have_value("")


def test_a_start_that_is_none_is_told_with_those_that_are(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/studies/new?start=zzz")
    told = "The form could not be filled: there is no start zzz. It is one of "
    expect(page.locator("#order-loading")).to_contain_text(told + ", ".join(start.word for start in STARTS))


def test_what_the_form_cannot_show_stays_as_text(site: Site, page: Page) -> None:
    made = page.request.post(
        f"{site.url}/api/v1/drafts",
        data={"name": "odd", "study": {"model": {"name": "gpt9"}}},
        headers={"Origin": site.url},
    )
    page.goto(site.url + made.json()["url"])
    expect(page.locator("#import")).to_contain_text('The form knows no model "gpt9".')
    expect(page.get_by_label("A study as text")).to_have_value('{\n  "model": {\n    "name": "gpt9"\n  }\n}')
