"""Studies over REST: the whole way of one, every bad input with its field, and nothing stored by a refusal."""

import json
import threading
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.db.session import Database
from app.db.tables import Audit, Run, Study
from tests import demo
from tests.conftest import signed_in
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import small

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)

DESIGNED: dict[str, Any] = {
    "name": "tiny llama, precision",
    "model": {"name": "llama", "preset": "tiny"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "evaluation": {"name": "divergence"},
    "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
    "variants": [{"name": "bf16", "stack": [{"technique": "precision", "dtype": "bf16"}]}],
    "sweep": {"sequence_length": [128, 256]},
    "device": "cpu",
    "effort": "quick",
}


def stored(database: Database) -> tuple[int, ...]:
    with database.reading() as session:
        return tuple(session.execute(select(func.count()).select_from(t)).scalar_one() for t in (Study, Run, Audit))


@both
def test_the_way_of_one_study(client: TestClient, database: Database) -> None:
    answer = client.post("/api/v1/studies", json=DESIGNED)
    assert answer.status_code == 201
    study = answer.json()
    assert answer.headers["location"] == f"/api/v1/studies/{study['id']}"
    assert study["url"] == f"/studies/{study['id']}"
    assert [(run["variant"], run["point"]) for run in study["runs"]] == [
        ("fp32", {"sequence_length": 128}),
        ("bf16", {"sequence_length": 128}),
        ("fp32", {"sequence_length": 256}),
        ("bf16", {"sequence_length": 256}),
    ]
    assert study["state"] == "queued"
    worker = WorkerDouble(database)
    for run in study["runs"]:
        worker.finish(worker.claim(run["id"]))
    done = client.get(f"/api/v1/studies/{study['id']}").json()
    assert done["state"] == "done"
    assert done["spec"]["sweep"] == {"sequence_length": [128, 256]}
    for run in done["runs"]:
        assert (run["state"], run["outcome"], run["attempts"]) == ("done", "ok", 1)
        assert {"metric", "phase", "arm", "value", "low", "high", "unit", "n"} <= set(run["measurements"][0])
        assert {"metric", "phase", "ratio", "low", "high", "verdict"} <= set(run["effects"][0])
        environment = client.get(f"/api/v1/environments/{run['environment']}").json()
        assert environment["fields"]["os"] == "Linux 6.1"
    assert client.get("/api/v1/studies").json()["items"][0]["id"] == study["id"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": {"name": "gpt9"}}, "model.name"),
    ({"model": {"name": "llama", "preset": "900b"}}, "model.preset"),
    ({"workload": {"name": "prefill", "batch_size": 0}}, "workload.batch_size"),
    ({"workload": {"name": "prefill", "batch_size": -1}}, "workload.batch_size"),
    ({"workload": {"name": "prefill", "batch_size": 10**9}}, "workload.batch_size"),
    ({"workload": {"name": "prefill", "sequence_length": 10**9}}, "workload.sequence_length"),
    ({"workload": {"name": "prefill", "batch_size": 2**63 - 1}}, "workload.batch_size"),
    ({"workload": {"name": "prefil"}}, "workload.name"),
    ({"variants": [{"name": "x", "stack": [{"technique": "flash"}]}]}, "variants.0.stack.0.technique"),
    ({"variants": [{"name": "x", "stack": [{"technique": "precision", "dtype": "fp7"}]}]}, "variants.0.stack.0.dtype"),
    ({"variants": [{"name": "x", "stack": [{"technique": "precision", "bits": 8}]}]}, "variants.0.stack.0.bits"),
    (
        {"variants": [{"name": "x", "stack": [{"technique": "int8_weight_only"}, {"technique": "nf4"}]}]},
        "variants.0.stack.1",
    ),
    ({"variants": [{"name": "fp32", "stack": []}]}, "variants.0.name"),
    ({"sweep": {"sequence_length": list(range(1, 101)), "batch_size": list(range(1, 101))}}, "sweep"),
    ({"sweep": {"sequence_length": list(range(1, 200))}}, "sweep.sequence_length"),
    ({"sweep": {"sequence_length": [0]}}, "sweep.sequence_length.0"),
    ({"sweep": {"sequence_lenght": [1]}}, "sweep.sequence_lenght"),
    ({"sweep": {"sequence_length": []}}, "sweep.sequence_length"),
    ({"device": "tpu"}, "device"),
    ({"effort": "heroic"}, "effort"),
    ({"name": "a\u0000b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"name": 7}, "name"),
    ({"seed": 2**31}, "seed"),
    ({"surprise": 1}, "surprise"),
    ({"model": {"name": "hub", "repo": "../../etc"}}, "model.repo"),
    ({"model": {"name": "folder", "folder": "../x"}}, "model.folder"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_bad_field_is_named_and_nothing_is_stored(
    client: TestClient, database: Database, change: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/v1/studies", json=DESIGNED | change)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["errors"]
    if not field.startswith(("model.repo", "model.folder")):
        assert problem["errors"][0]["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "detail", "field", "hint", "request_id"} <= set(problem)
    assert stored(database) == (0, 0, 0)
    checked = client.post("/api/v1/studies/check", json=DESIGNED | change)
    if checked.status_code == 200:
        assert not checked.json()["ok"]
        assert checked.json()["problems"] == problem["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": NaN}', 422),
        (b'{"seed": Infinity}', 422),
        (b'{"seed": 1e999}', 422),
        (b'{"name": "\\ud800"}', 422),
        (b'{"name": "a", "name": "b"}', 422),
        (b'{"seed": 9223372036854775808}', 422),
        (b'{"seed": ' + b"9" * 5_000 + b"}", 422),
        (b'{"name": "\xff"}', 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"x"', 422),
    ],
)
def test_bodies_that_are_none(client: TestClient, database: Database, body: bytes, status: int) -> None:
    answer = client.post("/api/v1/studies", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert "nan" not in answer.json()["detail"].lower()
    assert stored(database) == (0, 0, 0)


@both
def test_the_same_key_makes_one_study_however_many_ask_at_once(client: TestClient, database: Database) -> None:
    answers: Counter[str] = Counter()
    ready = threading.Barrier(4)

    def post(number: int) -> None:
        ready.wait()
        for turn in range(3):
            answer = client.post("/api/v1/studies", json=small(), headers={"Idempotency-Key": f"k{turn}"})
            answers[f"{turn} {answer.status_code} {answer.json()['id']}"] += 1

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [4, 4, 4]
    assert stored(database)[:2] == (3, 6)
    other = client.post("/api/v1/studies", json=small(name="other"), headers={"Idempotency-Key": "k0"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    again = client.post("/api/v1/studies", json=small(), headers={"Idempotency-Key": "k0"})
    assert again.headers["idempotency-replayed"] == "true"
    for key in ("", "x" * 256):
        answer = client.post("/api/v1/studies", json=small(), headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


@pytest.mark.parametrize(
    "study_id", ["9" * 30, "-1", "%2e%2e%2f", "%252e", "..%2f..%2fetc%2fpasswd", "'; DROP TABLE runs; --", "%00", "ü", "0" * 26, "x" * 5_000]
)  # fmt: skip
def test_ids_that_are_none(client: TestClient, study_id: str) -> None:
    for path in (f"/api/v1/studies/{study_id}", f"/api/v1/runs/{study_id}", f"/api/v1/environments/{study_id}"):
        assert client.get(path).status_code == 404, path
    assert client.get(f"/api/v1/studies/{study_id}/events").status_code == 404
    for path in (
        f"/api/v1/studies/{study_id}/cancel",
        f"/api/v1/runs/{study_id}/retry",
        f"/api/v1/runs/{study_id}/cancel",
    ):
        assert client.post(path).status_code == 404, path


def test_lists_come_newest_first_a_page_at_a_time(client: TestClient) -> None:
    ids = [client.post("/api/v1/studies", json=small(name=f"s{number}")).json()["id"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get("/api/v1/studies", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=' OR 1=1", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "x" * 300, "cursor"),
        ("limit=0", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=x", "limit"),
        ("state='; --", "state"),
    ],
)
def test_lists_refuse_what_they_do_not_know(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/api/v1/studies?{query}")
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert "sql" not in answer.text.lower()


def test_filtering_by_state(client: TestClient) -> None:
    first = client.post("/api/v1/studies", json=small()).json()["id"]
    client.post("/api/v1/studies", json=small())
    client.post(f"/api/v1/studies/{first}/cancel")
    items = client.get("/api/v1/studies", params={"state": "cancelled"}).json()["items"]
    assert [item["id"] for item in items] == [first]


def test_cancelling_twice_done_and_somebody_elses(app: FastAPI, client: TestClient, database: Database) -> None:
    study = client.post("/api/v1/studies", json=small()).json()
    other, reader = signed_in(app, database, "bob", "submit"), signed_in(app, database, "eve", "read")
    assert other.post(f"/api/v1/studies/{study['id']}/cancel").status_code == 403
    assert reader.post(f"/api/v1/studies/{study['id']}/cancel").status_code == 403
    first = client.post(f"/api/v1/studies/{study['id']}/cancel")
    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert client.post(f"/api/v1/studies/{study['id']}/cancel").json() == first.json()
    done = client.post("/api/v1/studies", json=small()).json()
    worker = WorkerDouble(database)
    for run in done["runs"]:
        worker.finish(worker.claim(run["id"]))
    answer = client.post(f"/api/v1/studies/{done['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")


def test_checking_a_spec_says_what_its_variants_will_need(client: TestClient) -> None:
    memory = client.post("/api/v1/studies/check", json=DESIGNED).json()["memory"]
    assert [one["variant"] for one in memory] == ["fp32", *(one["name"] for one in DESIGNED["variants"])]
    baseline = memory[0]
    assert baseline["needs"]["low"] <= baseline["needs"]["bytes"] <= baseline["needs"]["high"]
    assert baseline["verdict"] is None, "no device is present"
    assert client.post("/api/v1/studies/check", json=DESIGNED | {"device": "tpu"}).json()["memory"] == []


def test_checking_a_spec_counts_its_runs_and_stores_nothing(client: TestClient, database: Database) -> None:
    checked = client.post("/api/v1/studies/check", json=DESIGNED).json()
    assert (checked["ok"], checked["runs"], checked["problems"]) == (True, 4, [])
    assert checked["seconds"] == {"exact": None, "quick": None, "standard": None, "thorough": None}
    assert stored(database) == (0, 0, 0)
    study = client.post("/api/v1/studies", json=small()).json()
    worker = WorkerDouble(database)
    worker.finish(worker.claim(study["runs"][0]["id"]))
    seconds = client.post("/api/v1/studies/check", json=small()).json()["seconds"]
    assert seconds["standard"] == {"low": 96.4, "high": 96.4, "like": 1, "same_model": True}
    assert seconds["quick"] is None


def test_events_are_replayed_and_end_with_the_study(client: TestClient, database: Database) -> None:
    study = client.post("/api/v1/studies", json=small()).json()
    worker = WorkerDouble(database)
    for run in study["runs"]:
        granted = worker.claim(run["id"])
        worker.start(granted)
        worker.beat(granted, 0.5, log=("a line",))
        worker.finish(granted)
    address = f"/api/v1/studies/{study['id']}/events"
    events = read_events(client.get(address).text)
    assert [e["event"] for e in events[:6]] == ["study", "state", "study", "state", "progress", "log"]
    assert events[-1]["event"] == "study"
    assert json.loads(events[-1]["data"])["state"] == "done"
    numbers = [int(e["id"]) for e in events if "id" in e]
    assert numbers == sorted(numbers)
    rest = read_events(client.get(address, headers={"Last-Event-ID": str(numbers[3])}).text)
    assert [int(e["id"]) for e in rest if "id" in e] == numbers[4:]
    assert read_events(client.get(f"{address}?after={numbers[3]}").text) == rest
    assert len(read_events(client.get(f"{address}?after={2**63 - 1}").text)) == 1
    assert client.get(f"{address}?after={2**63}").status_code == 422
    assert client.get(address, headers={"Last-Event-ID": "x"}).status_code == 200


def read_events(text: str) -> list[dict[str, str]]:
    parts = [part for part in text.split("\n\n") if part and not part.startswith(":")]
    return [dict(line.split(": ", 1) for line in part.splitlines()) for part in parts]


def test_hostile_names_come_back_as_typed(client: TestClient) -> None:
    for name in ("<img src=x onerror=alert(1)>", "=HYPERLINK(1)", "{{7*7}}", "'; DROP TABLE studies; --"):
        answer = client.post("/api/v1/studies", json=small(name=name))
        assert answer.json()["name"] == name


def test_a_whole_demo_study_is_shown(client: TestClient) -> None:
    study = client.post("/api/v1/studies", json=demo.order()).json()
    assert len(study["runs"]) == 8
