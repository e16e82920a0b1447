"""The planner in Chromium: from home to a verdict by one click, other models by name, config.json and GGUF file, and live answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.pages.plan import FIRST
from tests.app.planner.models.test_gguf import small
from tests.journeys.test_browser import NARROW, WIDE, Site, open_page, serving

pytestmark = [pytest.mark.browser]

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True,
}  # fmt: skip
"""Llama 3.2 1B, with a field that says nothing about memory."""
CUT = """() => {
  const ruler = document.createElement("canvas").getContext("2d");
  return [...document.querySelectorAll("select")].filter((field) => field.clientWidth).flatMap((field) => {
    const style = getComputedStyle(field);
    ruler.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 18;
    return [...field.options].filter((one) => ruler.measureText(one.text).width > room).map((one) => `${field.name}: ${one.text}`);
  });
}"""
"""Words of selects that have no room in them beside the arrow."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty server."""
    with serving(tmp_path_factory.mktemp("plan")) as empty:
        yield empty


@pytest.fixture
def page(request: pytest.FixtureRequest, site: Site, browser: Browser) -> Iterator[Page]:
    """Home, signed in, in a wide window or the one that is asked for."""
    context = browser.new_context(viewport=getattr(request, "param", WIDE))  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    yield seen.page
    context.close()
    # Chromium writes every refused request to the console; these were provoked.
    assert [fault for fault in seen.faults if not fault.startswith("Failed to load resource")] == []


def ask(page: Page, site: Site, address: str = "") -> None:
    page.goto(f"{site.url}/plan{address}")


def test_from_home_to_a_verdict_and_a_way_by_a_click_each(page: Page) -> None:
    page.get_by_role("region", name="Will it fit?").get_by_role("button", name="Answer").click()
    head = page.locator("#verdict-head")
    expect(head).to_have_text(f"No: {FIRST['device']} is too small")
    parts = page.get_by_role("region", name="From what it needs to what there is")
    weights = parts.locator("li.fall", has_text="weights").first
    expect(weights.locator("p").first).to_be_hidden()
    weights.locator("summary").click()
    expect(weights.locator("p").first).to_be_visible()
    expect(parts.locator(".fall-whole")).to_contain_text("Needed")
    asked = page.url
    page.get_by_role("link", name="Plan with").first.click()
    # What adds gradients up takes their room: no way surely fits.
    expect(head).to_contain_text("It may fit, or may not")
    assert page.url != asked
    page.go_back()
    expect(head).to_have_text(f"No: {FIRST['device']} is too small")
    expect(page.get_by_label("Model", exact=True)).to_have_value(FIRST["model"])


def test_a_change_is_answered_at_once_and_stands_in_the_address(page: Page, site: Site) -> None:
    ask(page, site)
    page.get_by_label("Model", exact=True).select_option("Qwen3-4B")
    expect(page.locator("#answer")).to_contain_text("Qwen3-4B: 4,022,468,096 parameters")
    expect(page).to_have_title(f"Qwen3-4B on {FIRST['device']} · Planner · Tradespace")
    needed = page.locator(".plan-sum")
    before = needed.inner_text()
    page.get_by_label("Batch").fill("64")
    expect(needed).not_to_have_text(before)
    expect(page).to_have_url(f"{site.url}/plan?model=Qwen3-4B&phase=qlora&batch=64&device=GeForce+RTX+4060")
    page.get_by_label("What is done").select_option("inference")
    expect(page.get_by_label("Optimizer", exact=True)).to_be_hidden()
    expect(page.get_by_label("KV cache")).to_be_visible()
    said = needed.inner_text()
    page.reload()
    expect(needed).to_have_text(said)


def test_what_is_wrong_is_said_beside_its_field_and_goes_with_it(page: Page, site: Site) -> None:
    ask(page, site, "?model=GPT-2")
    batch = page.get_by_label("Batch")
    batch.fill("0")
    expect(batch).to_have_attribute("aria-invalid", "true")
    expect(batch).to_have_accessible_description(re.compile("."))
    expect(page.get_by_role("alert").filter(has_text="cannot be answered")).to_contain_text("batch")
    batch.fill("2")
    expect(batch).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#wrong-batch")).to_be_empty()
    expect(page.locator("#verdict-head")).to_be_visible()
    ask(page, site, "?model=GPT-3")
    expect(page.get_by_label("Model", exact=True)).to_have_accessible_description(re.compile("GPT-3"))


def test_a_pasted_config_takes_the_place_of_a_name(page: Page, site: Site) -> None:
    ask(page, site)
    page.get_by_text("Another: config.json or GGUF file").click()
    config = page.get_by_label("Content of config.json")
    config.fill("{")
    config.blur()
    expect(page.locator("#wrong-config")).not_to_be_empty()
    config.fill(json.dumps(CONFIG))
    config.blur()
    expect(page.locator("#answer")).to_contain_text("a llama model: 1,235,814,400 parameters")
    expect(page.locator("#wrong-config")).to_be_empty()
    assert "architectures" not in json.loads(config.input_value())
    expect(page.get_by_label("Model", exact=True)).to_have_value("")
    page.reload()
    expect(page.locator("#answer")).to_contain_text("a llama model: 1,235,814,400 parameters")
    page.get_by_label("Model", exact=True).select_option("GPT-2")
    expect(page.locator("#answer")).to_contain_text("GPT-2: 124,439,808 parameters")
    expect(config).to_have_value("")


def test_a_gguf_file_is_read_here_and_its_header_alone_sent(page: Page, site: Site, tmp_path: Path) -> None:
    _, model = small(tmp_path)
    ask(page, site, "?model=GPT-2&device=T4")
    sent: list[int] = []
    page.on("request", lambda asked: sent.append(len(asked.post_data_buffer or b"")) if "gguf" in asked.url else None)
    page.locator("[data-file]").set_input_files(tmp_path / "model.gguf")
    expect(page.locator("#answer")).to_contain_text(f"Model of a test: {model.anatomy.parameters:,} parameters")
    expect(page.locator("#file-said")).to_contain_text("model.gguf: its header stays in this page")
    sum_of = page.locator(".plan-sum")
    before = sum_of.inner_text()
    page.get_by_label("Sequence, or prompt").fill("4000")
    expect(sum_of).not_to_have_text(before)
    assert sent == [model.file_bytes, model.header_bytes]
    page.get_by_label("Model", exact=True).select_option("GPT-2")
    expect(page.locator("#answer")).to_contain_text("GPT-2: ")
    expect(page.locator("#file-said")).to_be_hidden()


@pytest.mark.parametrize("page", [NARROW], indirect=True, ids=["narrow"])
def test_on_a_narrow_screen_the_answer_is_never_far(page: Page, site: Site) -> None:
    ask(page, site)
    head, line = page.locator("#verdict-head"), page.locator(".answer-line")
    expect(head).to_be_in_viewport()
    expect(line).to_be_hidden()
    page.get_by_text("Lengths, formats and other settings").click()
    expect(head).not_to_be_in_viewport()
    expect(line).to_be_in_viewport()
    page.get_by_label("Model", exact=True).select_option("Qwen3-0.6B")
    page.get_by_label("What is done").select_option("inference")
    expect(line).to_have_text(f"Yes, it fits on {FIRST['device']}")
    line.click()
    expect(head).to_be_in_viewport()
    # What is wrong is seen, wherever it was folded away.
    ask(page, site, "?model=GPT-2&sequence=0")
    expect(page.get_by_label("Sequence, or prompt")).to_be_visible()


def test_no_choice_is_cut(page: Page, site: Site) -> None:
    found = {}
    for phase in ("inference", "qlora"):
        ask(page, site, f"?model=GPT-2&phase={phase}")
        found[phase] = page.evaluate(CUT)
    assert found == {"inference": [], "qlora": []}
