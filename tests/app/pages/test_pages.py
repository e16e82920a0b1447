"""Every page: renders empty and full, names its JSON twin, escapes hostile names, and says what to do when refused."""

import html
import json
import re

import pytest
from pydantic import JsonValue

from app.db import queries
from app.door.security import create_signin_link
from app.pages.rendering import environment
from app.pages.study_view import TABS
from app.study import comparison
from tests.app.pages.conftest import HOSTILE, House
from workers.catalog import metrics

TWIN = re.compile(r'<link rel="alternate" type="application/json" href="([^"]+)">')
STATES = ["done", "swept", "failed", "hostile", "profiled", "mixed", "fallen", "going", "queued"]
LISTS = ["/", "/studies", "/studies?state=done", "/studies/new", "/workers"]


def read(house: House, path: str, status: int = 200) -> str:
    answer = house.browser.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def twin(house: House, page: str) -> JsonValue:
    found = TWIN.search(page)
    assert found is not None
    answer = house.browser.get(html.unescape(found[1]))
    assert answer.status_code == 200, answer.text
    body: JsonValue = answer.json()
    return body


def runs_of(house: House, study_id: str) -> list[str]:
    with house.database.reading() as session:
        return [run.id for run in queries.runs(session, study_id)]


@pytest.mark.parametrize("path", LISTS)
def test_renders_empty(house: House, path: str) -> None:
    page = read(house, path)
    assert "<h1>" in page
    assert twin(house, page)


@pytest.mark.parametrize("path", LISTS)
def test_renders_full(full: House, path: str) -> None:
    page = read(full, path)
    assert twin(full, page)
    assert "<img src=x" not in page


@pytest.mark.parametrize("word", STATES)
def test_study_renders_in_every_state(full: House, word: str) -> None:
    page = read(full, f"/studies/{full.studies[word]}")
    assert isinstance(twin(full, page), dict)
    page += read(full, f"/studies/{full.studies[word]}?tab=effects")
    for run in runs_of(full, full.studies[word]):
        assert f'href="/runs/{run}"' in page


@pytest.mark.parametrize("word", STATES)
def test_run_renders_in_every_state(full: House, word: str) -> None:
    for run in runs_of(full, full.studies[word]):
        page = read(full, f"/runs/{run}")
        shown = twin(full, page)
        assert isinstance(shown, dict)
        assert shown["id"] == run
        assert "python -I -m workers.measurement" in page


def test_no_page_has_inline_script_or_style(full: House) -> None:
    pages = [
        *LISTS,
        *(f"/studies/{study}" for study in full.studies.values()),
        *(f"/studies/{full.studies['profiled']}?tab={tab}" for tab, _ in TABS),
        f"/runs/{runs_of(full, full.studies['done'])[0]}",
        f"/runs/{runs_of(full, full.studies['profiled'])[1]}",
        f"/studies/{full.studies['mixed']}?across_environments=true",
    ]
    for path in pages:
        page = read(full, path)
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", page), path
        assert all(place.startswith("/") for place in re.findall(r'(?:src|href)="([^"#]+)', page)), path


def test_hostile_names_are_text(full: House) -> None:
    escaped = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")
    for path in (
        "/",
        "/studies",
        f"/studies/{full.studies['hostile']}",
        f"/runs/{runs_of(full, full.studies['hostile'])[1]}",
    ):
        page = read(full, path)
        assert escaped in page
        assert "<img src=x" not in page


def test_table_holds_value_interval_and_verdict(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?tab=effects")
    rows = re.findall(r'<tr[^>]*>\s*<th scope="row" class="name-cell"><svg.*?</tr>', page, re.DOTALL)
    assert len(rows) == 8
    assert "null test" in rows[0]
    for row in rows[:6]:
        assert re.search(r'class="value">[\d.,]+\u202fms', row)
        assert re.search(r'×[\d.]+</span><span class="interval">[\d.]+–[\d.]+', row)
        assert re.search(r"verdict-(improves|worsens|same|undecided)", row)
    assert "not supported in convert" in rows[6]
    assert "out of host memory in load" in rows[7]


def test_what_was_not_as_asked_is_said(full: House) -> None:
    study = f"/studies/{full.studies['done']}"
    page = read(full, f"{study}?tab=effects")
    assert "1 not as asked" in page
    assert ">emulated</a>" in page
    assert "Latency: interval ±2.6 %, goal ±2 %" in page
    page = read(full, study)
    assert ">emulated</a>" in page
    assert "Latency: interval ±2.6 %, goal ±2 %" in page
    assert "bandwidth</span>" in read(full, f"{study}?tab=roofline")


def test_every_run_says_what_ran(full: House) -> None:
    page = read(full, f"/studies/{full.studies['fallen']}?tab=effects")
    assert page.count('<a class="tag good" href="#proofs">as asked</a>') == 4
    assert page.count('<a class="tag warn" href="#proofs">emulated</a>') == 1
    assert page.count('<a class="tag bad" href="#proofs">fell back</a>') == 1
    findings = page[page.index('id="findings"') : page.index('<nav class="tabs"')]
    assert "bf16 + flash + compile" not in findings
    run = read(full, f"/runs/{runs_of(full, full.studies['fallen'])[5]}")
    assert "Something else ran than was asked." in run
    assert "aten::_scaled_dot_product_attention_math" in run


def test_a_verdict_that_does_not_survive_correction_says_both(full: House) -> None:
    runs = full.browser.get(f"/api/v1/studies/{full.studies['done']}").json()["runs"]
    changed = [
        (run, effect) for run in runs for effect in run["effects"] if effect["verdict"] != effect["verdict_alone"]
    ]
    for _, effect in changed:
        assert effect["verdict"] == "undecided"
        assert effect["p_value"] <= 0.05 < effect["p_adjusted"]
    page = read(full, f"/runs/{runs[1]['id']}")
    assert re.search(r"p (?:=|&lt;) [\d.]+; among 5 comparisons p (?:=|&lt;) [\d.]+", page)
    assert "moderated t over 3 pairs" in page


def test_profile_of_a_run(full: House) -> None:
    run = runs_of(full, full.studies["profiled"])[1]
    page = read(full, f"/runs/{run}")
    assert 'data-chart="anatomy"' in page
    assert 'data-chart="memory_over_time"' in page
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in page
    links = re.findall(r'<a class="button" href="([^"]+)" download>', page)
    assert len(links) == 2
    for link in links:
        answer = full.browser.get(link.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
    assert "Profile of one step" not in read(full, f"/runs/{runs_of(full, full.studies['done'])[1]}")


def test_charts_of_a_run_are_json(full: House) -> None:
    run = runs_of(full, full.studies["profiled"])[1]
    for name in ("anatomy", "memory_over_time"):
        assert full.browser.get(f"/api/v1/runs/{run}/charts/{name}").json()["figure"]["data"]
    assert full.browser.get(f"/api/v1/runs/{run}/charts/pie").status_code == 404


def test_environments_that_differ_are_told_and_not_mixed(full: House) -> None:
    study = full.studies["mixed"]
    page = read(full, f"/studies/{study}")
    assert "Measured in 2 environments." in page
    assert "They differ in cpu.model." in page
    assert page.count(">environment 2</a>") == 1
    assert f'href="/studies/{study}?across_environments=true">Compare anyway</a>' in page
    refused = full.browser.get(f"/api/v1/studies/{study}/comparison", headers={"Accept": "application/json"})
    body = refused.json()
    assert (refused.status_code, body["code"], body["field"]) == (409, "environments_differ", "cpu.model")
    assert [one["field"] for one in body["errors"]] == ["cpu.model"]
    chart = f"/api/v1/studies/{study}/charts/trade_off"
    assert full.browser.get(f"{chart}?scale=measured").status_code == 409
    assert full.browser.get(chart).json()["scale"] == "ratio"


def test_environments_that_differ_are_compared_by_an_explicit_act(full: House) -> None:
    study = full.studies["mixed"]
    page = read(full, f"/studies/{study}?across_environments=true")
    assert "Compared across environments." in page
    assert "Ratios only" in page
    found = full.browser.get(f"/api/v1/studies/{study}/comparison?across_environments=true").json()
    assert [change["field"] for change in found["elsewhere"][0]["changes"]] == ["cpu.model", "host.name"]
    chart = f"/api/v1/studies/{study}/charts/trade_off?scale=measured&across_environments=true"
    assert "Across environments that differ in cpu.model" in full.browser.get(chart).json()["caption"]
    ids = [found["elsewhere"][0]["against"], found["elsewhere"][0]["environment"]]
    between = full.browser.get(f"/api/v1/environments/{ids[0]}/difference?to={ids[1]}").json()
    assert (between["comparable"], between["changes"][0]["field"]) == (False, "cpu.model")
    assert full.browser.get(f"/api/v1/environments/{ids[0]}/difference?to={ids[0]}").json()["comparable"] is True
    assert full.browser.get(f"/api/v1/environments/{ids[0]}/difference?to=nothing").status_code == 404


def test_energy_that_cannot_be_read_is_said(full: House) -> None:
    page = read(full, f"/runs/{runs_of(full, full.studies['mixed'])[1]}")
    assert "not measurable here" in page
    assert "not measurable here" not in read(full, f"/runs/{runs_of(full, full.studies['done'])[1]}")


def test_all_failed_says_so(full: House) -> None:
    assert "No run of this study brought figures." in read(full, f"/studies/{full.studies['failed']}")


def test_queued_study_says_what_it_waits_for(full: House) -> None:
    assert "No worker for NVIDIA GPU is present." in read(full, f"/studies/{full.studies['queued']}")


def test_without_a_worker_home_and_form_warn(house: House) -> None:
    assert "No worker is present." in read(house, "/")
    assert "No worker is present." in read(house, "/studies/new")


def test_points_of_a_sweep_are_chosen_by_address(full: House) -> None:
    page = read(full, f"/studies/{full.studies['swept']}?point=1")
    assert '<option value="1" selected>sequence length 512</option>' in page
    read(full, f"/studies/{full.studies['swept']}?point=2", 404)
    read(full, f"/studies/{full.studies['swept']}?point=-1", 422)


def test_a_divergence_says_what_its_ratio_is(full: House) -> None:
    with full.database.reading() as session:
        compared = comparison.of_study(session, queries.study(session, full.studies["done"]))
    run = next(run for run in compared.runs if run.effects)
    latency = compared.quantity(next(iter(run.effects)))
    assert latency is not None
    divergence = latency.model_copy(update={"metric": metrics.QUALITY_KL.name})
    cell = environment().get_template("_parts.html").module.effect_cell  # type: ignore[attr-defined]
    said = "× is e to the divergence"
    assert (said in cell(run, divergence), said in cell(run, latency)) == (True, False)


def test_lists_go_on_where_they_ended(full: House) -> None:
    page = read(full, "/studies?state=done")
    assert "waits for a GPU" not in page
    assert 'rel="next"' not in page


@pytest.mark.parametrize(
    "path", ["/nothing", "/studies/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/runs/x", "/studies/%2e%2e%2fetc"]
)
def test_what_is_not_there_gets_a_page(house: House, path: str) -> None:
    page = read(house, path, 404)
    assert "Nothing is here" in page
    assert TWIN.search(page) is None


def test_link_signs_in_once(house: House) -> None:
    with house.database.writing() as session:
        secret = create_signin_link(session)
    house.browser.cookies.clear()
    assert "Please sign in" in read(house, "/", 401)
    first = house.browser.get(f"/sign-in/{secret}")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    read(house, "/")
    house.browser.cookies.clear()
    assert "This link does not sign you in" in read(house, f"/sign-in/{secret}", 410)


def test_signing_out_ends_the_session(house: House) -> None:
    cookies = dict(house.browser.cookies)
    answer = house.browser.post("/sign-out", headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 303
    assert "You are signed out" in read(house, answer.headers["location"])
    house.browser.cookies.update(cookies)
    read(house, "/", 401)


def test_chart_and_comparison_are_json(full: House) -> None:
    drawn = full.browser.get(
        f"/api/v1/studies/{full.studies['done']}/charts/trade_off?x=latency&y=memory.weights"
    ).json()
    assert drawn["figure"]["data"]
    assert full.browser.get(f"/api/v1/studies/{full.studies['done']}/comparison").json()["axes"][0] == "latency@prefill"
    refused = full.browser.get(f"/api/v1/studies/{full.studies['done']}/charts/trade_off?x=nonsense")
    assert (refused.status_code, refused.json()["field"]) == (422, "x")
    assert full.browser.get(f"/api/v1/studies/{full.studies['done']}/charts/pie").status_code == 404


def test_form_s_example_is_a_study(house: House) -> None:
    page = read(house, "/studies/new")
    found = re.search(r"-d &#39;(\{.*?\})&#39;", page)
    assert found is not None
    order = json.loads(found[1].replace("&#34;", '"'))
    answer = house.browser.post("/api/v1/studies/check", json=order, headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.json()["ok"] is True
