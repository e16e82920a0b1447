"""The devices that measure: what each can do at most as measured, beside what its maker says, and what it measured last."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sqlmodel import Session

from app.db import device_lists
from app.db.device_lists import Ended
from app.db.queries import PRESENT_S
from app.db.session import clock
from app.db.tables import CeilingsRow, DeviceRow, Worker
from app.devices.datasheets import Datasheet, datasheet
from app.errors import NotFound
from app.frozen import Frozen
from workers.catalog.ceilings import Ceilings, Rate
from workers.catalog.technique import DeviceKind

FORMATS = ("float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn")
"""Number formats of products, in the order of pages."""


class Reached(Frozen):
    """One ceiling as measured, beside the datasheet's."""

    what: str
    """``memory``, ``cache`` or a number format."""
    unit: str
    value: float | None
    """None where it was not measured."""
    low: float | None
    high: float | None
    n: int | None
    datasheet: float | None
    """None where the maker says nothing, or the device has no datasheet here."""
    share: float | None
    """Measured over what the maker says."""


class DeviceWorker(Frozen):
    """A process that measures on a device."""

    id: str
    name: str
    host: str
    present: bool
    last_seen_at: float


class ShownHardware(Frozen):
    """One device."""

    id: str
    url: str
    name: str
    kind: DeviceKind
    memory: int
    """Bytes."""
    workers: tuple[DeviceWorker, ...]
    run: str | None
    """The run that holds it."""
    datasheet: Datasheet | None
    ceilings: Ceilings | None
    """None while nothing was measured."""
    reached: tuple[Reached, ...]
    ridges: dict[str, float]
    """Measured operations per byte from which on arithmetic binds, by format."""
    received_at: float | None
    asked_at: float | None
    """When somebody asked to measure again; None once that is done."""

    @property
    def present(self) -> bool:
        """Whether a worker of it is there."""
        return any(worker.present for worker in self.workers)

    @property
    def asks(self) -> str | None:
        """The worker that can be asked to measure the ceilings again."""
        return next((worker.id for worker in self.workers if worker.present), None)


class LastRun(Frozen):
    """A run that a device measured."""

    run: str
    url: str
    variant: str
    study: str
    study_url: str
    model: str
    workload: str
    state: str
    outcome: str | None
    seconds: float | None
    finished_at: float


class HardwareDetail(Frozen):
    """One device with what it measured last."""

    hardware: ShownHardware
    runs: tuple[LastRun, ...]


def devices(session: Session) -> tuple[ShownHardware, ...]:
    """All devices, those with a present worker first."""
    rows = device_lists.devices(session)
    workers = device_lists.workers(session)
    kept = device_lists.ceilings(session)
    now = clock(session)
    found = [_shown(row, workers.get(row.id, ()), kept, now) for row in rows]
    return tuple(sorted(found, key=lambda one: (not one.present, one.name)))


def device(session: Session, device_id: str) -> HardwareDetail:
    """One device and the runs that it measured last.

    Raises:
        NotFound: no worker ever measured on it.
    """
    row = session.get(DeviceRow, device_id)
    if row is None:
        known = ", ".join(one.id for one in device_lists.devices(session)[:8]) or "none"
        raise NotFound("There is no such device.", hint=f"Devices: {known}.")
    workers = device_lists.workers(session)
    shown = _shown(row, workers.get(row.id, ()), device_lists.ceilings(session), clock(session))
    return HardwareDetail(hardware=shown, runs=tuple(_last(run) for run in device_lists.last_runs(session, device_id)))


def reached(measured: Ceilings | None, sheet: Datasheet | None) -> tuple[Reached, ...]:
    """Every ceiling that was measured or that the maker tells, side by side."""
    bandwidths = measured.bandwidths if measured else ()
    largest = max((each.working_set for each in bandwidths), default=0)
    beyond = [each for each in bandwidths if each.working_set == largest]
    found = [_reached("memory", "B/s", beyond, sheet.bandwidth if sheet else None)]
    within = [each for each in bandwidths if each.working_set < largest]
    found.append(_reached("cache", "B/s", within, None))
    for dtype in FORMATS:
        products = [each for each in measured.products if each.dtype == dtype] if measured else []
        found.append(_reached(dtype, "FLOP/s", products, sheet.peaks.get(dtype) if sheet else None))
    return tuple(one for one in found if one.value is not None or one.datasheet is not None)


def ridges(measured: Ceilings | None) -> dict[str, float]:
    """For each format, peak over the bandwidth of memory, both as measured."""
    if measured is None or not measured.bandwidths:
        return {}
    beyond = measured.bandwidth(max(each.working_set for each in measured.bandwidths))
    peaks = {dtype: measured.peak(dtype) for dtype in FORMATS}
    return {dtype: peak / beyond for dtype, peak in peaks.items() if peak and beyond}


def _reached(what: str, unit: str, rates: Sequence[Rate], said: float | None) -> Reached:
    best = max(rates, key=lambda rate: rate.value, default=None)
    found = {name: getattr(best, name, None) for name in ("value", "low", "high", "n")}
    share = best.value / said if best and said else None
    return Reached(what=what, unit=unit, datasheet=said, share=share, **found)


def _last(run: Ended) -> LastRun:
    values = run._asdict()
    return LastRun(url=f"/runs/{run.run}", study_url=f"/studies/{values.pop('study_id')}", **values)


def _shown(row: DeviceRow, workers: Sequence[Worker], kept: Mapping[str, CeilingsRow], now: float) -> ShownHardware:
    held = kept.get(row.id)
    measured = Ceilings.model_validate(held.measured) if held and held.measured else None
    sheet = datasheet(row.name, row.memory_bytes)
    return ShownHardware(
        id=row.id,
        url=address(row.id),
        name=row.name,
        kind=row.kind,
        memory=row.memory_bytes,
        workers=tuple(
            DeviceWorker(
                id=worker.id,
                name=worker.name,
                host=worker.host,
                present=worker.last_seen_at > now - PRESENT_S,
                last_seen_at=worker.last_seen_at,
            )
            for worker in workers
        ),
        run=row.run_id,
        datasheet=sheet,
        ceilings=measured,
        reached=reached(measured, sheet),
        ridges=ridges(measured),
        received_at=held.received_at if held else None,
        asked_at=held.asked_at if held else None,
    )


def address(device_id: str) -> str:
    """The page of a device."""
    return f"/hardware/{quote(device_id, safe='/')}"
