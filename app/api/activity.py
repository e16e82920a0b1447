"""What happens now: what runs, what waits and what has ended; the JSON twin of the Runs page."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.presentation import activity
from app.presentation.activity import Activity
from workers.catalog.technique import DeviceKind

router = APIRouter(prefix="/activity", tags=["runs"], route_class=StrictRoute, responses=REFUSALS)


@router.get("")
def read_activity(
    caller: Reader,
    database: Ledger,
    device: Annotated[DeviceKind | None, Query(description="Kind of device; left out: all.")] = None,
) -> Activity:
    """Runs that workers hold with when they will end, the first of the queue, the last that ended, and the workers."""
    with database.reading() as session:
        return activity.activity(session, device)
