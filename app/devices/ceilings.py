"""What devices can do at most: kept as their workers measured it, asked for again, shown."""

from collections.abc import Sequence

from pydantic import BaseModel
from sqlalchemy import update
from sqlmodel import Session, col

from app.db import device_lists, queries
from app.db.session import clock, insert_once
from app.db.tables import CeilingsRow
from app.errors import Invalid
from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Problem


class ShownCeilings(BaseModel):
    """The measured ceilings of a worker's device."""

    device: str
    """Key of the device."""
    ceilings: Ceilings | None
    """None while its worker has not measured them."""
    received_at: float | None
    asked_at: float | None
    """When somebody asked to measure again; None once that is done."""


def of_worker(session: Session, worker_id: str) -> ShownCeilings:
    """The ceilings of the device that a worker measures on.

    Raises:
        NotFound: there is no such worker.
    """
    device_id = queries.worker(session, worker_id).device_id
    row = session.get(CeilingsRow, device_id)
    return ShownCeilings(
        device=device_id,
        ceilings=Ceilings.model_validate(row.measured) if row and row.measured else None,
        received_at=row.received_at if row else None,
        asked_at=row.asked_at if row else None,
    )


def of_runs(session: Session, runs: Sequence[str]) -> dict[str, Ceilings]:
    """The ceilings of the devices that runs were measured on, by run; a run whose device has none is left out."""
    return {
        run: Ceilings.model_validate(measured)
        for run, measured in device_lists.ceilings_of_runs(session, runs)
        if measured
    }


def keep(session: Session, worker_id: str, measured: Ceilings) -> None:
    """Keep what a worker measured, in place of what was known; a request to measure again is answered by it if it is newer.

    Raises:
        NotFound: there is no such worker.
        Invalid: the ceilings are of another kind of device.
    """
    device_id = queries.worker(session, worker_id).device_id
    kind = queries.devices(session, [device_id])[device_id].kind
    if measured.device != kind:
        message = f"is {measured.device}, but this worker measures on {kind}."
        problem = Problem("device", "another_device", message, f"Send the ceilings of a {kind} device.")
        raise Invalid("The ceilings are not of this worker's device.", problems=[problem])
    new = measured.model_dump(mode="json")
    insert_once(session, CeilingsRow, {"device_id": device_id})
    row = session.get_one(CeilingsRow, device_id, populate_existing=True)
    if row.measured != new:
        values = {"measured": new, "received_at": clock(session), "asked_at": None}
        session.execute(update(CeilingsRow).where(col(CeilingsRow.device_id) == device_id).values(**values))


def ask_again(session: Session, worker_id: str) -> None:
    """Have a worker measure the ceilings of its device again, as soon as it is free.

    Raises:
        NotFound: there is no such worker.
    """
    device_id = queries.worker(session, worker_id).device_id
    insert_once(session, CeilingsRow, {"device_id": device_id})
    values = {"asked_at": clock(session)}
    session.execute(update(CeilingsRow).where(col(CeilingsRow.device_id) == device_id).values(**values))


def wanted(session: Session, device_id: str) -> bool:
    """Whether somebody asked for the ceilings of a device to be measured again."""
    row = session.get(CeilingsRow, device_id)
    return row is not None and row.asked_at is not None
