"""Which runs are taken first: hints, claims and lists obey priorities; who sets one where, and what it leaves behind."""

import threading

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.db import queries, queued, run_lists
from app.db.run_lists import Wanted
from app.db.session import Database
from app.db.tables import Event, Run
from app.errors import AlreadyFinished, NotClaimable, NotFound
from app.runs import orders
from tests.app.runs.test_ledger import lose, the_run, the_study
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def put(database: Database, priority: int, *, run: str | None = None, study: str | None = None) -> None:
    with database.writing() as session:
        if run is not None:
            orders.prioritise_run(session, run, priority)
        if study is not None:
            orders.prioritise_study(session, study, priority)


def queue(database: Database) -> list[str]:
    with database.reading() as session:
        return [row.run.id for row in run_lists.listed(session, Wanted(), sort="queue").items]


def hinted(database: Database) -> list[str]:
    with database.reading() as session:
        return [hint.run_id for hint in queued.hints_due(session)]


def test_the_highest_priority_comes_first_then_the_oldest_study(database: Database) -> None:
    old, first, second = submitted(database)
    new, third, fourth = submitted(database)
    assert queue(database) == [first, second, third, fourth]
    put(database, 3, study=new)
    put(database, -1, run=first)
    assert queue(database) == [third, fourth, second, first]
    put(database, 10, run=second)
    assert queue(database) == [second, third, fourth, first]
    assert (the_study(database, new).priority, the_study(database, old).priority) == (3, 0)
    WorkerDouble(database)
    assert hinted(database) == [second]
    WorkerDouble(database, 2)
    assert hinted(database) == [second, third]


def test_a_claim_waits_while_higher_ones_need_every_free_device(database: Database) -> None:
    _, first, second = submitted(database)
    put(database, 1, run=second)
    worker = WorkerDouble(database)
    with pytest.raises(NotClaimable, match="higher priority"):
        worker.claim(first)
    WorkerDouble(database, 3, "cuda")
    with pytest.raises(NotClaimable, match="higher priority"):
        worker.claim(first)
    other = WorkerDouble(database, 2)
    granted = other.claim(first)
    other.release(granted)
    worker.claim(second)
    other.claim(first)


def test_a_higher_run_that_must_wait_holds_nobody_up(database: Database) -> None:
    _, first, second = submitted(database)
    put(database, 5, run=second)
    worker = WorkerDouble(database)
    worker.claim(second)
    lose(database, second)
    assert the_run(database, second).priority == 5, "a run that comes back keeps its place"
    with database.writing() as session:
        session.get_one(Run, second).not_before = 9e9
    worker.claim(first)


def test_what_has_ended_takes_no_priority(database: Database) -> None:
    study, first, second = submitted(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(first))
    with pytest.raises(AlreadyFinished):
        put(database, 1, run=first)
    put(database, 4, study=study)
    assert [the_run(database, run).priority for run in (first, second)] == [0, 4]
    held = worker.claim(second)
    put(database, 2, run=second)
    worker.finish(held)
    with pytest.raises(AlreadyFinished):
        put(database, 1, study=study)
    with pytest.raises(NotFound):
        put(database, 1, study="0" * 26)
    with pytest.raises(NotFound):
        put(database, 1, run="0" * 26)
    with database.reading() as session:
        told = [event.data for event in queries.study_events(session, study, 0) if event.kind == "priority"]
    assert told == [
        {"study": study, "priority": 4},
        {"study": study, "run": second, "variant": "bf16", "priority": 2},
    ]


def test_events_are_numbered_in_the_order_of_their_commits(database: Database) -> None:
    """Else a reader that has seen number N would never see one below it that was committed later."""
    _, first, _ = submitted(database)
    _, other, _ = submitted(database)
    later = threading.Thread(target=put, args=(database, 1), kwargs={"run": other})
    with database.writing() as session:
        orders.prioritise_run(session, first, 1)
        session.flush()
        later.start()
        later.join(0.3)
        assert later.is_alive(), "it waits for its turn"
    later.join()
    with database.reading() as session:
        told = session.execute(select(Event).where(col(Event.kind) == "priority").order_by(col(Event.id))).scalars()
        assert [event.run_id for event in told] == [first, other]
