"""Ceilings on the server: handed over by a worker, shown, asked for again, and of the right device."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.api.test_runs import announce
from tests.services import BOTH_DATABASES
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.ceilings import Ceilings

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def paper(**other: Any) -> dict[str, Any]:
    return MEASURED.model_copy(update=other).model_dump(mode="json")


def test_they_are_handed_over_and_shown(client: TestClient, worker: TestClient) -> None:
    path = f"/api/v1/workers/{announce(worker)}/ceilings"
    assert client.get(path).json()["ceilings"] is None
    assert worker.put(path, json=paper()).status_code == 204
    shown = client.get(path).json()
    assert Ceilings.model_validate(shown["ceilings"]) == MEASURED
    assert shown["received_at"] > 0
    assert shown["asked_at"] is None


def test_measuring_again_is_asked_for_until_something_new_comes(client: TestClient, worker: TestClient) -> None:
    path = f"/api/v1/workers/{announce(worker)}"
    work = f"{path}/work"
    assert worker.get(work).json()["measure_ceilings"] is False
    worker.put(f"{path}/ceilings", json=paper())
    answer = client.post(f"{path}/ceilings/again")
    assert (answer.status_code, answer.json()["asked_at"] > 0) == (202, True)
    worker.put(f"{path}/ceilings", json=paper())
    assert worker.get(work).json()["measure_ceilings"] is True, "the old ones are no answer"
    worker.put(f"{path}/ceilings", json=paper(measured_at="2026-01-02T00:00:00+00:00"))
    assert worker.get(work).json()["measure_ceilings"] is False


def test_ceilings_of_another_kind_of_device_are_refused(client: TestClient, worker: TestClient) -> None:
    path = f"/api/v1/workers/{announce(worker)}/ceilings"
    answer = worker.put(path, json=paper(device="cuda"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "device"
    assert client.get(path).json()["ceilings"] is None


def test_a_worker_that_is_not_there(client: TestClient, worker: TestClient) -> None:
    for answer in (
        client.get(f"/api/v1/workers/{'0' * 26}/ceilings"),
        worker.put(f"/api/v1/workers/{'0' * 26}/ceilings", json=paper()),
        client.post(f"/api/v1/workers/{'0' * 26}/ceilings/again"),
    ):
        assert answer.status_code == 404
