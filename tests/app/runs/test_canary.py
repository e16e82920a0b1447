"""A baseline that fails against itself stops the runs that would fail like it; running it again brings them back."""

import pytest

from app.db import queries
from app.db.session import Database
from app.runs import orders
from tests.app.runs.test_ledger import the_run, the_study
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import submitted
from workers.catalog.report import Outcome, Report

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def failed(outcome: Outcome, phase: str) -> Report:
    """The report of a run that brought no figures."""
    return Report(outcome=outcome, phase=phase, arm="baseline", message="Its weights cannot be read.")


def sweep(database: Database) -> tuple[str, dict[tuple[bool, int], str]]:
    """A study of a null test and one variant at two batch sizes: its id, its runs by whether they are null tests and by batch size."""
    study, *runs = submitted(database, sweep={"batch_size": [1, 2]})
    return study, {
        (run.is_baseline, next(iter(run.point.values()))): run.id
        for run in (the_run(database, run_id) for run_id in runs)
    }


def states(database: Database, runs: dict[tuple[bool, int], str]) -> dict[tuple[bool, int], str]:
    return {key: the_run(database, run_id).state for key, run_id in runs.items()}


def test_a_model_that_does_not_load_is_tried_once(database: Database) -> None:
    study, runs = sweep(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(runs[True, 1]), failed("error", "load"))
    assert states(database, runs) == {
        (True, 1): "done",
        (False, 1): "cancelled",
        (True, 2): "cancelled",
        (False, 2): "cancelled",
    }
    assert the_study(database, study).state == "done", "nobody cancelled it"
    message = the_run(database, runs[False, 2]).message
    assert message is not None
    assert runs[True, 1] in message


def test_a_step_that_fails_stops_its_own_point_only(database: Database) -> None:
    _, runs = sweep(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(runs[True, 2]), failed("oom_host", "first_call"))
    assert states(database, runs) == {
        (True, 1): "queued",
        (False, 1): "queued",
        (True, 2): "done",
        (False, 2): "cancelled",
    }


@pytest.mark.parametrize("outcome", ["timeout_run", "killed_unknown"])
def test_what_another_try_may_change_stops_nothing(database: Database, outcome: Outcome) -> None:
    _, runs = sweep(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(runs[True, 1]), failed(outcome, "load"))
    assert list(states(database, runs).values()).count("queued") == 3


def test_a_variant_that_fails_stops_nothing(database: Database) -> None:
    _, runs = sweep(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(runs[False, 1]), failed("error", "load"))
    assert list(states(database, runs).values()).count("queued") == 3


def test_the_null_test_comes_first(database: Database) -> None:
    study, runs = sweep(database)
    with database.reading() as session:
        first = queries.runs(session, study)[0]
    assert first.id == runs[True, 1]


def test_running_it_again_brings_the_others_back(database: Database) -> None:
    study, runs = sweep(database)
    with database.writing() as session:
        orders.cancel_run(session, runs[False, 2])
    worker = WorkerDouble(database)
    worker.finish(worker.claim(runs[True, 1]), failed("error", "load"))
    with database.writing() as session:
        orders.retry(session, runs[True, 1], as_admin=False)
    assert states(database, runs) == {
        (True, 1): "queued",
        (False, 1): "queued",
        (True, 2): "queued",
        (False, 2): "cancelled",
    }, "what a person cancelled stays so"
    assert the_run(database, runs[False, 1]).message is None
    assert the_study(database, study).finished_at is None
    for key in ((True, 1), (False, 1), (True, 2)):
        worker.finish(worker.claim(runs[key]))
    assert the_study(database, study).state == "done"
