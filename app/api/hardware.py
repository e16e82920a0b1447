"""Devices: what they can do at most as measured, beside what their makers say."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.devices import hardware
from app.devices.datasheets import Datasheet, datasheets
from app.devices.hardware import HardwareDetail, ShownHardware

router = APIRouter(prefix="/hardware", tags=["hardware"], route_class=StrictRoute, responses=REFUSALS)


class ShownDevices(BaseModel):
    """The devices that workers have, and the datasheets that are known."""

    items: list[ShownHardware]
    next: None = None
    datasheets: list[Datasheet]


@router.get("")
def devices(caller: Reader, database: Ledger) -> ShownDevices:
    """Every device that a worker ever announced."""
    with database.reading() as session:
        return ShownDevices(items=list(hardware.devices(session)), datasheets=list(datasheets()))


@router.get("/{device_id:path}")
def device(device_id: str, caller: Reader, database: Ledger) -> HardwareDetail:
    """One device and the runs that it measured last."""
    with database.reading() as session:
        return hardware.device(session, device_id)
