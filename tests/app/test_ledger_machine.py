"""Any order of submit, claim, beat, finish, release, cancel, retry, priorities, lost leases and restarts keeps the ledger's promises."""

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update
from sqlmodel import col

from app.db.events import TERMINAL
from app.db.session import Database, clock
from app.db.tables import Attempt, DeviceRow, MeasurementRow, Run, Study
from app.errors import Refused
from app.runs import ledger, orders
from app.runs.queue import Queue
from app.runs.reaper import reap
from app.runs.transitions import HELD
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import submitted
from workers.catalog.lease import Granted

WORKERS = 3


class LedgerMachine(RuleBasedStateMachine):
    """Random histories of two studies and three workers, each with its own device."""

    database: ClassVar[Database]
    queue: ClassVar[Queue]

    def __init__(self) -> None:
        super().__init__()
        with self.database.writing() as session:  # What the last history left behind must not get in the way.
            session.execute(update(DeviceRow).values(run_id=None))
            session.execute(
                update(Run).where(col(Run.state).not_in(TERMINAL)).values(state="cancelled", result_token=0)
            )
        self.workers = [WorkerDouble(self.database, number) for number in range(1, WORKERS + 1)]
        self.studies: list[str] = []
        self.runs: list[str] = []
        self.granted: list[tuple[int, Granted]] = []
        self.tokens: dict[str, int] = {}
        self.ended: dict[str, str] = {}

    @initialize()
    def submit(self) -> None:
        for _ in range(2):
            study, *runs = submitted(self.database)
            self.studies.append(study)
            self.runs += runs
            self.tokens |= dict.fromkeys(runs, 0)

    @rule(worker=st.integers(0, WORKERS - 1), data=st.data())
    def claim(self, worker: int, data: Any) -> None:
        run_id = data.draw(st.sampled_from(self.runs))
        with self.database.writing() as session:  # Waits are over now and then, so that histories get further.
            if data.draw(st.booleans()):
                session.execute(update(Run).where(col(Run.id) == run_id).values(not_before=0.0))
        try:
            granted = self.workers[worker].claim(run_id)
        except Refused:
            return
        if (worker, granted) in self.granted:
            assert granted.token == self.tokens[run_id], "a claim that is repeated gets the same answer"
            return
        assert granted.token > self.tokens[run_id], "tokens rise with every claim"
        assert self._outranking(run_id) < WORKERS, "runs of a higher priority are enough for every device"
        self.tokens[run_id] = granted.token
        self.granted.append((worker, granted))

    @precondition(lambda self: self.granted)
    @rule(
        what=st.sampled_from(["start", "beat", "finish", "finish", "released", "infra_error", "cancelled"]),
        data=st.data(),
    )
    def speak(self, what: str, data: Any) -> None:
        number, granted = data.draw(st.sampled_from(self.granted[-4:]) | st.sampled_from(self.granted))
        worker = self.workers[number]
        before = self._run(granted.run)
        try:
            if what == "start":
                worker.start(granted)
            elif what == "beat":
                worker.beat(granted, 0.5)
            elif what == "finish":
                worker.finish(granted, measured(samples=()))
            else:
                worker.release(granted, what)
        except Refused:
            after = self._run(granted.run)
            assert (after.state, after.token, after.lease_until) == (before.state, before.token, before.lease_until)
            return
        assert granted.token == self.tokens[granted.run], "only the last attempt is heard"

    @rule(what=st.sampled_from(["lease", "lease", "reaper", "reaper", "waits", "restart"]), data=st.data())
    def time_passes(self, what: str, data: Any) -> None:
        if what == "reaper":
            reap(self.database, self.queue)
            return
        with self.database.writing() as session:
            if what == "lease":
                run_id = data.draw(st.sampled_from(self.runs))
                held = (col(Run.id) == run_id, col(Run.state).in_(HELD))
                session.execute(update(Run).where(*held).values(lease_until=1.0))
            elif what == "waits":
                session.execute(update(Run).where(col(Run.id).in_(self.runs)).values(not_before=0.0))
            else:
                ledger.extend_leases(session)

    @rule(whole=st.booleans(), data=st.data())
    def cancel(self, whole: bool, data: Any) -> None:
        chosen = data.draw(st.sampled_from(self.studies if whole else self.runs))
        try:
            with self.database.writing() as session:
                if whole:
                    orders.cancel_study(session, chosen)
                else:
                    orders.cancel_run(session, chosen)
        except Refused:
            return

    @rule(whole=st.booleans(), priority=st.integers(-10, 10), data=st.data())
    def prioritise(self, whole: bool, priority: int, data: Any) -> None:
        chosen = data.draw(st.sampled_from(self.studies if whole else self.runs))
        try:
            with self.database.writing() as session:
                if whole:
                    orders.prioritise_study(session, chosen, priority)
                else:
                    orders.prioritise_run(session, chosen, priority)
        except Refused:
            return

    @precondition(lambda self: self.ended)
    @rule(admin=st.booleans(), data=st.data())
    def retry(self, admin: bool, data: Any) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.ended)))
        try:
            with self.database.writing() as session:
                orders.retry(session, run_id, as_admin=admin)
        except Refused:
            return
        self.ended.pop(run_id)

    @invariant()
    def promises_hold(self) -> None:
        with self.database.reading() as session:
            runs = list(session.execute(select(Run).where(col(Run.id).in_(self.runs))).scalars())
            devices = list(session.execute(select(DeviceRow)).scalars())
            studies = list(session.execute(select(Study).where(col(Study.id).in_(self.studies))).scalars())
            attempts = list(session.execute(select(Attempt).where(col(Attempt.run_id).in_(self.runs))).scalars())
            results = session.execute(
                select(col(MeasurementRow.run_id), col(MeasurementRow.token), func.count())
                .where(col(MeasurementRow.run_id).in_(self.runs))
                .group_by(col(MeasurementRow.run_id), col(MeasurementRow.token))
            ).all()
        assert len(runs) == len(self.runs), "no run is lost"
        on = {device.run_id: device for device in devices if device.run_id is not None}
        assert len(on) == sum(device.run_id is not None for device in devices), "a run holds one device"
        size = len(measured().measurements)
        by_token = {(run_id, token): count for run_id, token, count in results}
        assert all(count == size for count in by_token.values()), "a report is stored whole, once"
        for run in runs:
            assert run.token == self.tokens[run.id]
            assert (run.id in on) == (run.state in HELD), "a device is held exactly while its run is"
            assert run.id not in on or on[run.id].token == run.token
            open_attempts = [a for a in attempts if a.run_id == run.id and a.ending is None]
            assert len(open_attempts) == (1 if run.state in HELD else 0)
            assert run.workers_lost <= 3
            assert run.infra_errors <= 4
            if run.state == "done":
                assert run.result_token == run.token
                assert (run.id, run.token) in by_token
                assert run.outcome is not None
            elif run.result_token:
                assert run.outcome == "ok", "only figures of a run that went well outlive its retry"
                assert run.result_token < run.token or run.state in ("queued", "cancelled")
            else:
                assert run.outcome is None, "only a run with a result has an outcome"
            if run.id in self.ended:
                assert run.state == self.ended[run.id], "nothing happens to a run after its end"
            if run.state in TERMINAL:
                self.ended[run.id] = run.state
        for study in studies:
            states = {run.state for run in runs if run.study_id == study.id}
            assert (study.state in ("done", "cancelled")) == (states <= TERMINAL)
            assert (study.finished_at is not None) == (states <= TERMINAL)
            assert study.state != "queued" or states == {"queued"}

    def _outranking(self, run_id: str) -> int:
        """How many runs of a higher priority could have been claimed in its place."""
        with self.database.reading() as session:
            free = (col(Run.state) == "queued", col(Run.not_before) <= clock(session))
            higher = col(Run.priority) > session.get_one(Run, run_id).priority
            return int(session.execute(select(func.count()).select_from(Run).where(*free, higher)).scalar_one())

    def _run(self, run_id: str) -> Run:
        with self.database.reading() as session:
            return session.get_one(Run, run_id)


def search(database: Database, queue: Queue, examples: int, steps: int) -> None:
    LedgerMachine.database, LedgerMachine.queue = database, queue
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            # Each history is hundreds of transactions; making a failing one smaller would take longer than reading it.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.fixture
def queue(tmp_path: Any) -> Queue:
    from workers.catalog import hint

    return Queue(hint.embedded(tmp_path))


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_any_history_keeps_the_promises(database: Database, queue: Queue) -> None:
    search(database, queue, examples=40, steps=40)


@pytest.mark.soak
@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_many_long_histories_keep_the_promises(database: Database, queue: Queue) -> None:
    search(database, queue, examples=2_500, steps=50)
