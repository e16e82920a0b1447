"""The page of claims: empty and full, filtered by its address, with the study of a claim, and refusals that name the choices."""

import html
import json
import re

import pytest

from app.knowledge import claims
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read, twin


def row(page: str, says: str) -> str:
    rows: list[str] = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    return next(one for one in rows if says in one)


def test_renders_empty(house: House) -> None:
    page = read(house, "/claims")
    for title in claims.topics().values():
        assert f">{title}</h2>" in page
    assert "No run in a comparable setting" in row(page, "Bf16 halves memory.")
    assert twin(house, page)


def test_measured_and_reckoned_claims_stand_with_what_decides_them(full: House) -> None:
    page = read(full, "/claims")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
    measured = row(page, "Bf16 halves memory.")
    assert "contradicted" in measured
    assert re.search(r'href="/runs/[0-9A-Z]{26}">×0.55</a>', measured)
    assert 'href="/techniques/precision"' in measured
    reckoned = row(page, "AdamW keeps states of 112 GB")
    assert "wrong by arithmetic" in reckoned
    assert "<b>56 GB</b>" in reckoned
    assert "7 billion × 8 bytes" in reckoned
    assert "The catalogue has no such technique yet." in row(page, "Export to ONNX")
    assert "null test" in row(page, "moves by 10 %")


def test_what_is_picked_stands_in_the_address(full: House) -> None:
    page = read(full, "/claims?status=wrong&topic=optimizer")
    assert '<option value="optimizer" selected>' in page
    assert re.search(r'href="/claims\?topic=optimizer" aria-current="true">wrong by arithmetic \(5\)<', page)
    assert len(re.findall(r'scope="row"', page)) == 5
    assert "/api/v1/claims?status=wrong&amp;topic=optimizer" in page
    assert "No claim is so" in read(full, "/claims?status=mixed&topic=numbers")


def test_topics_are_folded_until_something_is_picked(full: House) -> None:
    page = read(full, "/claims")
    folds = re.findall(r'<details data-keep="(\w+)"( open)?>', page)
    assert [word for word, _ in folds] == list(claims.topics())
    assert not any(is_open for _, is_open in folds)
    statuses = dict(re.findall(r'href="/claims\?status=(\w+)">[^(]*\((\d+)\)<', page))
    assert sum(map(int, statuses.values())) == len(re.findall(r'scope="row"', page))
    assert re.findall(r'<details data-keep="(\w+)" open>', read(full, "/claims?topic=noise")) == ["noise"]
    measured = read(full, "/claims?measure=flash-512-speed")
    (opened,) = re.findall(r'<details data-keep="(\w+)" open>', measured)
    assert "flash-512-speed" in measured[measured.index(f'id="topic-{opened}"') :].partition("</details>")[0]


def test_a_claim_offers_the_study_that_tests_it(full: House) -> None:
    page = read(full, "/claims?technique=attention")
    link = re.search(r'href="(/claims\?technique=attention&amp;measure=flash-512-speed)#cell"', page)
    assert link is not None
    opened = read(full, html.unescape(link[1]))
    body = re.search(r'data-draft="([^"]+)"', opened)
    assert body is not None
    study = json.loads(html.unescape(body[1]))
    kept = full.browser.post(
        "/api/v1/drafts", json={"name": study["name"], "study": study}, headers={"Origin": "http://127.0.0.1:8000"}
    )
    assert kept.status_code == 201, kept.text


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/claims?status=maybe", "not_measured"),
        ("/claims?technique=magic", "kv_cache"),
        ("/claims?about=x", "measure"),
        ("/claims?measure=adamw-states", "No study of its own"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_choices(full: House, address: str, says: str) -> None:
    assert says in read(full, address, 422)


def test_the_pages_of_techniques_lead_there(full: House) -> None:
    assert 'href="/claims"' in read(full, "/techniques")
    assert 'href="/claims?technique=precision"' in read(full, "/techniques/precision")
