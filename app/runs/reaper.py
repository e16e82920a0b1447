"""A thread of the server that does what nobody asks for: lost workers, waits that are over, hints, old keys.

Any number of reapers may run: every step is a compare-and-set in its own short transaction.
"""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from app.db import queued
from app.db.session import Database, clock
from app.db.tables import Run
from app.door.idempotency import forget_old
from app.results.keeping import catch_up
from app.runs.ledger import expire, extend_leases, give_up_outdated, lose
from app.runs.queue import Queue
from app.runs.transitions import HELD
from workers.catalog.lease import LEASE_S

log = structlog.get_logger()

EVERY_S = 5.0
_FORGET_EVERY = 720
"""Rounds between two clean-ups of old keys: about an hour."""


def reap(database: Database, queue: Queue) -> int:
    """One round.

    Returns:
        How many hints were published.
    """
    with database.reading() as session:
        ended = queued.leases_ended(session, HELD)
        waited = queued.queued_too_long(session)
    for run_id in ended:
        with database.writing() as session:
            if lose(session, run_id):
                log.warning("worker lost", run=run_id)
    for run_id in waited:
        with database.writing() as session:
            expire(session, run_id)
    return publish_hints(database, queue)


def publish_hints(database: Database, queue: Queue) -> int:
    """Publish a hint for every idle worker that a queued run is waiting for. How many the broker took."""
    with database.reading() as session:
        due = queued.hints_due(session)
    published = 0
    for run_id, device_kind in due:
        # Written down first: a crash in between costs one wait, the other way round it would cost a flood of hints.
        with database.writing() as session:
            if give_up_outdated(session, run_id):
                log.warning("run of an older catalogue given up", run=run_id)
                continue
            session.execute(update(Run).where(col(Run.id) == run_id).values(hinted_at=clock(session)))
        if not queue.publish(run_id, device_kind):
            break
        published += 1
    return published


class Reaper:
    """Runs rounds until it is stopped."""

    def __init__(self, database: Database, queue: Queue, died: Callable[[], None]) -> None:
        """Prepare.

        Args:
            database: where the runs are.
            queue: where hints go.
            died: called when a round fails in a way nobody foresaw; a server without a reaper must not go on.
        """
        self._database = database
        self._queue = queue
        self._died = died
        self._wake = threading.Event()
        self._stop = False
        self._looked_at: float | None = None
        self._caught_up_to: str | None = ""
        """The last study whose results were looked for; None once all are there."""
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether rounds are being run."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Do a round now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the round that is running."""
        self._stop = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        rounds = 0
        try:
            while not self._stop:
                self._wake.clear()
                self._round(rounds)
                rounds += 1
                self._wake.wait(EVERY_S)
        except BaseException:
            log.exception("reaper died")
            self._died()
            raise

    def _round(self, number: int) -> None:
        try:
            self._forgive_absence()
            reap(self._database, self._queue)
            self._catch_up()
            if number % _FORGET_EVERY == 0:
                with self._database.writing() as session:
                    forget_old(session)
                self._queue.forget_read()
        except (SQLAlchemyError, TimeoutError) as error:
            # The database is away or busy; the next round tries again.
            log.error("reaper's round failed", reason=str(getattr(error, "orig", None) or error).strip())

    def _catch_up(self) -> None:
        """Write the results of studies that were measured before there was a table of results, some in each round."""
        if self._caught_up_to is not None:
            with self._database.writing() as session:
                self._caught_up_to = catch_up(session, self._caught_up_to)

    def _forgive_absence(self) -> None:
        """After a database or a machine that was away for long, give every lease a period: no worker could beat."""
        with self._database.reading() as session:
            now = clock(session)
        if self._looked_at is not None and now - self._looked_at > LEASE_S:
            with self._database.writing() as session:
                log.warning("leases extended", runs=extend_leases(session), away_s=round(now - self._looked_at))
        self._looked_at = now
