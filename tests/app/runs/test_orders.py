"""What people may do to runs in which state: cancel, cancel again, run again."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.db import queries
from app.db.session import Database
from app.db.tables import MeasurementRow
from app.errors import AlreadyFinished, NotAllowed, NotFinished, NotFound
from app.presentation import shown_runs
from app.runs import orders
from tests.app.runs.test_ledger import endings, lose, the_run, the_study
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def cancel(database: Database, study: str) -> str:
    with database.writing() as session:
        return orders.cancel_study(session, study).state


def retry(database: Database, run_id: str, *, as_admin: bool = False) -> str:
    with database.writing() as session:
        return orders.retry(session, run_id, as_admin=as_admin).state


def test_cancelling_twice_is_cancelling(database: Database) -> None:
    study, *_ = submitted(database)
    assert cancel(database, study) == "cancelled"
    assert cancel(database, study) == "cancelled"
    with database.reading() as session:
        kinds = [e.kind for e in queries.study_events(session, study, 0)]
    assert kinds == ["study", "state", "state", "study"]


def test_what_is_done_cannot_be_cancelled(database: Database) -> None:
    study, *runs = submitted(database)
    worker = WorkerDouble(database)
    for run_id in runs:
        worker.finish(worker.claim(run_id))
    with pytest.raises(AlreadyFinished):
        cancel(database, study)
    with pytest.raises(AlreadyFinished), database.writing() as session:
        orders.cancel_run(session, runs[0])


def test_cancelling_keeps_what_was_measured(database: Database) -> None:
    study, first, second = submitted(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(first))
    assert cancel(database, study) == "cancelled"
    assert [the_run(database, run_id).state for run_id in (first, second)] == ["done", "cancelled"]


def test_cancelling_one_run_lets_the_others_go_on(database: Database) -> None:
    study, first, second = submitted(database)
    with database.writing() as session:
        assert orders.cancel_run(session, first).state == "cancelled"
    with database.writing() as session:
        assert orders.cancel_run(session, first).state == "cancelled"
    worker = WorkerDouble(database)
    worker.finish(worker.claim(second))
    assert the_study(database, study).state == "done"


def test_running_again_keeps_history_and_counts_the_new_report(database: Database) -> None:
    study, first, second = submitted(database)
    worker = WorkerDouble(database)
    for run_id in (first, second):
        worker.finish(worker.claim(run_id))
    assert retry(database, first) == "queued"
    assert the_study(database, study).state == "running"
    assert the_study(database, study).finished_at is None
    with database.reading() as session:
        assert shown_runs.run_detail(session, first).measurements, "the figures stand until there are new ones"
    worker.finish(worker.claim(first))
    assert the_run(database, first).result_token == 2
    assert endings(database, first) == ["finished", "finished"]
    with database.reading() as session:
        shown = shown_runs.run_detail(session, first)
        stored = session.execute(select(MeasurementRow).where(col(MeasurementRow.run_id) == first)).all()
    assert len(stored) == 2 * len(shown.measurements), "figures of the first report are still there"
    assert the_study(database, study).state == "done"


def test_cancelling_a_retry_loses_no_figures(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(run_id))
    retry(database, run_id)
    with database.writing() as session:
        orders.cancel_run(session, run_id)
    with database.reading() as session:
        shown = shown_runs.run_detail(session, run_id)
    assert (shown.state, shown.outcome) == ("cancelled", "ok")
    assert shown.measurements


def test_what_has_not_ended_cannot_be_run_again(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    with pytest.raises(NotFinished):
        retry(database, run_id)
    WorkerDouble(database).claim(run_id)
    with pytest.raises(NotFinished):
        retry(database, run_id)


def test_only_an_administrator_brings_back_what_was_given_up(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    for _ in range(3):
        worker.claim(run_id)
        lose(database, run_id)
    with pytest.raises(NotAllowed):
        retry(database, run_id)
    assert retry(database, run_id, as_admin=True) == "queued"
    assert the_run(database, run_id).workers_lost == 0
    assert endings(database, run_id) == ["worker_lost"] * 3


def test_a_cancelled_run_may_be_run_again(database: Database) -> None:
    study, first, _ = submitted(database)
    cancel(database, study)
    assert retry(database, first) == "queued"
    worker = WorkerDouble(database)
    worker.finish(worker.claim(first))
    assert the_study(database, study).state == "cancelled", "its other run still is"


def test_what_is_not_there(database: Database) -> None:
    with pytest.raises(NotFound):
        cancel(database, "0" * 26)
    with pytest.raises(NotFound):
        retry(database, "0" * 26)
