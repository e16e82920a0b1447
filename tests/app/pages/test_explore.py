"""Explore and coverage without scripts: everything picked stands in the address, and the page says what it does."""

import csv
import io
import re
from html import unescape

import pytest

from app.ordering.menu import DEVICES
from app.pages import explore
from app.pages.exploring import entered
from app.results import exploration
from app.results.figures import FIGURES, Figure
from app.study.amounts import amount
from tests import demo
from tests.app.pages.conftest import HOSTILE, House
from workers.catalog.workloads import WORKLOADS

ORIGIN = {"Origin": "http://127.0.0.1:8000"}


def read(house: House, path: str, status: int = 200) -> str:
    answer = house.browser.get(path)
    assert answer.status_code == status, answer.text
    return unescape(answer.text)


def total(page: str) -> int:
    found = re.search(r'data-total="(\d+)"', page)
    assert found is not None
    return int(found[1])


def rows(page: str) -> list[str]:
    return re.findall(r'<tr data-run="(\w{26})"', page)


def variants(page: str) -> list[str]:
    return re.findall(r'<tr data-run=.*?<a href="/runs/\w+">(.*?)</a>', page, re.DOTALL)


def test_an_empty_house_says_how_to_begin(house: House) -> None:
    page = read(house, "/explore")
    assert "Nothing has been measured yet" in page
    assert 'href="/studies/new"' in page


def test_first_paint_has_rows_facets_and_limits(full: House) -> None:
    page = read(full, "/explore")
    assert total(page) == len(full.browser.get("/api/v1/explore?limit=500").json()["items"])
    assert len(rows(page)) == total(page)
    assert re.search(r'name="technique" value="attention">.*?<span class="tally">\d+', page, re.DOTALL)
    assert 'data-limit="memory__lte"' in page
    assert "On the Pareto front: " in page
    assert HOSTILE in page
    assert "<img src=x" not in full.browser.get("/explore").text


def test_filters_are_the_address_and_the_address_is_the_twin(full: House) -> None:
    page = read(full, "/explore?technique=attention&effort=standard&show=latency,kl&tab=parallel")
    assert re.search(r'value="attention" checked', page)
    twin = re.search(r'rel="alternate" type="application/json" href="([^"]+)"', page)
    assert twin is not None
    assert full.browser.get(twin[1]).json()["total"] == total(page)
    assert re.findall(r'<th scope="col"[^>]*title=[^>]*><a[^>]*>([\w ]+?)\s*(?:<svg|</a>)', page) == [
        "Latency",
        "KL divergence",
    ]


SAYS = r"Removes (\d+) of (\d+)(?:, (\d+) of them not measured)?\.\s*<a [^>]*href=\"([^\"]+)\">Relax by ([^<]+)</a> and (\d+) more options? fits?\."


def test_a_limit_says_what_it_removes_and_relaxing_it_lets_more_in(full: House) -> None:
    page = read(full, "/explore?latency_ratio__lte=0.6&outcome=ok")
    said = re.search(SAYS, page, re.DOTALL)
    assert said is not None
    wider = read(full, said[4])
    assert total(wider) == total(page) + int(said[6])
    fell_back = total(read(full, "/explore?outcome=ok&ran=fell_back"))
    assert int(said[2]) == total(read(full, "/explore?outcome=ok")) - fell_back
    assert int(said[2]) - int(said[1]) == total(page) - total(
        read(full, "/explore?latency_ratio__lte=0.6&ran=fell_back")
    )


def test_a_limit_says_the_same_here_and_on_the_page_of_a_study(full: House) -> None:
    study = full.studies["done"]
    here = read(full, f"/explore?study={study}&null_tests=true&memory__lte=27000000")
    there = read(full, f"/studies/{study}?max.memory.peak_allocated=27000000")
    said = [re.search(SAYS, page, re.DOTALL) for page in (here, there)]
    words = [found and (found[1], found[2], found[3], found[5].replace("\u202f", " "), found[6]) for found in said]
    assert words[0] is not None
    assert words[0] == words[1]


def test_the_table_to_take_away_holds_every_result_in_order(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "CHUNK", 4)
    query = "sort=latency_ratio&null_tests=true"
    lines = list(csv.DictReader(io.StringIO(full.browser.get(f"/api/v1/explore/table?{query}").text)))
    items = full.browser.get(f"/api/v1/explore?{query}&limit=500").json()["items"]
    assert [line["run"] for line in lines] == [item["run"] for item in items]
    for line, item in zip(lines, items, strict=True):
        latency = item["figures"].get("latency", {})
        assert [line[f"latency.{field}"] for field in ("value", "ratio", "verdict")] == [
            "" if latency.get(field) is None else str(latency[field]) for field in ("value", "ratio", "verdict")
        ]
        assert line["techniques"] == "+".join(item["techniques"])
        assert line["study"].lstrip("'") == item["study"]
        assert not line["study"].startswith(("=", "+", "-", "@"))


def test_three_objectives_stand_in_the_address(full: House) -> None:
    page = read(full, "/explore?z=kl")
    assert "On the Pareto front of latency, peak allocated and KL divergence: " in page
    assert re.search(r'<option value="kl" selected>', page)
    assert "Choose different figures" in read(full, "/explore?z=memory", 422)


def test_limits_are_written_in_units(full: House) -> None:
    bytes_ = 40 * 2**20
    page = read(full, "/explore?memory__lte=40+MiB")
    assert total(page) == full.browser.get(f"/api/v1/explore?memory__lte={bytes_}").json()["total"] > 0
    assert 'name="memory__lte" value="40 MiB"' in page
    answer = full.browser.get("/explore?memory__lte=40+parsecs")
    assert answer.status_code == 422
    assert "is not a number" in answer.text


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.word)
@pytest.mark.parametrize("value", [1.0, 0.00021, 0.0213, 950.0, 123_456.0, 5.2e7, 3.3e12, 2.8601e7, 0.1 + 0.2, 1e-12])
def test_what_stands_in_a_field_is_read_back(figure: Figure, value: float) -> None:
    assert amount(entered(value, figure.unit), figure.unit) == value


def test_what_stands_in_a_field_is_short() -> None:
    told = [(8 * 2.0**30, "B"), (2.8601e7, "B"), (0.0213, "s"), (0.8, "1"), (0.1 + 0.2, "1")]
    assert [entered(*one) for one in told] == ["8 GiB", "28.601 MB", "21.3 ms", "0.8", "0.30000000000000004"]


def test_more_results_follow_and_groups_go_on(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(full, "/explore?group=technique&sort=latency")
    monkeypatch.setattr(explore, "ROWS", 7)
    seen: list[str] = []
    heads: list[str] = []
    path: str | None = "/explore?group=technique&sort=latency"
    while path:
        page = read(full, path)
        seen += rows(page)
        heads += re.findall(r'<tr class="point-row"><th scope="rowgroup"[^>]*>(.*?) <span', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = more[1] if more else None
    assert seen == rows(whole)
    assert len(seen) == len(set(seen)) == total(whole)
    assert sorted(dict.fromkeys(heads)) == list(dict.fromkeys(heads))
    assert "attention + precision + torch compile" in heads


def test_headers_sort_by_what_is_good_first_and_then_turn(full: House) -> None:
    page = read(full, "/explore?sort=latency_ratio&show=latency,tokens")
    assert variants(page)[0] == "bf16 + flash + compile"
    assert re.search(r'aria-sort="ascending"[^>]*><a data-partial href="[^"]*sort=-latency_ratio', page)
    assert "sort=-tokens_ratio" in page


def test_unlike_values_have_no_front_and_can_be_narrowed_down(full: House) -> None:
    page = read(full, "/explore?scale=measured")
    assert "No front here." in page
    narrower = re.search(r'<li>Length: <a data-partial href="([^"]+)">512</a>', page)
    assert narrower is not None
    assert "length=512" in narrower[1]
    assert total(read(full, narrower[1])) < total(page)


def test_the_front_is_over_the_baseline_of_most_and_others_can_be_chosen(house: House) -> None:
    demo.present(house.database)
    variants = demo.order()["variants"][:3]
    for stack, some in (([{"technique": "precision", "dtype": "fp32"}], 3), ([{"technique": "torch_compile"}], 2)):
        asked = demo.order(baseline={"name": "fp32", "stack": stack}, variants=variants[:some])
        demo.measure(house.database, demo.submit(house.database, asked, house.owner_id))
    page = read(house, "/explore")
    assert "5 results have both figures. 3 of them are over precision fp32; the front is of these." in page
    assert "No front here." not in page
    narrower = re.search(r'Over another: <a data-partial href="([^"]+)">torch_compile default, auto</a>', page)
    assert narrower is not None
    narrowed = read(house, narrower[1])
    assert "On the Pareto front: " in narrowed
    assert re.search(r'name="against" value="torch_compile default, auto" checked', narrowed)
    assert narrowed.count(", over torch_compile default, auto</span>") == total(narrowed) == 2


def test_failures_are_named_with_their_outcome(full: House) -> None:
    page = read(full, "/explore?latency_ratio__lte=0.6")
    strip = page[page.index("Ended without figures:") :]
    assert re.search(r'outcome=oom_host">out of host memory</a> \d', strip)
    only = read(full, "/explore?outcome=oom_host")
    assert set(variants(only)) == {"llm.int8"}
    assert "out of host memory</span>" in only


def test_when_nothing_fits_the_way_back_is_shown(full: House) -> None:
    page = read(full, "/explore?technique=attention&latency_ratio__lte=0.01")
    assert "No result fits" in page
    offered = re.findall(r'<li><a data-partial href="([^"]+)">.*?</a> <span class="quiet">leaves ([\d,]+)', page)
    assert [total(read(full, path)) for path, _ in offered] == [int(count) for _, count in offered]


def test_lines_are_of_what_has_two_of_the_axes_whatever_the_plane_is_of(full: House) -> None:
    api = full.browser.get("/api/v1/explore?limit=500").json()["items"]
    have = sum(sum(word in one["figures"] for word in ("latency", "kl", "weights")) >= 2 for one in api)
    # Nothing here has its energy measured: the plane of it is empty, and its axes are not.
    asked = "x=energy&y=accuracy&z=first_call&scale=measured"
    found = full.browser.get(f"/api/v1/explore/points?{asked}&axes=latency,kl,weights&columns=memory").json()
    assert have > 1
    assert (found["total"], len(found["runs"])) == (have, have)
    assert set(found["columns"]) == {"latency", "kl", "weights", "memory"}
    assert full.browser.get(f"/api/v1/explore/points?{asked}").json()["total"] == 0
    page = read(full, f"/explore?{asked}&tab=parallel&axes=latency,kl,weights")
    assert f"{have} results have at least two of these figures, a line each." in page
    assert "No front here." not in page
    refused = full.browser.get("/api/v1/explore/points?axes=latency,price")
    assert refused.status_code == 422
    assert "'price', which is no figure" in refused.text


@pytest.mark.parametrize(
    "query", ["show=price", "axes=latency,memory", "tab=pie", "xr=2,1", "colour=red", "memory__lte=much", "cursor=x"]
)
def test_a_wrong_address_is_refused_with_what_would_do(full: House, query: str) -> None:
    page = read(full, f"/explore?{query}", 422)
    assert "asks for something impossible" in page


def test_a_wrong_address_offers_what_is_right_of_it(full: House) -> None:
    page = read(full, "/explore?family=precision&show=price&q=a%26b&memory__lte=much&tab=parallel", 422)
    assert 'href="/explore?family=precision&q=a%26b&tab=parallel">Open it without that</a>' in page
    assert "<b>show</b> has 'price', which is no figure." in page, "every part that is wrong is named"
    read(full, "/explore?family=precision&q=a%26b&tab=parallel")
    assert "Open it without that" not in read(full, "/nowhere?family=precision", 404)


def test_coverage_tells_measured_failed_untried_and_impossible_apart(full: House) -> None:
    answer = full.browser.get("/api/v1/coverage?workload=prefill&device=cpu").json()
    cells = {(row["word"], cell["model"]): cell for row in answer["rows"] for cell in row["cells"]}
    assert answer["models"][0] == "llama tiny"
    assert cells["precision", "llama tiny"]["state"] == "measured"
    assert cells["precision", "llama tiny"]["best"]["verdict"] == "faster"
    assert cells["nf4", "llama tiny"]["outcomes"] == {
        "unsupported": cells["nf4", "llama tiny"]["outcomes"]["unsupported"]
    }
    assert cells["nf4", "llama tiny"]["state"] == cells["llm_int8", "llama tiny"]["state"] == "failed"
    assert cells["autocast", "llama tiny"]["state"] == "untried"
    assert "is for training" in cells["gradient_checkpointing", "llama tiny"]["reason"]
    fell = cells["attention", "llama tiny"]["outcomes"]
    assert fell == {"fell_back": 1}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("workload", [entry.word for entry in WORKLOADS])
def test_every_cell_nobody_tried_has_a_study_that_can_be_posted(full: House, workload: str, device: str) -> None:
    where = f"workload={workload}&device={device}"
    answer = full.browser.get(f"/api/v1/coverage?{where}").json()
    untried = [cell for row in answer["rows"] for cell in row["cells"] if cell["state"] == "untried"]
    assert untried
    for cell in untried:
        named = {"workload": workload, "device": device, "technique": cell["technique"], "model": cell["model"]}
        study = full.browser.get("/api/v1/coverage/study", params=named).json()["study"]
        checked = full.browser.post("/api/v1/studies/check", json=study, headers=ORIGIN).json()
        assert checked["ok"], (cell, checked["problems"])


def test_coverage_page_leads_to_the_results_and_to_the_study(full: House) -> None:
    page = read(full, "/coverage?workload=prefill&device=cpu")
    results = re.search(r'<a href="(/explore\?workload=prefill[^"]+technique=precision)">', page)
    assert results is not None
    assert total(read(full, results[1])) > 0
    cell = re.search(r'href="([^"]+technique=autocast&model=llama%20tiny)#cell"', page)
    assert cell is not None
    opened = read(full, cell[1])
    assert "curl http://127.0.0.1:8000/api/v1/studies" in opened
    assert "Autocast" in opened[opened.index('id="cell-head"') :][:200]
    read(full, "/coverage?device=abacus", 422)
