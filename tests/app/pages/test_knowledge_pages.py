"""Pages of techniques, models on devices, and hardware: empty and full, with their twins, and honest about what is not known."""

import re
from urllib.parse import quote

import pytest
from pydantic import JsonValue

from app.db import queries
from app.devices import ceilings
from tests import demo
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read, twin
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.techniques import TECHNIQUES

TARGET = f"/models/{quote('llama tiny')}/on/{quote('AMD EPYC 9B45')}"
LISTS = ["/techniques", "/models", "/hardware"]
TECHNIQUE_PAGES = [f"/techniques/{technique.word}" for technique in TECHNIQUES]


def body(house: House, page: str) -> dict[str, JsonValue]:
    found = twin(house, page)
    assert isinstance(found, dict)
    return found


def test_all_render_empty(house: House) -> None:
    for path in (*LISTS, *TECHNIQUE_PAGES):
        page = read(house, path)
        assert "<h1>" in page
        assert body(house, page)


@pytest.mark.parametrize("path", [*LISTS, *TECHNIQUE_PAGES, TARGET, f"/hardware/{demo.DEVICE.key}"])
def test_renders_full_without_anything_inline(full: House, path: str) -> None:
    page = read(full, path)
    assert body(full, page)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
    assert "<img src=x" not in page
    main = page[page.index("<main") : page.index("</main>")]
    for link in set(re.findall(r'href="(/(?:runs|studies/0|models|techniques|hardware)[^"#]*)"', main)):
        assert full.browser.get(link.replace("&amp;", "&")).status_code == 200, link


def test_a_technique_shows_measured_beside_said(full: House) -> None:
    page = read(full, "/techniques/precision")
    row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "Bf16 halves memory." in row)
    assert "contradicted" in row
    assert re.search(r'href="/runs/[0-9A-Z]{26}">×0.55</a>', row)
    assert "Grade D" in row
    assert "<b>precision bf16</b> instead of precision fp32" in page
    assert "not measured here" in read(full, "/techniques/kv_cache")


def test_the_list_says_what_was_never_tried_and_what_cannot_be(full: House) -> None:
    page = read(full, "/techniques")
    row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "/techniques/kv_cache" in row)
    assert "never tried" in row
    assert "GPTQ or AWQ" in page
    items = {item["name"]: item for item in full.browser.get("/api/v1/techniques").json()["items"]}
    assert items["precision"]["measured"]["typical"][0]["figure"] == "latency"
    assert items["kv_cache"]["measured"]["runs"] == 0


def test_the_figure_of_the_forest_is_in_the_address(full: House) -> None:
    page = read(full, "/techniques/precision?figure=memory")
    assert '<option value="memory" selected>' in page
    address = re.search(r'data-drawing="([^"]+)"', page)
    assert address is not None
    drawn = full.browser.get(address[1]).json()
    assert drawn["figure"]["data"]
    assert "Peak allocated" in drawn["caption"]
    read(full, "/techniques/precision?figure=beauty", 422)
    refused = full.browser.get("/api/v1/techniques/precision/charts/effects?figure=beauty")
    assert (refused.status_code, refused.json()["field"]) == (422, "figure")


def test_a_target_shows_what_stops_and_what_is_missing(full: House) -> None:
    page = read(full, TARGET)
    assert "out of host memory" in page
    never = page[page.index('id="never"') :]
    assert "/techniques/kv_cache" in never
    assert "/techniques/precision" not in never
    assert "/explore?model=llama+tiny&amp;hardware=AMD+EPYC+9B45" in page


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/techniques/precisoin", "Did you mean precision?"),
        ("/models/x/on/y", "Measured: "),
        ("/hardware/x", "Devices: "),
    ],
)
def test_what_is_not_there_says_what_is(full: House, path: str, hint: str) -> None:
    assert hint in read(full, path, 404)


def test_a_device_shows_its_ceilings_and_asks_for_new_ones(house: House) -> None:
    demo.present(house.database)
    assert "have not been measured yet" in read(house, "/hardware")
    with house.database.writing() as session:
        worker = queries.workers(session).items[0].id
        ceilings.keep(session, worker, MEASURED.model_copy(update={"contention": 0.4}))
    page = read(house, f"/hardware/{demo.DEVICE.key}")
    assert "what was found is too low" in page
    assert "nothing is compared" in page
    assert f'data-again="{worker}"' in page
    with house.database.writing() as session:
        ceilings.ask_again(session, worker)
    assert re.search(rf'data-again="{worker}" disabled', read(house, "/hardware"))


def test_number_formats_stand_on_the_page_of_techniques_and_in_its_twin(full: House) -> None:
    page = read(full, "/techniques")
    assert re.search(r"FP8 E4M3</th><td[^>]*>8</td><td[^>]*>−448</td><td[^>]*>448</td>", page)
    formats = full.browser.get("/api/v1/techniques").json()["formats"]
    assert all(one["title"] in page for one in formats)
