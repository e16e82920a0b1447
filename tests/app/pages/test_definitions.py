"""Pages and their twins name a figure that followed another definition than the catalogue's, wherever it stands."""

import re
from typing import Any

import pytest

from app.db import queries
from tests import demo
from tests.app.pages.conftest import House

LABEL = "definition 2, now 1"
VARIANTS = [one for one in demo.order()["variants"] if one["name"] in ("bf16", "compile")]


@pytest.fixture
def runs(house: House) -> list[str]:
    """The null test and bf16 by the catalogue's definition of latency, compile by another, and its neighbour study without."""
    demo.present(house.database)
    for word, brings in (("redefined", demo.redefined), ("plain", demo.report)):
        house.studies[word] = demo.submit(house.database, demo.order(name=word, variants=VARIANTS), house.owner_id)
        demo.measure(house.database, house.studies[word], brings=brings)
    with house.database.reading() as session:
        return [run.id for run in queries.runs(session, house.studies["redefined"])]


def read(house: House, path: str) -> str:
    answer = house.browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def json_of(house: House, path: str) -> Any:
    answer = house.browser.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_study_has_a_column_for_each_definition(house: House, runs: list[str]) -> None:
    page = read(house, f"/studies/{house.studies['redefined']}?tab=effects")
    assert re.search(rf">Latency</th><th scope=\"col\" title=\"[^\"]+\">Latency \({LABEL}\)</th>", page)
    assert f"<b>Measured by another definition:</b> Latency ({LABEL})." in page
    plain = read(house, f"/studies/{house.studies['plain']}?tab=effects")
    assert LABEL not in plain
    assert "another definition" not in plain


def test_a_run_says_which_definition_its_figures_followed(house: House, runs: list[str]) -> None:
    assert f"Latency ({LABEL})" in read(house, f"/runs/{runs[2]}")
    assert LABEL not in read(house, f"/runs/{runs[1]}").partition('id="measured"')[2]
    found = json_of(house, f"/api/v1/runs/{runs[2]}")
    for kind, expected in (("measurements", 2), ("effects", 1)):
        told = [(one["definition"], one["apart"]) for one in found[kind] if one["metric"] == "latency"]
        assert told == [(2, LABEL)] * expected
        assert {one["apart"] for one in found[kind] if one["metric"] != "latency"} == {None}


def test_runs_side_by_side_have_a_row_for_each_definition(house: House, runs: list[str]) -> None:
    page = read(house, f"/compare?runs={runs[1]},{runs[2]}")
    for section in ("effects", "values"):
        rows = page.partition(f'id="{section}"')[2].partition("</table>")[0]
        cells = {
            title: [">–<" not in cell for cell in re.findall(r'<td class="effect-cell.*?</td>', row, re.DOTALL)]
            for title, row in re.findall(r'<th scope="row"[^>]*>(Latency[^<]*)(.*?)</tr>', rows, re.DOTALL)
        }
        assert cells == {"Latency": [True, False], f"Latency ({LABEL})": [False, True]}
    assert "<b>Measured by another definition:</b>" in page
    side = json_of(house, f"/api/v1/compare?runs={runs[1]},{runs[2]}")
    assert [one["apart"] for one in side["quantities"] if one["metric"] == "latency"] == [None, LABEL]


def test_explore_and_techniques_name_what_they_leave_out(house: House, runs: list[str]) -> None:
    row = read(house, "/explore?show=latency").partition(f'<tr data-run="{runs[2]}"')[2].partition("</tr>")[0]
    assert LABEL in row
    listed = {one["run"]: one["figures"]["latency"] for one in json_of(house, "/api/v1/explore")["items"]}
    assert (listed[runs[2]]["value"], listed[runs[2]]["definition"]) == (None, 2)
    assert (listed[runs[1]]["value"] is not None, listed[runs[1]]["definition"]) == (True, 1)
    assert "1 run of another definition left out" in read(house, "/techniques/torch_compile")
    (case,) = json_of(house, "/api/v1/techniques/torch_compile")["known"]["cases"]
    assert (case["runs"], case["effects"]["latency"]["runs"], case["apart"]) == (2, 1, {"latency": 1})
