"""Drafts over REST: kept whatever they hold, for their owner alone."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.session import Database
from app.ordering import drafts
from tests.conftest import signed_in
from tests.services import BOTH_DATABASES

WRONG: dict[str, Any] = {"model": {"name": "gpt9"}, "variants": "none", "surprise": [1, {"deep": None}]}
HOSTILE = "<img src=x onerror=alert(1)> {{7*7}}"


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_the_way_of_one_draft(client: TestClient) -> None:
    saved = client.post("/api/v1/drafts", json={"name": HOSTILE, "study": WRONG})
    assert saved.status_code == 201
    draft = saved.json()
    address = f"/api/v1/drafts/{draft['id']}"
    assert saved.headers["location"] == address
    assert draft["url"] == f"/studies/new?draft={draft['id']}"
    assert (draft["name"], draft["study"]) == (HOSTILE, WRONG)
    renamed = client.patch(address, json={"name": "later"}).json()
    assert (renamed["name"], renamed["study"]) == ("later", WRONG)
    changed = client.patch(address, json={"study": {}}).json()
    assert (changed["name"], changed["study"]) == ("later", {})
    assert changed["changed_at"] >= draft["changed_at"]
    assert client.get(address).json() == changed
    assert [one["id"] for one in client.get("/api/v1/drafts").json()["items"]] == [draft["id"]]
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == client.get(address).status_code == 404
    assert client.get("/api/v1/drafts").json()["items"] == []


def test_a_draft_is_its_owner_s_alone(app: FastAPI, client: TestClient, database: Database) -> None:
    other = signed_in(app, database, "bob", "submit")
    address = f"/api/v1/drafts/{other.post('/api/v1/drafts', json={'name': 'bob', 'study': {}}).json()['id']}"
    for answer in (client.get(address), client.patch(address, json={"name": "x"}), client.delete(address)):
        assert answer.status_code == 404, "not even an administrator"
    assert client.get("/api/v1/drafts").json()["items"] == []
    assert other.get(address).json()["name"] == "bob"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "", "study": {}}, 422, "name"),
        ({"name": "a\nb", "study": {}}, 422, "name"),
        ({"name": "a"}, 422, "study"),
        ({"name": "a", "study": []}, 422, "study"),
        ({"name": "a", "study": {}, "more": 1}, 422, "more"),
        ({"name": "a", "study": {"text": "x" * drafts.MAX_BYTES}}, 413, "study"),
    ],
)
def test_what_cannot_be_kept_names_the_field(client: TestClient, body: dict[str, Any], status: int, field: str) -> None:
    answer = client.post("/api/v1/drafts", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert client.get("/api/v1/drafts").json()["items"] == []


def test_the_same_key_saves_once_and_lists_go_on(client: TestClient) -> None:
    body = json.dumps({"name": "a", "study": {}})
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    ids = {client.post("/api/v1/drafts", content=body, headers=headers).json()["id"] for _ in range(2)}
    ids |= {client.post("/api/v1/drafts", json={"name": str(number), "study": {}}).json()["id"] for number in range(2)}
    first = client.get("/api/v1/drafts?limit=2").json()
    second = client.get("/api/v1/drafts", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + second["items"]] == sorted(ids, reverse=True)
    assert (len(ids), second["next"]) == (3, None)


def test_there_is_an_end_to_drafts(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_DRAFTS", 1)
    client.post("/api/v1/drafts", json={"name": "a", "study": {}})
    answer = client.post("/api/v1/drafts", json={"name": "b", "study": {}})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "Delete one" in answer.json()["hint"]
