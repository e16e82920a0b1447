"""The same request with the same key acts once, however many come at once."""

import threading
from collections import Counter

import pytest
from pydantic import JsonValue
from sqlalchemy import select, update
from sqlmodel import Session

from app.db.session import Database
from app.db.tables import Audit, IdempotencyKey
from app.door.idempotency import act_once, forget_old, once
from app.errors import BadIdempotencyKey, KeyReused
from app.ordering.submission import audit
from tests.services import BOTH_DATABASES

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def act(database: Database, body: bytes = b"{}", key: str | None = "k", who: str = "ada") -> JsonValue:
    with database.writing() as session:

        def work() -> tuple[int, JsonValue]:
            audit(session, who, "act", "x")
            session.flush()
            return 201, {"acted": len(session.execute(select(Audit)).all())}

        return act_once(session, once(who, key, "POST", "/x", body), work).body


@both
def test_the_second_answer_is_the_first(database: Database) -> None:
    assert act(database) == act(database) == {"acted": 1}
    assert act(database, who="bob") == {"acted": 2}, "keys belong to who sends them"
    assert act(database, key=None) == {"acted": 3}
    assert act(database, key=None) == {"acted": 4}


@both
def test_another_request_with_the_key_is_refused(database: Database) -> None:
    act(database)
    with pytest.raises(KeyReused):
        act(database, b'{"other": 1}')


@both
def test_a_refused_request_uses_no_key_up(database: Database) -> None:
    def refuse() -> tuple[int, JsonValue]:
        raise ValueError("refused")

    def attempt(session: Session) -> None:
        act_once(session, once("ada", "k", "POST", "/x", b"{}"), refuse)

    with pytest.raises(ValueError, match="refused"), database.writing() as session:
        attempt(session)
    assert act(database) == {"acted": 1}


@both
def test_many_at_once_act_once(database: Database) -> None:
    answers: Counter[str] = Counter()
    ready = threading.Barrier(8)

    def post() -> None:
        ready.wait()
        for number in range(5):
            answers[f"{number}: {act(database, key=f'k{number}')}"] += 1

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [8] * 5
    with database.reading() as session:
        assert len(session.execute(select(Audit)).all()) == 5


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\x00", "ä"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(BadIdempotencyKey):
        once("ada", key, "POST", "/x", b"")


def test_old_keys_are_forgotten(database: Database) -> None:
    act(database)
    with database.writing() as session:
        forget_old(session)
    assert act(database) == {"acted": 1}
    with database.writing() as session:
        session.execute(update(IdempotencyKey).values(created_at=1.0))
        forget_old(session)
    assert act(database) == {"acted": 2}
