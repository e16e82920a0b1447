"""The life of a run as its worker drives it: announce, claim, start, beat, finish, release; and losing a worker.

What people do to runs is in ``app/runs/orders.py``; both move a run by ``app/runs/transitions.py`` alone.
"""

from typing import Any

import structlog
from sqlalchemy import select, update
from sqlmodel import Session, col

from app.db import events, queued
from app.db.events import TERMINAL
from app.db.session import clock, insert_once
from app.db.tables import Attempt, DeviceRow, Run, Study, Worker, new_id
from app.errors import DeviceBusy, NotClaimable, Outdated, StaleToken, UnknownWorker
from app.runs import canary
from app.runs.reports import store
from app.runs.transitions import HELD, QUEUE_S, change, compare_and_set, lock
from app.study import stored
from app.study.progress import done
from workers.catalog.lease import LEASE_S, Announcement, Beat, Finish, Granted, Progress, Pulse, Release, Start

log = structlog.get_logger()

MAX_WORKERS_LOST = 3
BACK_OFF_S = (30.0, 120.0, 600.0)
"""Waits after the first, second and third infrastructure error; the fourth gives the run up."""
LOST_WAIT_S = 5.0


def announce(session: Session, announcement: Announcement) -> str:
    """Write down that a worker is there, and with which device.

    Returns:
        The worker's id.
    """
    now = clock(session)
    device = announcement.device
    described = device.model_dump(exclude={"key"})
    insert_once(session, DeviceRow, {"id": device.key, "token": 0, **described})
    session.execute(update(DeviceRow).where(col(DeviceRow.id) == device.key).values(**described))
    seen: dict[str, Any] = announcement.model_dump(exclude={"name", "device"})
    seen |= {"device_id": device.key, "last_seen_at": now}
    insert_once(session, Worker, {"id": new_id(), "name": announcement.name, "first_seen_at": now, **seen})
    session.execute(update(Worker).where(col(Worker.name) == announcement.name).values(**seen))
    worker: Worker = session.execute(select(Worker).where(col(Worker.name) == announcement.name)).scalar_one()
    return worker.id


def claim(session: Session, run_id: str, worker_name: str) -> Granted:
    """Give a queued run to a worker. Asking again before the run was started gets the same answer.

    Args:
        session: writes.
        run_id: the run.
        worker_name: the worker's name or id.

    Raises:
        NotFound: there is no such run.
        Outdated: the catalogue no longer knows what it measures.
        UnknownWorker: the worker has not announced itself.
        NotClaimable: the run is not queued, must still wait, needs another kind of device, or runs of a higher priority
            need every device that is free.
        DeviceBusy: the worker's device holds another run.
    """
    run, study = lock(session, run_id)
    worker = session.execute(
        select(Worker).where((col(Worker.name) == worker_name) | (col(Worker.id) == worker_name))
    ).scalar_one_or_none()
    if worker is None:
        raise UnknownWorker()
    if run.state == "leased" and run.worker_id == worker.id and run.started_at is None:
        return _granted(run)  # The answer to its first claim was lost on the way.
    device = session.get_one(DeviceRow, worker.device_id, with_for_update=True, populate_existing=True)
    if device.run_id is not None:
        raise DeviceBusy(hint="It is free when the attempt that holds it has ended.")
    now = clock(session)
    if device.kind != run.device_kind or run.not_before > now or run.queue_until <= now:
        raise NotClaimable()
    if run.state == "queued" and queued.is_outranked(session, run):
        raise NotClaimable("Runs of a higher priority come first.", hint="The next hint names one of them.")
    claimed = {
        "token": run.token + 1,
        "attempts": run.attempts + 1,
        "lease_until": now + LEASE_S,
        "worker_id": worker.id,
        "device_id": device.id,
        "started_at": None,
        "progress": None,
    }
    if not change(session, run, study, "leased", now, frm={"queued"}, token=run.token, values=claimed):
        raise NotClaimable()
    session.add(Attempt(run_id=run.id, token=run.token, worker_id=worker.id, claimed_at=now))
    session.execute(update(DeviceRow).where(col(DeviceRow.id) == device.id).values(run_id=run.id, token=run.token))
    return _granted(run)


def start(session: Session, run_id: str, paper: Start) -> Pulse:
    """The measuring program of an attempt runs.

    Raises:
        NotFound: there is no such run.
        StaleToken: the attempt no longer holds the run.
    """
    run, study = _held(session, run_id, paper.token)
    now = clock(session)
    if run.state == "leased":
        values = {"lease_until": now + LEASE_S, "started_at": now}
        change(session, run, study, "running", now, frm={"leased"}, token=paper.token, values=values)
    session.execute(
        update(Attempt)
        .where(col(Attempt.run_id) == run.id, col(Attempt.token) == paper.token)
        .values(pid=paper.pid, started_at=now)
    )
    return Pulse(cancel=run.state == "cancelling")


def beat(session: Session, run_id: str, paper: Beat) -> Pulse:
    """An attempt lives: its lease moves, its progress and log lines are kept.

    Raises:
        NotFound: there is no such run.
        StaleToken: the attempt no longer holds the run.
    """
    run, study = _held(session, run_id, paper.token)
    now = clock(session)
    values: dict[str, Any] = {"lease_until": now + LEASE_S}
    if paper.progress is not None:
        progress = Progress(
            phase=events.visible(paper.progress.phase),
            message=events.visible(paper.progress.message),
            fraction=paper.progress.fraction,
        )
        values["progress"] = progress.model_dump()
    held = (col(Run.id) == run.id, col(Run.token) == paper.token, col(Run.state).in_(HELD))
    if not compare_and_set(session, run, held, values):
        raise _fenced(run, paper.token, "beat")
    if paper.progress is not None:
        events.progressed(session, run, progress, _progress(session, study), now)
    if paper.log:
        events.logged(session, run, [events.visible(line) for line in paper.log], now)
    return Pulse(cancel=run.state == "cancelling")


def finish(session: Session, run_id: str, paper: Finish) -> str:
    """Take an attempt's report. Saying it again changes nothing and gets the same answer.

    A report of a run that was being cancelled is dropped. One whose worker was thought lost still counts while nobody
    else has claimed the run.

    Returns:
        The run's state.

    Raises:
        NotFound: there is no such run.
        Invalid: the report contradicts itself; nothing is stored.
        StaleToken: the attempt no longer holds the run.
    """
    run, study = lock(session, run_id)
    attempt = _attempt(session, run.id, paper.token)
    if attempt is None or paper.token != run.token:
        raise _fenced(run, paper.token, "finish")
    if run.state in TERMINAL and attempt.ending in ("finished", "cancelled"):
        return run.state
    now = clock(session)
    if run.state == "cancelling":
        change(session, run, study, "cancelled", now, frm={"cancelling"}, token=paper.token, ending="cancelled")
        return run.state
    late = run.state == "queued" and attempt.ending == "worker_lost"
    if run.state not in HELD and not late:
        raise _fenced(run, paper.token, "finish")
    values = store(session, run, paper.token, paper.report, now)
    attempt.outcome = paper.report.outcome
    change(session, run, study, "done", now, frm={run.state}, token=paper.token, values=values, ending="finished")
    canary.heed(session, run, study, now)
    return run.state


def release(session: Session, run_id: str, paper: Release) -> str:
    """End an attempt without a report. Saying it again changes nothing and gets the same answer.

    Returns:
        The run's state.

    Raises:
        NotFound: there is no such run.
        StaleToken: the attempt no longer holds the run.
    """
    run, study = lock(session, run_id)
    attempt = _attempt(session, run.id, paper.token)
    if attempt is None or paper.token != run.token:
        raise _fenced(run, paper.token, "release")
    if attempt.ending is not None and attempt.ending != "worker_lost":
        return run.state
    if run.state not in HELD:
        raise _fenced(run, paper.token, "release")
    now = clock(session)
    message = events.visible(paper.message)
    asked = frozenset({run.state})
    if run.state == "cancelling":
        change(session, run, study, "cancelled", now, frm=asked, token=paper.token, ending="cancelled", message=message)
    elif paper.ending == "infra_error":
        errors = run.infra_errors + 1
        given_up = errors > len(BACK_OFF_S)
        values = {"infra_errors": errors, "message": message or None}
        values |= {} if given_up else _again(now, BACK_OFF_S[errors - 1])
        change(
            session, run, study, "quarantined" if given_up else "queued", now,
            frm=asked, token=paper.token, values=values, ending="infra_error", message=message,
        )  # fmt: skip
    else:
        values = {"attempts": run.attempts - 1, **_again(now, 0.0)}
        change(
            session, run, study, "queued", now,
            frm=asked, token=paper.token, values=values, ending="released", message=message,
        )  # fmt: skip
    return run.state


def lose(session: Session, run_id: str) -> bool:
    """Take a run from a worker whose lease has run out. Whether there was anything to take."""
    run, study = lock(session, run_id)
    now = clock(session)
    if run.state not in HELD or run.lease_until >= now:
        return False
    if run.state == "cancelling":
        return change(session, run, study, "cancelled", now, frm={"cancelling"}, token=run.token, ending="worker_lost")
    lost = run.workers_lost + 1
    given_up = lost >= MAX_WORKERS_LOST
    message = f"The worker was lost {lost} times; the run may be what kills it." if given_up else None
    values: dict[str, Any] = {"workers_lost": lost, "message": message}
    values |= {} if given_up else _again(now, LOST_WAIT_S)
    return change(
        session, run, study, "quarantined" if given_up else "queued", now,
        frm={run.state}, token=run.token, values=values, ending="worker_lost",
    )  # fmt: skip


def expire(session: Session, run_id: str) -> bool:
    """Give up on a run that waited too long. Whether it had."""
    run, study = lock(session, run_id)
    now = clock(session)
    if run.queue_until > now:
        return False
    values = {"message": "No worker for its kind of device took it in time."}
    return change(session, run, study, "expired", now, frm={"queued"}, token=run.token, values=values)


def give_up_outdated(session: Session, run_id: str) -> bool:
    """Take a queued run out of the queue that no worker can be given any more. Whether it was one."""
    run, study = lock(session, run_id)
    try:
        stored.run_spec(run)
    except Outdated as error:
        values = {"message": error.detail}
        return change(
            session, run, study, "quarantined", clock(session), frm={"queued"}, token=run.token, values=values
        )
    return False


def extend_leases(session: Session) -> int:
    """Move every lease by one period: the server was away, which is not the workers' fault. How many there are."""
    now = clock(session)
    statement = update(Run).where(col(Run.state).in_(HELD)).values(lease_until=now + LEASE_S)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def _held(session: Session, run_id: str, token: int) -> tuple[Run, Study]:
    """The run and its study, if the attempt of this token holds the run.

    A lease that has run out without anybody noticing is no reason to refuse: the token is the fence, and whoever was
    away (the database, a machine that slept) comes back to a run that nobody else has.
    """
    run, study = lock(session, run_id)
    if run.state not in HELD or run.token != token:
        raise _fenced(run, token, "beat")
    return run, study


def _granted(run: Run) -> Granted:
    return Granted(run=run.id, token=run.token, attempt=run.attempts, spec=stored.run_spec(run))


def _attempt(session: Session, run_id: str, token: int) -> Attempt | None:
    statement = select(Attempt).where(col(Attempt.run_id) == run_id, col(Attempt.token) == token)
    return session.execute(statement.execution_options(populate_existing=True)).scalar_one_or_none()


def _again(now: float, wait: float) -> dict[str, Any]:
    """What a run has when it is queued again."""
    return {"not_before": now + wait, "queue_until": now + QUEUE_S, "hinted_at": None, "progress": None}


def _fenced(run: Run, token: int, what: str) -> StaleToken:
    log.warning("fenced", run=run.id, what=what, token=token, holder=run.token, state=run.state)
    return StaleToken(f"The run is {run.state} and its last token is {run.token}; this came with {token}.")


def _progress(session: Session, study: Study) -> float:
    rows = session.execute(select(col(Run.state), col(Run.progress)).where(col(Run.study_id) == study.id)).all()
    return done((state, said) for state, said in rows)
