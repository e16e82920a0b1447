"""Reads memory by phase: the kernel's high-water mark, torch's own accounting, NVML. What cannot be read is left out."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from workers.catalog.metrics import (
    MEMORY_ACTIVATIONS,
    MEMORY_DEVICE,
    MEMORY_HOST,
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_RESERVED,
    MEMORY_PROCESS,
)
from workers.catalog.workload import Session
from workers.measurement import device

Figures = dict[str, float]
"""Bytes by metric name."""

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to clear_refs it sets the high-water mark back to what is resident now (proc(5))."""


@contextmanager
def watched(on: str) -> Iterator[Figures]:
    """Peaks of the phase inside the block; the figures are there when it has ended."""
    figures: Figures = {}
    resettable = _reset_host_peak()
    if on != "cpu":
        torch.cuda.reset_peak_memory_stats(on)
    yield figures
    device.wait(on)
    if resettable:
        figures[MEMORY_HOST.name] = _status("VmHWM")
    if on != "cpu":
        figures[MEMORY_PEAK_ALLOCATED.name] = float(torch.cuda.max_memory_allocated(on))
        figures[MEMORY_PEAK_RESERVED.name] = float(torch.cuda.max_memory_reserved(on))
        figures.update(_nvml(on))


def of_step(session: Session, on: str) -> dict[str, Figures]:
    """One step under the instruments: figures of the whole step (key "") and of each part it marks.

    On a CPU the peak is that of torch's allocation events, on top of the tensors held before the step.
    """
    gc.collect()
    with watched(on) as whole:
        if on != "cpu":
            before = torch.cuda.memory_allocated(on)
            session.step(lambda _: None)
        else:
            held = held_bytes()
            peaks = _allocation_peaks(session)
    session.between()
    if on != "cpu":
        whole[MEMORY_ACTIVATIONS.name] = whole[MEMORY_PEAK_ALLOCATED.name] - before
        return {"": whole}
    found: dict[str, Figures] = {"": whole}
    for name, peak in peaks.items():
        found.setdefault(name, {}).update(
            {MEMORY_PEAK_ALLOCATED.name: float(held + peak), MEMORY_ACTIVATIONS.name: float(max(0, peak))}
        )
    return found


def held_bytes() -> int:
    """Bytes of all tensor storages that are alive on the CPU, each counted once."""
    storages: dict[int, int] = {}
    for found in gc.get_objects():
        if issubclass(type(found), torch.Tensor):
            for plain in plain_tensors(found):
                if plain.device.type == "cpu" and plain.layout is torch.strided:
                    storage = plain.untyped_storage()
                    storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def plain_tensors(tensor: Any) -> list[torch.Tensor]:
    """The ordinary tensors that a tensor, perhaps of a subclass that wraps others, is made of."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return [tensor]
    return [plain for name in flatten()[0] for plain in plain_tensors(getattr(tensor, name))]


def _allocation_peaks(session: Session) -> dict[str, int]:
    """Peak of the bytes allocated during one step above its start: of the step (key "") and until each part's end."""
    from torch.profiler import ProfilerActivity, profile, record_function

    def mark(name: str) -> None:
        with record_function(f"tradespace.{name}"):
            return

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        session.step(mark)
    timeline: list[tuple[int, str, int]] = []
    for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
        title = event.name()
        if title == "[memory]":
            timeline.append((event.start_ns(), "", event.nbytes()))
        elif title.startswith("tradespace."):
            timeline.append((event.start_ns(), title.removeprefix("tradespace."), 0))
    held = peak = since = 0
    peaks: dict[str, int] = {}
    for _, name, change in sorted(timeline, key=lambda entry: entry[0]):
        if name:
            peaks[name] = max(peaks.get(name, 0), since)
            since = held
        held += change
        peak, since = max(peak, held), max(since, held)
    return {"": peak} | peaks


def _reset_host_peak() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _status(field: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return float(line.split()[1]) * 1024
    raise LookupError(f"{STATUS} has no {field}")


def _nvml(on: str) -> Figures:
    """What the driver says is in use, by this process and by everybody."""
    try:
        import pynvml
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(on).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        figures = {MEMORY_DEVICE.name: float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)}
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
            if process.pid == os.getpid() and process.usedGpuMemory is not None:
                figures[MEMORY_PROCESS.name] = float(process.usedGpuMemory)
    except pynvml.NVMLError:
        return {}
    return figures
