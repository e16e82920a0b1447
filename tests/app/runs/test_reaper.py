"""The reaper takes runs from lost workers, hints at what an idle worker could do, and says so when it dies."""

import threading

import pytest
from sqlalchemy import text, update

from app.db.session import Database
from app.db.tables import Worker
from app.runs import orders
from app.runs.queue import Queue
from app.runs.reaper import Reaper, reap
from tests.app.runs.test_ledger import set_run, the_run
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


class Hints(Queue):
    """Keeps what was published instead of sending it."""

    def __init__(self, works: bool = True) -> None:
        super().__init__("redis://127.0.0.1:1/0")
        self.works = works
        self.published: list[tuple[str, str]] = []
        self.heard = threading.Event()

    def publish(self, run_id: str, device_kind: str) -> bool:
        self.published.append((run_id, device_kind))
        self.heard.set()
        return self.works


@both
def test_one_hint_for_each_idle_worker_that_is_there(database: Database) -> None:
    _, first, second = submitted(database)
    hints = Hints()
    assert reap(database, hints) == 0, "nobody is there"
    worker = WorkerDouble(database, 1)
    WorkerDouble(database, 2, "cuda")
    assert reap(database, hints) == 1
    assert hints.published == [(first, "cpu")]
    assert reap(database, hints) == 0, "it was hinted at just now"
    set_run(database, first, hinted_at=1.0)
    assert reap(database, hints) == 1, "nobody took it"
    worker.claim(first)
    assert reap(database, hints) == 0, "the only worker is busy"
    WorkerDouble(database, 3)
    assert reap(database, hints) == 1
    assert hints.published[-1] == (second, "cpu")
    with database.writing() as session:
        session.execute(update(Worker).values(last_seen_at=1.0))
    set_run(database, second, hinted_at=1.0)
    assert reap(database, hints) == 0, "the workers are gone"


@both
def test_runs_of_lost_workers_and_runs_that_waited_too_long(database: Database) -> None:
    study, first, second = submitted(database)
    WorkerDouble(database).claim(first)
    set_run(database, first, lease_until=1.0)
    set_run(database, second, queue_until=1.0)
    reap(database, Hints())
    assert the_run(database, first).state == "queued"
    assert the_run(database, second).state == "expired"
    WorkerDouble(database, 2)
    set_run(database, first, not_before=0.0)
    WorkerDouble(database, 2).claim(first)
    with database.writing() as session:
        orders.cancel_study(session, study)
    set_run(database, first, lease_until=1.0)
    reap(database, Hints())
    assert the_run(database, first).state == "cancelled"


def test_a_broker_that_is_away_is_tried_again(database: Database) -> None:
    _, first, _ = submitted(database)
    WorkerDouble(database)
    assert reap(database, Hints(works=False)) == 0
    set_run(database, first, hinted_at=1.0)
    assert reap(database, Hints()) == 1


def test_waking_makes_a_round_now(database: Database) -> None:
    hints = Hints()
    reaper = Reaper(database, hints, died=lambda: None)
    reaper.start()
    submitted(database)
    WorkerDouble(database)
    reaper.wake()
    assert hints.heard.wait(30)
    assert reaper.is_alive
    reaper.stop()
    assert not reaper.is_alive


def test_a_database_that_is_away_is_tried_again(database: Database) -> None:
    hints = Hints()
    reaper = Reaper(database, hints, died=lambda: None)
    submitted(database)
    WorkerDouble(database)
    with database.writing() as session:
        session.execute(text("ALTER TABLE runs RENAME TO elsewhere"))
    reaper.start()
    reaper.wake()
    with database.writing() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO runs"))
    reaper.wake()
    assert hints.heard.wait(30)
    reaper.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reaper_that_dies_says_so(database: Database) -> None:
    class Broken(Hints):
        def publish(self, run_id: str, device_kind: str) -> bool:
            raise RuntimeError("a fault nobody foresaw")

    submitted(database)
    WorkerDouble(database)
    said = threading.Event()
    reaper = Reaper(database, Broken(), died=said.set)
    reaper.start()
    assert said.wait(30)
    reaper.stop()
    assert not reaper.is_alive


def test_first_come_first_served(database: Database) -> None:
    first, *_ = [submitted(database) for _ in range(3)]
    WorkerDouble(database)
    hints = Hints()
    reap(database, hints)
    assert hints.published == [(first[1], "cpu")]
