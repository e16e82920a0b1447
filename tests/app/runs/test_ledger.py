"""The life of a run: who may move it where, that stale attempts are refused, and that nothing is half-done."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.db import queries
from app.db.session import Database, clock
from app.db.tables import Attempt, DeviceRow, Event, MeasurementRow, Run, Study
from app.errors import DeviceBusy, Invalid, NotClaimable, NotFound, StaleToken, UnknownWorker
from app.presentation import shown_machines, shown_runs
from app.runs import ledger, orders
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import submitted
from workers.catalog.lease import Claim

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def set_run(database: Database, run_id: str, **values: object) -> None:
    """Change a run's row behind the ledger's back: let time pass."""
    with database.writing() as session:
        session.execute(update(Run).where(col(Run.id) == run_id).values(**values))


def the_run(database: Database, run_id: str) -> Run:
    with database.reading() as session:
        return queries.run(session, run_id)


def the_study(database: Database, study_id: str) -> Study:
    with database.reading() as session:
        return queries.study(session, study_id)


def endings(database: Database, run_id: str) -> list[str | None]:
    with database.reading() as session:
        return [attempt.ending for attempt, _ in queries.attempts(session, run_id)]


def held(database: Database) -> list[str]:
    """Runs that hold a device."""
    with database.reading() as session:
        return [d.run_id for d in session.execute(select(DeviceRow)).scalars() if d.run_id is not None]


def lose(database: Database, run_id: str) -> None:
    set_run(database, run_id, lease_until=1.0)
    with database.writing() as session:
        assert ledger.lose(session, run_id)
    set_run(database, run_id, not_before=0.0)


def test_the_good_way(database: Database) -> None:
    study, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    assert (granted.token, granted.attempt, granted.spec.baseline.name) == (1, 1, "fp32")
    assert the_study(database, study).state == "running"
    assert held(database) == [run_id]
    assert not worker.start(granted).cancel
    assert the_run(database, run_id).state == "running"
    assert not worker.beat(granted, 0.5, log=("loaded\x1b[31m",)).cancel
    assert worker.finish(granted) == "done"
    run = the_run(database, run_id)
    assert (run.state, run.outcome, run.result_token) == ("done", "ok", 1)
    assert run.finished_at is not None
    assert run.environment_id is not None
    assert endings(database, run_id) == ["finished"]
    assert held(database) == []
    with database.reading() as session:
        shown = shown_runs.run_detail(session, run_id)
    assert len(shown.measurements) == len(measured().measurements)
    assert shown.log == ["loaded\N{REPLACEMENT CHARACTER}[31m"]
    assert shown.samples[0].values == tuple(measured().samples[0].values), "stored samples are the very same numbers"


def test_a_study_is_done_when_its_last_run_is(database: Database) -> None:
    study, *runs = submitted(database)
    worker = WorkerDouble(database)
    for run_id in runs:
        assert the_study(database, study).finished_at is None
        worker.finish(worker.claim(run_id))
    assert the_study(database, study).state == "done"
    with database.reading() as session:
        kinds = [(event.kind, event.data["state"]) for event in queries.study_events(session, study, 0)]  # type: ignore[index,call-overload]
    assert kinds[0] == ("study", "queued")
    assert kinds[-1] == ("study", "done")


def test_only_queued_runs_of_the_devices_kind_are_given(database: Database) -> None:
    _, first, second = submitted(database)
    worker, other, gpu = WorkerDouble(database, 1), WorkerDouble(database, 2), WorkerDouble(database, 3, "cuda")
    worker.claim(first)
    with pytest.raises(NotClaimable):
        other.claim(first)
    with pytest.raises(DeviceBusy):
        worker.claim(second)
    with pytest.raises(NotClaimable):
        gpu.claim(second)
    with pytest.raises(NotFound), database.writing() as session:
        ledger.claim(session, "0" * 26, "box1:cpu:1")
    with pytest.raises(UnknownWorker), database.writing() as session:
        ledger.claim(session, second, Claim(worker="nobody").worker)
    set_run(database, second, not_before=9e9)
    with pytest.raises(NotClaimable):
        other.claim(second)
    set_run(database, second, not_before=0.0, queue_until=1.0)
    with pytest.raises(NotClaimable):
        other.claim(second)


def test_two_workers_on_one_device_never_hold_it_together(database: Database) -> None:
    _, first, second = submitted(database)
    worker = WorkerDouble(database)
    successor = WorkerDouble(database)
    successor.announcement = worker.announcement.model_copy(update={"name": "box1:cpu:99", "pid": 99})
    successor.announce()
    granted = worker.claim(first)
    with pytest.raises(DeviceBusy):
        successor.claim(second)
    worker.release(granted)
    successor.claim(second)


def test_starting_and_finishing_twice_is_once(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    worker.start(granted)
    worker.start(granted)
    assert worker.finish(granted) == "done"
    assert worker.finish(granted) == "done"
    with database.reading() as session:
        rows = session.execute(select(MeasurementRow)).scalars().all()
    assert len(rows) == len(measured().measurements)


def test_a_lost_worker_is_replaced_and_fenced(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker, other = WorkerDouble(database, 1), WorkerDouble(database, 2)
    late = worker.claim(run_id)
    worker.start(late)
    lose(database, run_id)
    assert held(database) == []
    now = other.claim(run_id)
    assert now.token == late.token + 1
    stale: list[Callable[[], object]] = [
        lambda: worker.start(late),
        lambda: worker.beat(late),
        lambda: worker.finish(late),
        lambda: worker.release(late),
    ]
    for speak in stale:
        with pytest.raises(StaleToken):
            speak()
    assert other.finish(now) == "done"
    assert endings(database, run_id) == ["worker_lost", "finished"]


def test_a_beat_is_heard_until_the_run_was_taken_away(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    set_run(database, run_id, lease_until=1.0)
    worker.beat(granted)
    assert the_run(database, run_id).lease_until > 1.0
    lose(database, run_id)
    with pytest.raises(StaleToken):
        worker.beat(granted)


def test_a_claim_whose_answer_was_lost_is_granted_again_to_the_same_worker(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    assert worker.claim(run_id) == granted
    with pytest.raises(NotClaimable):
        WorkerDouble(database, 2).claim(run_id)
    worker.start(granted)
    with pytest.raises(DeviceBusy):
        worker.claim(run_id)


def test_a_report_of_a_worker_thought_lost_counts_until_somebody_else_claims(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    lose(database, run_id)
    assert worker.finish(granted) == "done"
    assert the_run(database, run_id).outcome == "ok"
    with pytest.raises(NotClaimable):
        WorkerDouble(database, 2).claim(run_id)


def test_the_third_lost_worker_is_the_last(database: Database) -> None:
    study, run_id, *rest = submitted(database)
    worker = WorkerDouble(database)
    for _ in range(3):
        granted = worker.claim(run_id)
        lose(database, run_id)
    assert the_run(database, run_id).state == "quarantined"
    assert endings(database, run_id) == ["worker_lost"] * 3
    with pytest.raises(StaleToken):
        worker.finish(granted)
    for other in rest:
        worker.finish(worker.claim(other))
    assert the_study(database, study).state == "done"


def test_losing_needs_a_lease_that_has_run_out(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    WorkerDouble(database).claim(run_id)
    with database.writing() as session:
        assert not ledger.lose(session, run_id)
    assert the_run(database, run_id).state == "leased"


def test_released_attempts_do_not_count(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    for _ in range(5):
        granted = worker.claim(run_id)
        assert worker.release(granted) == "queued"
        assert worker.release(granted) == "queued", "saying it again changes nothing"
    run = the_run(database, run_id)
    assert (run.attempts, run.token, run.workers_lost) == (0, 5, 0)
    assert endings(database, run_id) == ["released"] * 5


def test_infrastructure_errors_wait_longer_each_time_and_end(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    waits = []
    for _ in range(3):
        assert worker.release(worker.claim(run_id), "infra_error", "no space\x00left") == "queued"
        with database.reading() as session:
            waits.append(round(queries.run(session, run_id).not_before - clock(session)))
        set_run(database, run_id, not_before=0.0)
    assert waits == [30, 120, 600]
    assert worker.release(worker.claim(run_id), "infra_error") == "quarantined"


def test_cancelling_a_held_run_waits_for_its_worker(database: Database) -> None:
    study, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    worker.start(granted)
    with database.writing() as session:
        orders.cancel_study(session, study)
    assert the_run(database, run_id).state == "cancelling"
    assert worker.beat(granted).cancel
    assert worker.start(granted).cancel
    assert worker.release(granted, "cancelled") == "cancelled"
    assert the_study(database, study).state == "cancelled"
    assert held(database) == []


def test_a_report_of_a_cancelled_run_is_dropped(database: Database) -> None:
    study, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    with database.writing() as session:
        orders.cancel_study(session, study)
    assert worker.finish(granted) == "cancelled"
    assert worker.finish(granted) == "cancelled"
    with database.reading() as session:
        assert session.execute(select(MeasurementRow)).all() == []


def test_a_cancelled_run_whose_worker_is_lost_ends(database: Database) -> None:
    study, run_id, *_ = submitted(database)
    granted = WorkerDouble(database).claim(run_id)
    with database.writing() as session:
        orders.cancel_study(session, study)
    set_run(database, run_id, lease_until=1.0)
    with database.writing() as session:
        assert ledger.lose(session, run_id)
    assert the_run(database, run_id).state == "cancelled"
    with pytest.raises(StaleToken):
        WorkerDouble(database).finish(granted)


def test_a_run_that_waited_too_long_expires(database: Database) -> None:
    study, first, second = submitted(database)
    with database.writing() as session:
        assert not ledger.expire(session, first)
    for run_id in (first, second):
        set_run(database, run_id, queue_until=1.0)
        with database.writing() as session:
            assert ledger.expire(session, run_id)
    assert the_run(database, first).state == "expired"
    assert the_study(database, study).state == "done"


def test_the_servers_absence_is_not_the_workers_fault(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    set_run(database, run_id, lease_until=1.0)
    with database.writing() as session:
        assert ledger.extend_leases(session) == 1
    worker.beat(granted)


def test_a_report_that_contradicts_itself_leaves_nothing(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    twice = measured(measurements=measured().measurements[:1] * 2)
    with pytest.raises(Invalid, match="same quantity twice"):
        worker.finish(granted, twice)
    assert the_run(database, run_id).state == "leased"
    assert worker.finish(granted) == "done"


def test_text_of_a_program_is_kept_without_control_characters(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    worker.finish(granted, measured(outcome="error", message="a\x00b\x9bc\nd", environment={"os": "Li\x00nux"}))
    assert the_run(database, run_id).message == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\nd"


def test_the_log_of_a_run_keeps_its_last_part(database: Database) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    for number in range(10):
        worker.beat(granted, log=tuple(f"{number} " + "x" * 3_998 for _ in range(20)))
    with database.reading() as session:
        lines = queries.log_lines(session, run_id=run_id)
        kept = session.execute(select(Event).where(col(Event.kind) == "log")).scalars().all()
    assert lines[-1].startswith("9 ")
    assert sum(event.size for event in kept) <= 256_000
    assert len(kept) == 3


def test_only_the_last_progress_of_a_run_is_kept(database: Database) -> None:
    study, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    granted = worker.claim(run_id)
    for fraction in (0.1, 0.5):
        worker.beat(granted, fraction)
    with database.reading() as session:
        kept = [e.data for e in queries.study_events(session, study, 0) if e.kind == "progress"]
    assert len(kept) == 1
    assert kept[0]["fraction"] == 0.5  # type: ignore[index,call-overload]
    assert kept[0]["study_fraction"] == 0.25  # type: ignore[index,call-overload]


def test_announcing_again_is_presence(database: Database) -> None:
    worker = WorkerDouble(database)
    assert worker.announce() == worker.announce()
    with database.reading() as session:
        shown = shown_machines.workers(session).items
    assert [w.present for w in shown] == [True]
    with database.reading() as session:
        assert session.execute(select(Attempt)).all() == []
