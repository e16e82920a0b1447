"""Lists of runs, priorities and raw samples over REST, with the refusals that name field and range."""

import csv
import io
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.session import Database
from app.db.tables import Audit
from tests.conftest import signed_in
from tests.doubles import WorkerDouble, measured
from tests.submitting import small


def test_runs_are_listed_and_filtered(client: TestClient, database: Database) -> None:
    ids = [run["id"] for _ in range(2) for run in client.post("/api/v1/studies", json=small()).json()["runs"]]
    worker = WorkerDouble(database)
    worker.finish(worker.claim(ids[0]))
    everything = client.get("/api/v1/runs").json()
    assert [run["id"] for run in everything["items"]] == sorted(ids, reverse=True)
    assert everything["next"] is None
    (ended,) = client.get("/api/v1/runs?state=ended&outcome=ok&device=cpu&sort=-finished").json()["items"]
    assert (ended["id"], ended["study_name"], ended["worker"], ended["seconds"]) == (
        ids[0], small()["name"], "box1:cpu:1", 48.2,
    )  # fmt: skip
    assert client.get("/api/v1/runs?device=cuda").json()["items"] == []
    first = client.get("/api/v1/runs?sort=queue&limit=2").json()
    rest = client.get("/api/v1/runs", params={"sort": "queue", "limit": 2, "cursor": first["next"]}).json()
    assert [run["id"] for run in (*first["items"], *rest["items"])] == ids[1:]
    now = client.get("/api/v1/activity").json()
    assert (now["queued"], [run["id"] for run in now["finished"]]) == ({"cpu": 3}, [ids[0]])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=lost", "state"),
        ("sort=name", "sort"),
        ("sort=-created;--", "sort"),
        ("device=tpu", "device"),
        ("outcome=great", "outcome"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=W10", "cursor"),
        ("cursor=WyItZmluaXNoZWQiLDEsIjAxIl0", "cursor"),
        ("sort=queue&cursor=WyJxdWV1ZSIsMWU5OTksIlgiLDBd", "cursor"),
        ("sort=queue&cursor=WyJxdWV1ZSIsdHJ1ZSwiWCIsMF0", "cursor"),
    ],
)
def test_lists_refuse_what_they_do_not_know(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/api/v1/runs?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_priorities_are_set_by_their_owner_and_written_down(
    app: FastAPI, client: TestClient, database: Database
) -> None:
    study = client.post("/api/v1/studies", json=small()).json()
    run = study["runs"][1]["id"]
    path = f"/api/v1/runs/{run}/priority"
    answer = client.post(path, json={"priority": 3}, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["priority"]) == (200, 3)
    assert client.post(path, json={"priority": 3}, headers={"Idempotency-Key": "once"}).json() == answer.json()
    whole = client.post(f"/api/v1/studies/{study['id']}/priority", json={"priority": -10}).json()
    assert (whole["priority"], {one["priority"] for one in whole["runs"]}) == (-10, {-10})
    for other in (signed_in(app, database, "bob", "submit"), signed_in(app, database, "eve", "read")):
        assert other.post(path, json={"priority": 1}).status_code == 403
    with database.reading() as session:
        rows = session.execute(select(Audit)).scalars()
        told = [(row.subject, row.detail) for row in rows if row.action == "prioritise"]
    assert told == [(run, {"priority": 3}), (study["id"], {"priority": -10})]


@pytest.mark.parametrize("body", [{"priority": 11}, {"priority": -11}, {"priority": 1.5}, {"priority": "1"},
                                  {"priority": True}, {"priority": None}, {"priority": []}, {},
                                  {"priority": 1, "x": 1}])  # fmt: skip
def test_a_priority_that_is_none_names_field_and_range(client: TestClient, body: dict[str, Any]) -> None:
    study = client.post("/api/v1/studies", json=small()).json()
    for path in (f"/api/v1/studies/{study['id']}/priority", f"/api/v1/runs/{study['runs'][0]['id']}/priority"):
        answer = client.post(path, json=body)
        assert answer.status_code == 422
        assert answer.json()["field"] == ("x" if "x" in body else "priority")
        if body in ({"priority": 11}, {"priority": -11}):
            assert "-10" in answer.json()["hint"]
            assert "10" in answer.json()["hint"]
        if body == {"priority": []}:
            assert answer.json()["detail"] == "priority is not a whole number."


def test_raw_samples_as_json_and_as_a_table(client: TestClient, database: Database) -> None:
    first, second = (run["id"] for run in client.post("/api/v1/studies", json=small()).json()["runs"])
    worker = WorkerDouble(database)
    report = measured()
    cold = report.samples[0].model_copy(update={"warm_up": True, "values": (0.1, 5e-324)})
    worker.finish(worker.claim(first), report.model_copy(update={"samples": (cold, *report.samples)}))
    found = client.get(f"/api/v1/runs/{first}/samples").json()
    assert found["run"] == first
    assert found["samples"] == client.get(f"/api/v1/runs/{first}").json()["samples"]
    saved = client.get(f"/api/v1/runs/{first}/samples.csv")
    assert saved.headers["content-disposition"] == f'attachment; filename="{first}-samples.csv"'
    rows = list(csv.DictReader(io.StringIO(saved.text)))
    assert [float(row["value"]) for row in rows] == [value for one in found["samples"] for value in one["values"]]
    assert [(row["warm_up"], row["number"], row["value"], row["unit"]) for row in rows[:2]] == [
        ("true", "0", "0.1", "s"),
        ("true", "1", "5e-324", "s"),
    ]
    assert client.get(f"/api/v1/runs/{second}/samples").json()["samples"] == []
    assert client.get(f"/api/v1/runs/{'0' * 26}/samples.csv").status_code == 404
