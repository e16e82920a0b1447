"""Sessions commit at their edge or leave nothing; writers queue instead of failing; time is the database's."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from app.db.session import Database, clock, insert_once
from app.db.tables import User
from app.settings import CannotStart
from tests.services import BOTH_DATABASES

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def user(name: str) -> dict[str, object]:
    return {"id": name, "name": name, "role": "member", "created_at": 0.0}


@both
def test_the_clock_is_the_present_and_moves(database: Database) -> None:
    with database.reading() as session:
        first, second = clock(session), clock(session)
    assert second >= first
    assert first == pytest.approx(time.time(), abs=5)


@both
def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            insert_once(session, User, user("ada"))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    with database.reading() as session:
        assert session.execute(select(User)).all() == []


@both
def test_inserting_once(database: Database) -> None:
    with database.writing() as session:
        assert insert_once(session, User, user("ada"))
        assert not insert_once(session, User, user("ada"))


@both
def test_many_writers_all_get_in(database: Database) -> None:
    def add(number: int) -> None:
        for turn in range(10):
            with database.writing() as session:
                session.execute(select(User)).all()  # Reading first is what makes naive SQLite writers fail.
                insert_once(session, User, user(f"{number}-{turn}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert len(session.execute(select(col(User.id))).all()) == 80


def test_sqlite_is_durable_and_checks_references(database: Database) -> None:
    with database.reading() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15_000}


@pytest.mark.postgres
@pytest.mark.parametrize("database_kind", ["postgres"])
def test_postgres_limits_statements(database: Database) -> None:
    with database.reading() as session:
        assert session.execute(text("SHOW statement_timeout")).scalar_one() == "10s"
        assert session.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "30s"


def test_a_reader_sees_one_state_while_another_writes(database: Database) -> None:
    with database.reading() as reader:
        assert reader.execute(select(col(User.id))).all() == []
        with database.writing() as writer:
            insert_once(writer, User, user("ada"))
        assert reader.execute(select(col(User.id))).all() == []


def test_sqlite_in_memory_is_refused() -> None:
    with pytest.raises(CannotStart, match="needs a file"):
        Database("sqlite:///:memory:")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot make the folder"):
        Database(f"sqlite:///{tmp_path}/file/x/db.sqlite")
