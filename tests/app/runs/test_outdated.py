"""What was stored by a catalogue that knew more than this one: it stops neither the queue nor the server."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.db import queries
from app.db.session import Database
from app.db.tables import Run, Study
from app.errors import Outdated
from app.presentation import overview
from app.runs import ledger, orders
from app.runs.queue import Queue
from app.runs.reaper import publish_hints, reap
from app.study import comparison
from tests.app.runs.test_ledger import the_run, the_study
from tests.doubles import WorkerDouble
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def older(spec: Any) -> Any:
    """The same with a technique that there never was."""
    if isinstance(spec, dict):
        return {name: "of_before" if name == "technique" else older(value) for name, value in spec.items()}
    return [older(each) for each in spec] if isinstance(spec, list) else spec


def of_before(database: Database) -> tuple[str, list[str]]:
    """A study and its runs, as if an older version had stored them."""
    study, *runs = submitted(database)
    with database.writing() as session:
        stored: Any
        for stored in (Study, Run):
            for row in session.execute(select(stored)).scalars().all():
                session.execute(update(stored).where(stored.id == row.id).values(spec=older(row.spec)))
    return study, runs


def test_such_a_run_leaves_the_queue_and_others_are_hinted_at(database: Database, tmp_path: Any) -> None:
    study, runs = of_before(database)
    _, *fresh = submitted(database)
    WorkerDouble(database)
    queue = Queue(f"filesystem://{tmp_path}")
    for _ in range(len(runs) + 1):
        publish_hints(database, queue)
    assert [the_run(database, run_id).state for run_id in runs] == ["quarantined", "quarantined"]
    assert "of_before" in str(the_run(database, runs[0]).message)
    assert the_study(database, study).state == "done"
    assert the_run(database, fresh[0]).hinted_at is not None


def test_such_a_run_ends_like_any_other(database: Database, tmp_path: Any) -> None:
    study, (first, _) = of_before(database)
    with database.writing() as session:
        session.execute(update(Run).where(col(Run.id) == first).values(queue_until=0.0))
    reap(database, Queue(f"filesystem://{tmp_path}"))
    assert the_run(database, first).state == "expired"
    with database.writing() as session:
        assert orders.cancel_study(session, study).state == "cancelled"


def test_its_comparison_is_refused_with_the_reason(database: Database) -> None:
    study, (first, _) = of_before(database)
    with database.writing() as session:
        ledger.give_up_outdated(session, first)
    with database.reading() as session, pytest.raises(Outdated, match="this version does not have") as refused:
        comparison.of_study(session, queries.study(session, study))
    assert refused.value.field is not None


def test_the_home_page_leaves_it_out(database: Database) -> None:
    study, runs = of_before(database)
    with database.writing() as session:
        for run_id in runs:
            ledger.give_up_outdated(session, run_id)
    with database.reading() as session:
        assert [learnt.study for learnt in overview.overview(session).learnt] == []
    assert the_study(database, study).state == "done"
