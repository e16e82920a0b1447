"""Hardware: the devices that measure, what they reach of what their makers say, and the datasheets."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.devices import hardware
from app.devices.datasheets import datasheets
from app.pages.rendering import page
from app.pages.session import Reading
from app.study.outcomes import OUTCOMES

router = APIRouter()

NAMES = {
    "memory": "Memory bandwidth",
    "cache": "Fastest cache",
    "float32": "fp32",
    "tf32": "tf32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "int8": "int8",
    "float8_e4m3fn": "fp8",
}
"""Ceilings in the words of pages."""


@router.get("/hardware", response_class=HTMLResponse)
def devices(session: Reading) -> HTMLResponse:
    return page(
        "hardware.html",
        here="hardware",
        twin="/api/v1/hardware",
        devices=hardware.devices(session),
        datasheets=datasheets(),
        formats=hardware.FORMATS,
        names=NAMES,
    )


@router.get("/hardware/{device_id:path}", response_class=HTMLResponse)
def device(session: Reading, device_id: str) -> HTMLResponse:
    found = hardware.device(session, device_id)
    return page(
        "device.html",
        here="hardware",
        twin=f"/api/v1{found.hardware.url}",
        device=found.hardware,
        runs=found.runs,
        names=NAMES,
        outcomes=OUTCOMES,
    )
