"""The page Compare and its JSON twin: what is chosen by the address, and what is wrong with a choice."""

import re
from typing import Any

import pytest

from app.db import queries
from tests import demo
from tests.app.pages.conftest import House
from tests.conftest import signed_in

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def runs_of(house: House, word: str) -> list[str]:
    with house.database.reading() as session:
        return [run.id for run in queries.runs(session, house.studies[word])]


def json_of(house: House, path: str, status: int = 200) -> Any:
    answer = house.browser.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == status, answer.text
    return answer.json()


def read(house: House, path: str, status: int = 200) -> str:
    answer = house.browser.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def test_two_variants_of_a_study(full: House) -> None:
    chosen = ",".join(runs_of(full, "done")[1:3])
    page = read(full, f"/compare?runs={chosen}")
    assert "<b>Comparable.</b>" in page
    assert "All runs were measured in the same environment." in page
    sections = ["environment", "order", "forest", "effects", "between", "values", "reproduce"]
    places = [page.index(f'id="{section}"') for section in sections]
    assert places == sorted(places), "what differs comes before what was measured"
    assert "Indirect" in page
    assert "Scores of quality are left out" in page
    assert page.count("python -I -m workers.measurement") == 2
    assert re.search(
        r'class="value">×0\.52</div><div class="against"><span class="interval">[\d.–]+</span><span>n 3', page
    )
    found = json_of(full, f"/api/v1/compare?runs={chosen}")
    assert [one["letter"] for one in found["runs"]] == ["A", "B"]
    assert found["comparable"] is True
    assert found["between"]
    assert f'href="/api/v1/compare?runs={chosen}"' in page


def test_runs_of_two_machines_are_stamped(full: House) -> None:
    runs = [runs_of(full, "done")[1], runs_of(full, "mixed")[3]]
    page = read(full, f"/compare?runs={','.join(runs)}")
    assert "Not comparable as measured." in page
    assert "cpu.model" in page
    assert "Ratios over the own baseline hold all the same" in page
    assert page.index('id="stamp"') < page.index('id="effects"')


def test_a_study_brings_its_variants_and_says_what_it_leaves_out(full: House) -> None:
    found = json_of(full, f"/api/v1/compare?studies={full.studies['done']}")
    assert [one["run"]["variant"] for one in found["runs"]] == [
        "bf16", "flash attention", "compile", "int8 weights", "bf16 + flash + compile"
    ]  # fmt: skip
    assert [(one["variant"], one["why"]) for one in found["left_out"]] == [
        ("nf4", "not supported in convert"),
        ("llm.int8", "out of host memory in load"),
    ]
    assert "Left out, for want of figures" in read(full, f"/compare?studies={full.studies['done']}")


def wrong(full: House) -> list[tuple[str, str, str]]:
    """Addresses that cannot be compared, the field that is wrong, and what is said of it."""
    done = runs_of(full, "done")
    many = [*done[:6], *runs_of(full, "fallen")[:6], runs_of(full, "profiled")[0]]
    return [
        (f"runs={done[0]}", "runs", "names only one run; a comparison holds 2 to 12"),
        (f"runs={','.join(many)}", "runs", "names 13 runs; a comparison holds 2 to 12"),
        (f"runs={done[0]},{done[0]},{done[1]}", "runs", f"names '{done[0]}' twice"),
        (f"runs={done[0]},{NOBODY}", "runs", f"names '{NOBODY}', and there is no such run"),
        (f"runs={done[0]},<b>", "runs", "names '<b>', and there is no such run"),
        (f"runs={done[0]},{done[6]}", "runs", f"names nf4 ({done[6]}), which has no figures: not supported in convert"),
        (f"runs={done[0]},{runs_of(full, 'queued')[0]}", "runs", "which has no figures: it is queued"),
        (f"studies={full.studies['queued']}", "studies", "have no runs with figures"),
        (f"studies={full.studies['done']},{full.studies['fallen']},{full.studies['mixed']}", "studies", "have 13 runs"),
        (f"studies={NOBODY}", "studies", "there is no such study"),
        (f"studies={full.studies['done']}&runs={done[0]}", "studies", "and runs are both named"),
    ]


@pytest.mark.parametrize("number", range(11))
def test_a_bad_choice_is_named_and_the_page_stays_usable(full: House, number: int) -> None:
    query, field, says = wrong(full)[number]
    problem = json_of(full, f"/api/v1/compare?{query}", 422)
    assert problem["field"] == field
    assert says in problem["detail"]
    assert problem["hint"]
    page = read(full, f"/compare?{query}", 422)
    assert "That cannot be compared." in page
    assert says.replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;") in page
    assert 'name="runs"' in page
    kept = re.search(r"runs=(\w{26})", query)
    if kept and "both" not in says:
        assert re.search(rf'value="{kept[1]}" id="pick-{kept[1]}" checked', page), "what was right stays chosen"


def test_the_picker_finds_runs_by_name(full: House) -> None:
    page = read(full, "/compare?search=TWO+machines")
    assert page.count('name="runs"') == 4
    assert "No other run with figures has “%” " in read(full, "/compare?search=%25")
    found = json_of(full, "/api/v1/compare/runs?search=int8&limit=1")
    assert [one["variant"] for one in found["items"]] == ["int8 weights"]
    older = json_of(full, f"/api/v1/compare/runs?search=int8&cursor={found['next']}")
    assert {one["variant"] for one in older["items"]} == {"int8 weights"}
    assert older["items"][0]["finished_at"] is not None
    assert json_of(full, "/api/v1/compare/runs?cursor=x", 422)["field"] == "cursor"


def test_boxes_become_one_readable_address(full: House) -> None:
    first, second = runs_of(full, "done")[1:3]
    answer = full.browser.get(f"/compare?search=&runs={first}&runs={second}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/compare?runs={first},{second}")
    page = read(full, f"/compare?runs={first},{second}&pick=true&search=bf16")
    assert len(re.findall(r'name="runs".* checked>', page)) == 2


def test_an_empty_house_says_how_to_begin(house: House) -> None:
    assert "No run has figures yet." in read(house, "/compare")
    assert json_of(house, "/api/v1/compare", 422)["field"] == "runs"


def test_the_forest_is_drawn_for_a_quantity(full: House) -> None:
    chosen = ",".join([*runs_of(full, "done")[1:3], runs_of(full, "mixed")[3]])
    drawn = json_of(full, f"/api/v1/compare/charts/forest?runs={chosen}&x=memory.weights")
    assert "Weights" in drawn["caption"]
    assert len(drawn["figure"]["data"]) == 3
    refused = json_of(full, f"/api/v1/compare/charts/forest?runs={chosen}&x=nonsense", 422)
    assert (refused["field"], "latency@prefill" in refused["hint"]) == ("x", True)


def test_null_tests_can_be_compared_as_well(full: House) -> None:
    runs = [runs_of(full, "done")[0], runs_of(full, "swept")[0]]
    assert "null test: baseline against itself" in read(full, f"/compare?runs={','.join(runs)}")


def test_notes_and_tags_are_read_without_scripts(house: House) -> None:
    study = demo.submit(house.database, demo.order(), house.owner_id)
    own = {"Origin": "http://127.0.0.1:8000"}
    house.browser.post(f"/api/v1/studies/{study}/notes", json={"text": "**swapped**"}, headers=own)
    house.browser.post(f"/api/v1/studies/{study}/tags", json={"tag": "R & D"}, headers=own)
    page = read(house, f"/studies/{study}")
    assert '<div class="note-text"><p><strong>swapped</strong></p>' in page
    assert '<a class="tag" href="/studies?tag=R%20%26%20D"' in page
    assert "<bdi>R &amp; D</bdi>" in read(house, "/studies?tag=r+%26+d&state=queued")
    assert "No study is like that" in read(house, "/studies?tag=other")


def test_a_note_is_offered_for_editing_to_its_writer_and_to_administrators(house: House) -> None:
    study = demo.submit(house.database, demo.order(), house.owner_id)
    notes, page = f"/api/v1/studies/{study}/notes", f"/studies/{study}"
    house.browser.post(notes, json={"text": "by the operator"}, headers={"Origin": "http://127.0.0.1:8000"})
    app: Any = house.browser.app
    bob, eve = signed_in(app, house.database, "bob", "submit"), signed_in(app, house.database, "eve", "read")
    bob.post(notes, json={"text": "by bob"})
    shown = {
        name: one.get(page, headers={"Accept": "text/html"}).text
        for name, one in (("operator", house.browser), ("bob", bob), ("eve", eve))
    }
    assert {name: text.count("data-edit>") for name, text in shown.items()} == {"operator": 2, "bob": 1, "eve": 0}
    assert {name: text.count("data-remove") for name, text in shown.items()} == {"operator": 2, "bob": 1, "eve": 0}
    assert {name: "data-write" in text for name, text in shown.items()} == {"operator": True, "bob": True, "eve": False}
    assert "writing takes the scope submit" in shown["eve"]
    assert all("others write one of their own beside it" in text for text in shown.values())
    (_, his) = house.browser.get(notes).json()["items"]
    edited = {"text": "by bob, and more", "version": 1}
    house.browser.put(f"{notes}/{his['id']}", json=edited, headers={"Origin": "http://127.0.0.1:8000"})
    assert "<bdi>bob</bdi>, edited by <bdi>operator</bdi>" in read(house, page)
