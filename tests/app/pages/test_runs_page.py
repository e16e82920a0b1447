"""The Runs page and the page of one run: what runs, waits and has ended; filters in the address; ways on from a run."""

import re

import pytest

from app.db import queries
from tests import demo
from tests.app.pages.conftest import HOSTILE, House
from tests.app.pages.test_pages import read, runs_of, twin

VIEWS = ["/runs", "/runs?device=cpu", "/runs?state=queued", "/runs?state=ended", "/runs?state=all", "/runs?state=held",
         "/runs?outcome=unsupported", "/runs?state=&device=&outcome="]  # fmt: skip


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_renders_empty_and_has_its_twin(house: House, path: str) -> None:
    page = read(house, path)
    assert "<h1>Runs</h1>" in page
    assert isinstance(twin(house, page), dict)


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_renders_full(full: House, path: str) -> None:
    page = read(full, path)
    shown = twin(full, page)
    assert isinstance(shown, dict)
    assert "<img src=x" not in page
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:|<script(?![^>]*\ssrc=)", page)


def test_now_shows_what_runs_what_waits_and_who_measures(full: House) -> None:
    page = read(full, "/runs")
    with full.database.reading() as session:
        (going,) = [run.id for run in queries.runs(session, full.studies["going"]) if run.state == "running"]
    row = re.search(rf'<tr data-row="{going}">.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert 'value="0.6"' in row[0]
    assert "measure · pair 2 of 3" in row[0]
    assert "earlier runs like it" in row[0]
    assert "No worker for NVIDIA GPU is present." in page
    assert 'data-act="priority"' in page
    assert demo.WORKER in page
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in page
    gpu = read(full, "/runs?device=cuda")
    assert going not in gpu
    assert "No run is being measured." in gpu


def test_without_an_earlier_run_no_end_is_invented(house: House) -> None:
    demo.present(house.database)
    study = demo.submit(house.database, demo.order(), house.owner_id)
    demo.measure(house.database, study, 1, stop_before_report=True)
    assert "no earlier run like it" in read(house, "/runs")
    assert "no earlier run like it" in read(house, f"/runs/{runs_of(house, study)[0]}")


def test_lists_are_filtered_and_go_on(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    page = read(full, "/runs?outcome=unsupported")
    assert "not supported in convert" in page
    assert "bf16</a>" not in page
    monkeypatch.setattr("app.pages.runs.PER_PAGE", 3)
    seen: list[str] = []
    path = "/runs?state=ended&device=cpu"
    while path:
        page = read(full, path)
        seen += re.findall(r'<tr data-row="(\w+)">', page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) > 20
    read(full, "/runs?state=nonsense", 422)
    read(full, "/runs?state=ended&cursor=nonsense", 422)


@pytest.mark.parametrize(
    ("path", "field", "choices"),
    [
        ("/studies?state=zz", "state", "queued, running, done, cancelled"),
        ("/runs?state=zz", "state", "all"),
        ("/runs?device=zz", "device", "cpu, cuda"),
    ],
)
def test_a_value_that_is_none_of_the_choices_is_told_once(full: House, path: str, field: str, choices: str) -> None:
    problem = full.browser.get(path, headers={"Accept": "application/json"}).json()
    assert [one["field"] for one in problem["errors"]] == [field]
    assert problem["detail"] == f"{field} 'zz' is not one of the choices."
    assert problem["hint"].startswith("Choices: ")
    assert choices in problem["hint"]
    assert ", ," not in problem["hint"]


def test_a_run_leads_to_its_neighbours_and_siblings(full: House) -> None:
    runs = runs_of(full, full.studies["done"])
    first, second, last = (read(full, f"/runs/{run}") for run in (runs[0], runs[1], runs[-1]))
    assert 'rel="prev"' not in first
    assert f'rel="next" href="/runs/{runs[1]}"' in first
    assert f'rel="prev" href="/runs/{runs[0]}"' in second
    assert "2 of 8" in second
    assert 'rel="next"' not in last
    assert f'href="/api/v1/runs/{runs[1]}/samples.csv" download' in second
    assert 'data-chart="samples"' in second
    assert 'data-act="retry"' in second
    waiting = read(full, f"/runs/{runs_of(full, full.studies['queued'])[0]}")
    assert waiting.count('data-act="priority"') == 2
    assert 'data-act="cancel"' in waiting
    assert "samples.csv" not in waiting


def test_the_charts_of_a_run_are_drawn_from_its_samples(full: House) -> None:
    run = runs_of(full, full.studies["done"])[1]
    drawn = full.browser.get(f"/api/v1/runs/{run}/charts/samples").json()
    assert len(drawn["figure"]["data"]) == 6
    assert "360 samples of 6 processes" in drawn["caption"]
