"""Workers, their devices and environments, as pages and the JSON API show them."""

from collections.abc import Sequence

from pydantic import BaseModel, JsonValue
from sqlmodel import Session

from app.db import queries
from app.db.session import clock
from app.db.tables import Environment, Worker
from app.listing import Listing, moment


class ShownDevice(BaseModel):
    """What a worker measures on."""

    key: str
    kind: str
    index: int
    name: str
    memory_bytes: int


class ShownWorker(BaseModel):
    """One worker."""

    id: str
    name: str
    host: str
    version: str
    present: bool
    """Whether it announced itself in the last seconds."""
    first_seen_at: str
    last_seen_at: str
    device: ShownDevice
    run: str | None
    """The run it holds."""


class ShownEnvironment(BaseModel):
    """A machine and its software as runs found it."""

    id: str
    fields: dict[str, JsonValue]
    first_seen_at: str


def workers(session: Session, *, cursor: str | None = None, limit: int = 50) -> Listing[ShownWorker]:
    """Workers, newest first.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    page = queries.workers(session, cursor=cursor, limit=limit)
    found: Sequence[Worker] = page.items
    devices = queries.devices(session, [worker.device_id for worker in found])
    holders = queries.workers_of_runs(session, [device.run_id for device in devices.values() if device.run_id])
    now = clock(session)
    shown = []
    for worker in found:
        device = devices[worker.device_id]
        shown.append(
            ShownWorker(
                **worker.model_dump(include={"id", "name", "host", "version"}),
                present=worker.last_seen_at > now - queries.PRESENT_S,
                first_seen_at=moment(worker.first_seen_at),
                last_seen_at=moment(worker.last_seen_at),
                device=ShownDevice(key=device.id, **device.model_dump(exclude={"id", "run_id", "token"})),
                run=device.run_id if device.run_id and holders.get(device.run_id) == worker.id else None,
            )
        )
    return Listing(items=shown, next=page.next)


def environment(session: Session, environment_id: str) -> ShownEnvironment:
    """One environment.

    Raises:
        NotFound: there is none with this id.
    """
    found: Environment = queries.environment(session, environment_id)
    fields = found.fields if isinstance(found.fields, dict) else {}
    return ShownEnvironment(id=found.id, fields=fields, first_seen_at=moment(found.first_seen_at))
