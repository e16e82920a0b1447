"""Workers: announce, list, and how much there is to do."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute, Submitter, Waking, WorkerCaller
from app.db import queries, queued
from app.devices import ceilings
from app.devices.ceilings import ShownCeilings
from app.listing import Listing
from app.ordering import submission
from app.presentation import shown_machines
from app.presentation.shown_machines import ShownWorker
from app.runs import ledger
from workers.catalog.ceilings import Ceilings
from workers.catalog.lease import Announcement, Work

router = APIRouter(prefix="/workers", tags=["workers"], route_class=StrictRoute, responses=REFUSALS)


class Announced(BaseModel):
    """The worker is known."""

    worker: str
    """Its id."""


@router.post("")
def announce(paper: Announcement, caller: WorkerCaller, database: Ledger, reaper: Waking) -> Announced:
    """Say that a worker is there; again every few seconds while it is."""
    with database.writing() as session:
        worker_id = ledger.announce(session, paper)
    reaper.wake()
    return Announced(worker=worker_id)


@router.get("")
def list_workers(
    caller: Reader,
    database: Ledger,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listing[ShownWorker]:
    """Workers, newest first."""
    with database.reading() as session:
        return shown_machines.workers(session, cursor=cursor, limit=limit)


@router.get("/{worker_id}/work")
def work(worker_id: str, caller: WorkerCaller, database: Ledger) -> Work:
    """How many runs a worker could claim now."""
    with database.reading() as session:
        worker = queries.worker(session, worker_id)
        device = queries.devices(session, [worker.device_id])[worker.device_id]
        # While its device is held, by whichever worker, there is nothing that it could claim.
        return Work(
            queued=0 if device.run_id else queued.queued_for(session, device.kind),
            measure_ceilings=ceilings.wanted(session, device.id),
        )


@router.get("/{worker_id}/ceilings")
def read_ceilings(worker_id: str, caller: Reader, database: Ledger) -> ShownCeilings:
    """What the device of a worker can do at most, as measured."""
    with database.reading() as session:
        return ceilings.of_worker(session, worker_id)


@router.put("/{worker_id}/ceilings", status_code=204)
def keep_ceilings(worker_id: str, paper: Ceilings, caller: WorkerCaller, database: Ledger) -> None:
    """Hand over what a worker measured."""
    with database.writing() as session:
        ceilings.keep(session, worker_id, paper)


@router.post("/{worker_id}/ceilings/again", status_code=202)
def measure_ceilings_again(worker_id: str, caller: Submitter, database: Ledger) -> ShownCeilings:
    """Have a worker measure the ceilings of its device again, as soon as it is free."""
    with database.writing() as session:
        ceilings.ask_again(session, worker_id)
        submission.audit(session, caller.name, "measure ceilings again", worker_id)
        return ceilings.of_worker(session, worker_id)
