"""Lists of runs: typed, paged by keyset in every order, read from indexes; and when a run will end."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from sqlalchemy import event
from sqlmodel import Session

from app.db import queued, run_lists
from app.db.events import TERMINAL
from app.db.run_lists import Earlier, Sort, Wanted
from app.db.session import Database
from app.db.tables import Run
from app.presentation import activity
from app.presentation.activity import expected
from app.runs import orders
from app.runs.transitions import HELD
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def pages(database: Database, wanted: Wanted, sort: Sort, limit: int) -> list[list[str]]:
    """Ids of every page of a list."""
    found: list[list[str]] = []
    cursor = None
    while True:
        with database.reading() as session:
            page = activity.runs(session, wanted, sort=sort, cursor=cursor, limit=limit)
        found.append([run.id for run in page.items])
        cursor = page.next
        if cursor is None:
            return found


@both
def test_pages_of_every_order_hold_each_run_once(database: Database) -> None:
    worker = WorkerDouble(database)
    done: list[str] = []
    waits: list[str] = []
    for _ in range(3):
        study, first, second = submitted(database)
        worker.finish(worker.claim(first))
        done.append(first)
        waits.append(second)
    with database.writing() as session:
        orders.prioritise_run(session, waits[1], 1)
    _, *rest = submitted(database)
    with database.reading() as session:
        everything = [run.id for run in activity.runs(session, Wanted(), limit=200).items]
    assert len(everything) == 8
    assert everything == sorted(everything, reverse=True)
    for sort in get_args(Sort):
        split = pages(database, Wanted(), sort, 2)
        assert all(len(page) == 2 for page in split[:-1])
        (whole,) = pages(database, Wanted(), sort, 100)
        assert [run for page in split for run in page] == whole, sort
    assert pages(database, Wanted("ended"), "-finished", 100) == [done[::-1]]
    with database.reading() as session:
        waiting = run_lists.listed(session, Wanted(), sort="queue").items
    assert [row.run.priority for row in waiting] == [1, 0, 0, 0, 0]
    assert {row.run.id for row in waiting[-2:]} == set(rest)
    assert pages(database, Wanted("held"), "created", 9) == [[]]
    assert pages(database, Wanted(outcome="oom_host"), "-finished", 9) == [[]]
    assert len(pages(database, Wanted(study=study), "created", 1)) == 2
    assert set(run_lists.HELD) == HELD
    assert set(run_lists.ENDED) == TERMINAL


QUESTIONS: dict[str, tuple[Callable[[Session], Any], str]] = {
    "newest": (lambda s: run_lists.listed(s, Wanted()), "sqlite_autoindex_runs_1"),
    "newest done": (lambda s: run_lists.listed(s, Wanted("done")), "ix_runs_state_id"),
    "ended": (lambda s: run_lists.listed(s, Wanted("ended"), sort="-finished"), "ix_runs_finished"),
    "last done": (lambda s: run_lists.listed(s, Wanted("done"), sort="-finished"), "ix_runs_state_finished"),
    "ran out": (
        lambda s: run_lists.listed(s, Wanted("ended", outcome="oom_host"), sort="-finished"),
        "ix_runs_outcome",
    ),
    "queue": (lambda s: run_lists.listed(s, Wanted(device="cpu"), sort="queue"), "ix_runs_queue"),
    "queued": (run_lists.queued, "ix_runs_queue"),
    "hints": (queued.hints_due, "ix_runs_queue"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_lists_are_read_in_the_order_of_an_index(database: Database, question: str) -> None:
    WorkerDouble(database)
    submitted(database)
    ask, index = QUESTIONS[question]
    asked: list[tuple[str, Any]] = []

    def listen(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if (
            re.search(r"FROM runs\s+WHERE|FROM runs ORDER", statement.replace("\n", " "))
            and "runs.id IN" not in statement
        ):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", listen)
    with database.reading() as session:
        ask(session)
    event.remove(database.engine, "before_cursor_execute", listen)
    assert len(asked) == 1
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0][0]}", asked[0][1]).all()
    steps = " / ".join(row[3] for row in plan)
    assert index in steps, steps
    assert "TEMP B-TREE" not in steps, steps


def test_an_end_is_expected_by_runs_like_it_alone() -> None:
    run = Run(study_id="s", position=0, variant="v", is_baseline=False, point={"length": 8}, spec={}, device_kind="cpu",
              not_before=0, queue_until=0, created_at=0, started_at=1_000.0, state="running")  # fmt: skip
    assert expected(run, [], 1_010.0) is None
    far, near = Earlier(400.0, {"length": 64}), [Earlier(seconds, {"length": 8}) for seconds in (20.0, 30.0, 70.0)]
    judged = expected(run, [far, *near], 1_010.0)
    assert judged is not None
    assert (judged.ends_at, judged.typical_s, judged.longest_s) == ("1970-01-01T00:17:10.000Z", 30.0, 70.0)
    assert (judged.like, judged.same_point, judged.late) == (3, True, False)
    late = expected(run, near, 1_070.5)
    assert late is not None
    assert late.late
    other = expected(run, [far], 1_010.0)
    assert other is not None
    assert (other.like, other.same_point) == (1, False)
    assert expected(run.model_copy(update={"started_at": None}), near, 1_010.0) is None


@both
def test_now_in_one_look(database: Database) -> None:
    worker = WorkerDouble(database)
    _, first, second = submitted(database)
    worker.finish(worker.claim(first), measured(seconds=50.0))
    with database.reading() as session:
        assert activity.activity(session).running == []
    held = worker.claim(second)
    worker.start(held)
    worker.beat(held, 0.25)
    _, third, _ = submitted(database, device="cuda")
    with database.writing() as session:
        orders.prioritise_run(session, third, 10)
    with database.reading() as session:
        now = activity.activity(session)
        gpu = activity.activity(session, "cuda")
    (going,) = now.running
    assert (going.id, going.state, going.worker) == (second, "running", "box1:cpu:1")
    assert isinstance(going.progress, dict)
    assert going.progress["fraction"] == 0.25
    assert going.expected is not None
    assert (going.expected.typical_s, going.expected.like) == (50.0, 1)
    assert [run.id for run in now.finished] == [first]
    assert now.queue[0].id == third
    assert (now.queued, now.first, now.later) == ({"cuda": 2}, {"cuda": 10}, {"cuda": -1})
    assert now.absent == ["cuda"], "nobody there has a GPU"
    assert [worker.run for worker in now.workers] == [second]
    assert (gpu.running, gpu.finished, gpu.workers, gpu.queued) == ([], [], [], {"cuda": 2})
