"""Events of everybody as one stream: replayed from a number, filtered, live, and ended in time."""

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import Session, col

from app.api import streams
from app.db import queries
from app.db.session import Database
from app.db.tables import Event
from app.errors import NotSignedIn
from tests.app.api.test_studies import read_events
from tests.doubles import WorkerDouble
from tests.submitting import submitted


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that ends in a moment."""
    monkeypatch.setattr(streams, "STREAM_S", 0.5)
    monkeypatch.setattr(streams, "POLL_S", 0.02)


def follow(client: TestClient, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/events{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return read_events(answer.text)


def test_events_of_all_studies_are_replayed_in_order(client: TestClient, database: Database) -> None:
    _, first, _ = submitted(database)
    _, second, _ = submitted(database)
    worker = WorkerDouble(database)
    for run in (first, second):
        granted = worker.claim(run)
        worker.start(granted)
        worker.beat(granted, 0.5, log=("a line",))
        worker.finish(granted)
    events = follow(client, "?after=0")
    numbers = [int(one["id"]) for one in events]
    assert numbers == sorted(set(numbers))
    assert {run for run in (first, second) for one in events if run in one["data"]} == {first, second}
    middle = numbers[len(numbers) // 2]
    rest = [one for one in events if int(one["id"]) > middle]
    assert follow(client, "?after=0", **{"Last-Event-ID": str(middle)}) == rest
    assert follow(client, f"?after={middle}") == rest
    assert follow(client, f"?after={2**63 - 1}") == []
    assert {one["event"] for one in follow(client, "?after=0&kind=state&kind=progress")} == {"state", "progress"}
    assert {one["event"] for one in follow(client, f"?after=0&run={first}")} == {"state", "progress", "log"}
    assert all(first in one["data"] for one in follow(client, f"?after=0&run={first}"))


def test_what_nobody_asked_for_is_looked_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 3)
    _, run, other = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run)
    worker.start(granted)
    for _ in range(5):
        worker.beat(granted, 0.5, log=("a line",))
    worker.finish(granted)
    worker.claim(other)
    seen, parts = 0, list[Event]()
    with database.reading() as session:
        newest = queries.newest_event(session)
        for _ in range(newest):
            found = queries.events_after(session, seen, kinds=("state",))
            assert found.seen <= seen + 3
            seen = found.seen
            parts += found.events
            if not found.more:
                break
        whole = queries.events_after(session, 0, kinds=("state",), limit=1)
        every = session.execute(select(Event).where(col(Event.kind) == "state").order_by(col(Event.id))).scalars().all()
    assert seen == newest
    assert [one.id for one in parts] == [one.id for one in every]
    assert (len(whole.events), whole.seen, whole.more) == (1, every[0].id, True), "a full part goes on behind its last"


def test_a_stream_passes_over_what_nobody_asked_for(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, _ = submitted(database)
    WorkerDouble(database).claim(run)
    asked: list[int] = []
    plain = queries.events_after

    def watched(session: Session, after: int, **more: Any) -> Any:
        asked.append(after)
        return plain(session, after, **more)

    monkeypatch.setattr(queries, "events_after", watched)
    assert follow(client, "?after=0&kind=log") == []
    with database.reading() as session:
        newest = queries.newest_event(session)
    assert asked[0] == 0
    assert set(asked[1:]) == {newest}


def test_without_a_number_it_begins_now(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, _ = submitted(database)
    assert [one["event"] for one in follow(client, "?after=0")] == ["study"]
    monkeypatch.setattr(streams, "STREAM_S", 3.0)
    later = threading.Timer(1.0, WorkerDouble(database).claim, (run,))
    later.start()
    events = follow(client)
    later.join()
    assert [one["event"] for one in events] == ["state", "study"]


def test_what_cannot_be_followed_is_refused(client: TestClient, worker: TestClient) -> None:
    assert client.get(f"/api/v1/events?run={'0' * 26}").status_code == 404
    for query, field in (("kind=gossip", "kind"), (f"after={2**63}", "after"), ("after=-1", "after")):
        answer = client.get(f"/api/v1/events?{query}")
        assert answer.status_code == 422
        assert answer.json()["field"] == field
    assert worker.get("/api/v1/events").status_code == 403


def test_whoever_is_no_longer_let_in_is_told_no_more(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(database)
    monkeypatch.setattr(streams, "STREAM_S", 60.0)
    monkeypatch.setattr(streams, "ASKED_AGAIN_S", 0.05)

    def revoke(*_: object) -> None:
        raise NotSignedIn()

    monkeypatch.setattr(streams, "authenticate", revoke)
    assert follow(client, "?after=0")
