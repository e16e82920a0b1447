"""Runs over REST: what workers say and what people ask, with the refusals that both must understand."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.session import Database
from app.door.guard import REPORT_BYTES
from tests import demo
from tests.conftest import signed_in
from tests.doubles import announcement, measured
from tests.services import BOTH_DATABASES
from tests.submitting import small

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


@pytest.fixture
def runs(client: TestClient) -> list[str]:
    """Ids of the runs of a new study."""
    return [run["id"] for run in client.post("/api/v1/studies", json=small()).json()["runs"]]


def say(caller: TestClient, run: str, verb: str, /, **paper: Any) -> Any:
    return caller.post(f"/api/v1/runs/{run}/{verb}", json=paper)


def announce(worker: TestClient, number: int = 1) -> str:
    answer = worker.post("/api/v1/workers", json=announcement(number).model_dump(mode="json"))
    assert answer.status_code == 200
    worker_id: str = answer.json()["worker"]
    return worker_id


@both
def test_what_a_worker_says(client: TestClient, worker: TestClient, runs: list[str]) -> None:
    assert announce(worker) == announce(worker)
    granted = say(worker, runs[0], "claim", worker="box1:cpu:1").json()
    assert granted["limits"]["run_s"] == 3600
    token = granted["token"]
    assert say(worker, runs[0], "start", token=token, pid=77).json() == {"cancel": False, "lease_s": 30.0}
    beat = {"token": token, "progress": {"phase": "load", "message": "x\x00", "fraction": 0.1}, "log": ["a\x00b"]}
    assert say(worker, runs[0], "beat", **beat).status_code == 200
    shown = client.get(f"/api/v1/runs/{runs[0]}").json()
    assert (shown["state"], shown["progress"]["phase"], shown["history"][0]["pid"]) == ("running", "load", 77)
    report = measured().model_dump(mode="json")
    assert say(worker, runs[0], "finish", token=token, report=report).json() == {"state": "done"}
    assert say(worker, runs[0], "finish", token=token, report=report).json() == {"state": "done"}
    refused = say(worker, runs[0], "beat", token=token)
    assert (refused.status_code, refused.json()["code"]) == (409, "stale_token")
    assert say(worker, runs[1], "claim", worker="box1:cpu:1").status_code == 200
    other = say(worker, runs[0], "claim", worker="box1:cpu:1")
    assert (other.status_code, other.json()["code"]) == (409, "device_busy")
    assert say(worker, runs[1], "release", token=1, ending="released").json() == {"state": "queued"}
    taken = say(worker, runs[0], "claim", worker="box1:cpu:1")
    assert (taken.status_code, taken.json()["code"]) == (409, "run_not_claimable")
    assert say(worker, runs[1], "claim", worker="nobody").json()["code"] == "unknown_worker"
    assert say(worker, "0" * 26, "claim", worker="box1:cpu:1").status_code == 404


@both
def test_numbers_at_the_edge_of_64_bits(client: TestClient, worker: TestClient, runs: list[str]) -> None:
    announce(worker)
    token = say(worker, runs[0], "claim", worker="box1:cpu:1").json()["token"]
    assert say(worker, runs[0], "start", token=2**63 - 1, pid=1).status_code == 409
    assert say(worker, runs[0], "start", token=2**63, pid=1).status_code == 422
    assert say(worker, runs[0], "start", token=token, pid=2**63 - 1).status_code == 200
    report = measured().model_dump(mode="json")
    report["signal"] = 2**63 - 1
    report["measurements"][0]["n"] = 2**63 - 1
    report["measurements"][0]["value"] = 5e-324
    assert say(worker, runs[0], "finish", token=token, report=report).status_code == 200
    shown = client.get(f"/api/v1/runs/{runs[0]}").json()
    assert (shown["measurements"][0]["n"], shown["measurements"][0]["value"]) == (2**63 - 1, 5e-324)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "great"},
        {"seconds": -1},
        {"measurements": [{"metric": "latency"}]},
        {"measurements": [measured().measurements[0].model_dump()] * 2},
        {"measurements": [measured().measurements[0].model_dump() | {"metric": "a\x00"}]},
        {"version": 2},
        {"message": "x" * 20_001},
    ],
)
def test_a_report_that_is_none_leaves_the_run_as_it_was(
    client: TestClient, worker: TestClient, runs: list[str], change: dict[str, Any]
) -> None:
    announce(worker)
    token = say(worker, runs[0], "claim", worker="box1:cpu:1").json()["token"]
    answer = say(worker, runs[0], "finish", token=token, report=measured().model_dump(mode="json") | change)
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(("report.", "measurements"))
    assert client.get(f"/api/v1/runs/{runs[0]}").json()["state"] == "leased"


def test_nan_in_a_report_is_refused_by_name(worker: TestClient, runs: list[str]) -> None:
    announce(worker)
    token = say(worker, runs[0], "claim", worker="box1:cpu:1").json()["token"]
    report = measured().model_dump(mode="json")
    report["measurements"][3]["value"] = float("nan")
    body = json.dumps({"token": token, "report": report})
    answer = worker.post(f"/api/v1/runs/{runs[0]}/finish", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["field"]) == (422, "report.measurements.3.value")


def test_a_report_may_be_larger_than_other_bodies(client: TestClient, worker: TestClient, runs: list[str]) -> None:
    announce(worker)
    token = say(worker, runs[0], "claim", worker="box1:cpu:1").json()["token"]
    values = [0.123456789 + number * 1e-9 for number in range(300_000)]
    samples = [{"metric": "latency", "phase": "prefill", "arm": "variant", "pair": 0, "values": values}]
    body = json.dumps({"token": token, "report": {"outcome": "ok", "samples": samples}})
    assert 1_000_000 < len(body) < REPORT_BYTES
    json_type = {"Content-Type": "application/json"}
    assert worker.post(f"/api/v1/runs/{runs[0]}/beat", content=body, headers=json_type).status_code == 413
    assert worker.post(f"/api/v1/runs/{runs[0]}/finish", content=body, headers=json_type).status_code == 200
    assert client.get(f"/api/v1/runs/{runs[0]}").json()["samples"][0]["values"] == values


def test_people_run_again_and_cancel(app: FastAPI, client: TestClient, worker: TestClient, database: Database) -> None:
    study = client.post("/api/v1/studies", json=small()).json()
    first, second = (run["id"] for run in study["runs"])
    announce(worker)
    token = say(worker, first, "claim", worker="box1:cpu:1").json()["token"]
    busy = client.post(f"/api/v1/runs/{first}/retry")
    assert (busy.status_code, busy.json()["code"]) == (409, "run_not_finished")
    assert say(worker, first, "finish", token=token, report=measured().model_dump(mode="json")).status_code == 200
    other = signed_in(app, database, "bob", "submit")
    assert other.post(f"/api/v1/runs/{first}/retry").status_code == 403
    again = client.post(f"/api/v1/runs/{first}/retry", headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    assert client.post(f"/api/v1/runs/{first}/retry", headers={"Idempotency-Key": "once"}).json() == again.json()
    assert client.post(f"/api/v1/runs/{second}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/v1/runs/{second}/cancel").status_code == 200


def test_a_worker_sees_how_much_there_is_to_do(worker: TestClient, runs: list[str]) -> None:
    worker_id = announce(worker)
    assert worker.get(f"/api/v1/workers/{worker_id}/work").json() == {"queued": 2, "measure_ceilings": False}
    say(worker, runs[0], "claim", worker="box1:cpu:1")
    assert worker.get(f"/api/v1/workers/{worker_id}/work").json() == {"queued": 0, "measure_ceilings": False}, (
        "its device is held"
    )
    assert worker.get(f"/api/v1/workers/{'0' * 26}/work").status_code == 404


def test_an_announcement_without_a_name_or_with_control_characters(worker: TestClient) -> None:
    good = announcement().model_dump(mode="json")
    changes: list[dict[str, Any]] = [{"name": ""}, {"name": "a\x00"}, {"host": "a\nb"}, {"pid": 2**63}, {"device": {}}]
    for change in changes:
        answer = worker.post("/api/v1/workers", json=good | change)
        assert answer.status_code == 422, change


@both
def test_files_of_a_run_are_downloaded_and_never_shown(
    client: TestClient, worker: TestClient, runs: list[str], anonymous: TestClient
) -> None:
    announce(worker)
    token = say(worker, runs[0], "claim", worker="box1:cpu:1").json()["token"]
    report = measured(artifacts=[demo.trace("variant").model_dump()]).model_dump(mode="json")
    assert say(worker, runs[0], "finish", token=token, report=report).status_code == 200
    shown = client.get(f"/api/v1/runs/{runs[0]}").json()["artifacts"]
    assert [(one["name"], one["arm"], one["media_type"]) for one in shown] == [
        ("trace.json", "variant", "application/json")
    ]
    packed, whole = (
        client.get(shown[0]["url"], headers={"Accept-Encoding": coding}) for coding in ("gzip", "identity")
    )
    assert packed.content == whole.content
    assert (packed.headers["content-encoding"], len(whole.content)) == ("gzip", shown[0]["size"])
    assert "content-encoding" not in whole.headers
    assert json.loads(whole.content)["traceEvents"][0]["name"] == "aten::mm"
    for answer in (packed, whole):
        assert answer.headers["content-disposition"] == f'attachment; filename="{runs[0]}-variant-trace.json"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox")
    for path in (
        f"{runs[0]}/artifacts/trace.json?arm=baseline",
        f"{runs[0]}/artifacts/other.json",
        f"{runs[1]}/artifacts/trace.json",
        f"{'0' * 26}/artifacts/trace.json",
    ):
        refused = client.get(f"/api/v1/runs/{path}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), path
    assert client.get(f"/api/v1/runs/{runs[0]}/artifacts/trace.json?arm=both").status_code == 422
    assert anonymous.get(shown[0]["url"]).status_code == 401
