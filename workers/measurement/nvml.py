"""What the NVIDIA driver's own library tells about a GPU: what it is, how it is set, and how it fares. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import JsonValue

REASONS: tuple[tuple[int, str], ...] = (
    (0x001, "idle"),
    (0x002, "application clocks"),
    (0x004, "power cap"),
    (0x008, "hardware slowdown"),
    (0x010, "sync boost"),
    (0x020, "software thermal slowdown"),
    (0x040, "hardware thermal slowdown"),
    (0x080, "power brake"),
    (0x100, "display clocks"),
)
"""Bits of nvmlClocksEventReasons (nvml.h), as words."""
THROTTLED = frozenset(
    {"power cap", "hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "power brake"}
)
"""Reasons for which a GPU computes more slowly than it is set to."""
VIOLATIONS = {"power cap": "NVML_PERF_POLICY_POWER", "heat": "NVML_PERF_POLICY_THERMAL"}
"""Policies whose time the driver adds up, by the word for them."""
MHZ = 1_000_000
MILLI = 1e-3
NS = 1e-9


class Sight(NamedTuple):
    """How a GPU fares at one moment; None is what it does not tell."""

    sm_clock_hz: int | None
    memory_clock_hz: int | None
    temperature_c: int | None
    power_w: float | None
    reasons: tuple[str, ...]
    """Why its clock is not higher, in words."""
    held_back_s: dict[str, float]
    """Seconds it has been held back so far, by cause; only ever grows."""
    processes: Mapping[int, int | None]
    """Bytes on the device by process id, of everybody who computes or draws there; None where they are not told."""


class Gpu:
    """One GPU.

    Args:
        handle: NVML's.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def look(self) -> Sight:
        """How it fares now."""
        import pynvml

        handle = self._handle
        clock = _asked(lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))
        memory = _asked(lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))
        reasons = _asked(lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        held_back: dict[str, float] = {}
        for word, policy in VIOLATIONS.items():
            spent = _asked(partial(pynvml.nvmlDeviceGetViolationStatus, handle, getattr(pynvml, policy)))
            if spent is not None:
                held_back[word] = spent.violationTime * NS
        return Sight(
            sm_clock_hz=None if clock is None else clock * MHZ,
            memory_clock_hz=None if memory is None else memory * MHZ,
            temperature_c=self.temperature(),
            power_w=self.power_w(),
            reasons=words(reasons or 0),
            held_back_s=held_back,
            processes=self.processes(),
        )

    def processes(self) -> dict[int, int | None]:
        """Bytes on the device by process id; None where the driver does not tell them."""
        import pynvml

        found: dict[int, int | None] = {}
        for ask in (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in _asked(partial(ask, self._handle)) or ():
                told = (each for each in (found.get(process.pid), process.usedGpuMemory) if each is not None)
                found[process.pid] = max(told, default=None)
        return found

    def used_bytes(self) -> int | None:
        """Bytes taken on the whole device, by whomever."""
        import pynvml

        taken = _asked(lambda: pynvml.nvmlDeviceGetMemoryInfo(self._handle))
        return None if taken is None else int(taken.used)

    def busy(self) -> float | None:
        """Share of the last moments (up to a second) in which a kernel ran."""
        import pynvml

        rates = _asked(lambda: pynvml.nvmlDeviceGetUtilizationRates(self._handle))
        return None if rates is None else rates.gpu / 100

    def joules(self) -> float | None:
        """Energy since the driver was loaded; None where there is no counter (before Volta, or a slice of a GPU)."""
        import pynvml

        spent = _asked(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        return None if spent is None else spent * MILLI

    def power_w(self) -> float | None:
        """Power now; from Ampere on the driver's average of the last second."""
        import pynvml

        power = _asked(lambda: pynvml.nvmlDeviceGetPowerUsage(self._handle))
        return None if power is None else power * MILLI

    def temperature(self) -> int | None:
        """Degrees Celsius of the die."""
        import pynvml

        degrees: int | None = _asked(lambda: pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU))
        return degrees

    def fields(self) -> dict[str, JsonValue]:
        """What it is and how it is set; None is what this GPU or driver does not tell."""
        import pynvml

        handle = self._handle
        asked: dict[str, Callable[[], JsonValue]] = {
            "gpu.driver": lambda: _text(pynvml.nvmlSystemGetDriverVersion()),
            "gpu.driver_cuda": lambda: pynvml.nvmlSystemGetCudaDriverVersion_v2(),
            "gpu.vbios": lambda: _text(pynvml.nvmlDeviceGetVbiosVersion(handle)),
            "gpu.firmware": lambda: _text(pynvml.nvmlDeviceGetGspFirmwareVersion(handle)),
            "gpu.uuid": lambda: _text(pynvml.nvmlDeviceGetUUID(handle)),
            "gpu.sm_clock_max_hz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM) * MHZ,
            "gpu.memory_clock_max_hz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_MEM) * MHZ,
            "gpu.sm_clock_set_hz": lambda: pynvml.nvmlDeviceGetApplicationsClock(handle, pynvml.NVML_CLOCK_SM) * MHZ,
            "gpu.power_cap_w": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) * MILLI,
            "gpu.power_cap_default_w": lambda: pynvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) * MILLI,
            "gpu.persistence": lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(handle)),
            "gpu.ecc": lambda: bool(pynvml.nvmlDeviceGetEccMode(handle)[0]),
            "gpu.mig": lambda: bool(pynvml.nvmlDeviceGetMigMode(handle)[0]),
            "gpu.compute_mode": lambda: pynvml.nvmlDeviceGetComputeMode(handle),
            "gpu.pcie_generation": lambda: pynvml.nvmlDeviceGetMaxPcieLinkGeneration(handle),
            "gpu.pcie_width": lambda: pynvml.nvmlDeviceGetMaxPcieLinkWidth(handle),
            "state.gpu.pcie_generation": lambda: pynvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
            "state.gpu.pcie_width": lambda: pynvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
        }
        return {name: _asked(ask) for name, ask in asked.items()}


def by_uuid(uuid: str) -> Gpu | str:
    """The GPU with this id, or why it cannot be asked."""
    return _opened(lambda pynvml: pynvml.nvmlDeviceGetHandleByUUID(uuid.encode()))


def visible(index: int) -> Gpu | str:
    """The GPU that CUDA calls ``index`` in this process, or why it cannot be told.

    CUDA numbers GPUs by speed unless CUDA_DEVICE_ORDER says otherwise, and NVML by bus: with several GPUs a bare number
    names the same one in both only under PCI_BUS_ID.
    """
    listed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    if listed and index >= len(listed):
        return f"CUDA_VISIBLE_DEVICES does not list a device {index}"
    name = listed[index] if listed else str(index)
    if not name.isdigit():
        return by_uuid(name)

    def numbered(pynvml: Any) -> Any:
        if os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and pynvml.nvmlDeviceGetCount() > 1:
            return "several GPUs are there, and which of them a number means is not known before CUDA has started"
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))

    return _opened(numbered)


def words(mask: int) -> tuple[str, ...]:
    """The reasons in a bit mask; bits this table does not know are said in hexadecimal."""
    known = [word for bit, word in REASONS if mask & bit]
    rest = mask & ~sum(bit for bit, _ in REASONS)
    return (*known, f"0x{rest:x}") if rest else tuple(known)


def _opened(find: Callable[[Any], Any]) -> Gpu | str:
    try:
        import pynvml
    except ImportError:
        return "the package nvidia-ml-py is missing"
    try:
        pynvml.nvmlInit()
        found = find(pynvml)
    except pynvml.NVMLError as error:
        return f"the NVIDIA driver's library answers: {error}"
    return found if isinstance(found, str) else Gpu(found)


def _asked(ask: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU or driver does not tell."""
    import pynvml

    try:
        return ask()
    except pynvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
