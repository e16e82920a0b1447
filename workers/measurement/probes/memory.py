"""Reads memory: the kernel's high-water mark, the CUDA allocator, NVML, and on a CPU torch's own allocation events."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile, record_function

from workers.catalog.metrics import (
    MEMORY_ACTIVATIONS,
    MEMORY_DEVICE,
    MEMORY_HOST,
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_RESERVED,
    MEMORY_PROCESS,
    MODEL_SIZE,
    Metric,
)
from workers.catalog.workload import Mark
from workers.measurement import device
from workers.measurement.messages import Reading

RESET_PEAK = "5"
"""Written to clear_refs, it sets the high-water mark back to what is resident now (man 5 proc)."""
MARKED = "tradespace.mark."
"""Opens the names of profiler ranges that stand where a step marked the end of a part."""
MEMORY_EVENT = "[memory]"


class Change(NamedTuple):
    """One allocation (positive) or release (negative) of a step, or the end of one of its parts."""

    at_ns: int
    bytes: int
    mark: str = ""


class Peak(NamedTuple):
    """Memory of one phase of a step."""

    phase: str
    above_step: int
    """Most bytes held above what was held when the step began."""
    above_phase: int
    """Most bytes held above what was held when the phase began."""


def reset_host_peak() -> None:
    """Let the kernel's high-water mark start again from what is resident now."""
    with suppress(OSError):  # Some containers forbid it; the mark then also covers what was before, never less.
        Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")


def host_peak() -> int:
    """Bytes of the largest resident set since the last reset."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("/proc/self/status has no VmHWM")


@contextmanager
def phase(name: str, on: torch.device, readings: list[Reading]) -> Iterator[None]:
    """Append what the phase took: the host's peak and, on a GPU, the allocator's and NVML's figures."""
    reset_host_peak()
    held = 0
    if on.type == "cuda":
        torch.cuda.synchronize(on)
        torch.cuda.reset_peak_memory_stats(on)
        held = torch.cuda.memory_allocated(on)
    yield
    if on.type == "cuda":
        torch.cuda.synchronize(on)
        allocated = torch.cuda.max_memory_allocated(on)
        readings.append(_reading(MEMORY_PEAK_ALLOCATED, name, allocated))
        readings.append(_reading(MEMORY_ACTIVATIONS, name, allocated - held))
        readings.append(_reading(MEMORY_PEAK_RESERVED, name, torch.cuda.max_memory_reserved(on)))
        readings += _driver(on, name)
    readings.append(_reading(MEMORY_HOST, name, host_peak()))


def profiled(on: torch.device, step: Callable[[Mark], None]) -> Any:
    """Run one step under torch's profiler with allocation events; parts are ranges named after ``MARKED``."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on.type == "cuda" else [])
    with profile(activities=activities, profile_memory=True) as recorded:
        step(_mark)
        device.wait(on)()
    return recorded


def step_readings(recorded: Any, whole: str, held: int) -> list[Reading]:
    """Allocated peak and activations of a profiled step on a CPU, and of each of its parts.

    Args:
        recorded: What ``profiled`` returned.
        whole: What the whole step is called.
        held: Bytes of tensors that were there before it.
    """
    readings: list[Reading] = []
    for peak in peaks(changes(recorded), whole):
        readings.append(_reading(MEMORY_PEAK_ALLOCATED, peak.phase, held + peak.above_step))
        readings.append(_reading(MEMORY_ACTIVATIONS, peak.phase, peak.above_phase))
    return readings


def parts_on_gpu(on: torch.device, step: Callable[[Mark], None], whole: str) -> list[Reading]:
    """Allocated peak and activations of each part of one step, by the allocator's counter reset at every mark."""
    readings: dict[tuple[str, str], Reading] = {}
    begin = 0

    def keep(metric: Metric, name: str, value: int) -> None:
        known = readings.get((metric.name, name))
        readings[metric.name, name] = _reading(metric, name, max(value, int(known.value) if known else 0))

    def mark(name: str) -> None:
        nonlocal begin
        peak = torch.cuda.max_memory_allocated(on)
        if name != whole:
            keep(MEMORY_PEAK_ALLOCATED, name, peak)
            keep(MEMORY_ACTIVATIONS, name, peak - begin)
        begin = torch.cuda.memory_allocated(on)
        torch.cuda.reset_peak_memory_stats(on)

    torch.cuda.synchronize(on)
    mark(whole)
    step(mark)
    return list(readings.values())


def changes(recorded: Any) -> list[Change]:
    """The allocation events and marks of a profiled step on the host, in time."""
    found: list[Change] = []
    for event in recorded.profiler.kineto_results.events():
        name = event.name()
        if name == MEMORY_EVENT and event.device_type() == DeviceType.CPU:
            found.append(Change(event.start_ns(), event.nbytes()))
        elif name.startswith(MARKED):
            found.append(Change(event.start_ns(), 0, name.removeprefix(MARKED)))
    return sorted(found, key=lambda change: change.at_ns)


def peaks(events: Iterable[Change], whole: str) -> list[Peak]:
    """The step's own peak, then that of each part; a part that comes several times counts with its highest.

    A release of something that was there before the step counts down from zero, as it should.
    """
    now = top = begin = part_top = 0
    parts: dict[str, tuple[int, int]] = {}
    for event in events:
        now += event.bytes
        top = max(top, now)
        part_top = max(part_top, now)
        if event.mark:
            above_step, above_phase = parts.get(event.mark, (0, 0))
            parts[event.mark] = (max(above_step, part_top), max(above_phase, part_top - begin))
            begin = part_top = now
    return [Peak(whole, top, top), *(Peak(name, *values) for name, values in parts.items() if name != whole)]


def held_bytes(on: torch.device) -> int:
    """Bytes of all tensors alive in this process on the device, each storage once."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return sum(storages(tensors, on.type).values())


def storages(tensors: Iterable[torch.Tensor], kind: str | None = None) -> dict[int, int]:
    """Bytes by address of each distinct storage under the tensors; those of a kind of device alone if one is given."""
    found: dict[int, int] = {}
    for tensor in tensors:
        for plain in flattened(tensor):
            # The compiler's stand-ins have a size and no memory.
            if isinstance(plain, FakeTensor) or plain.layout != torch.strided or plain.device.type == "meta":
                continue
            if kind in (None, plain.device.type):
                with suppress(RuntimeError, NotImplementedError):  # Raised by what else has no memory of its own.
                    storage = plain.untyped_storage()
                    found[storage.data_ptr()] = storage.nbytes()
    return found


def flattened(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The plain tensors inside a tensor; quantised ones wrap several."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor.detach() if isinstance(tensor, nn.Parameter) else tensor
        return
    names, _ = flatten()
    for name in names:
        yield from flattened(getattr(tensor, name))


def weights_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers, shared ones once."""
    return sum(storages([*model.parameters(), *model.buffers()]).values())


def size(model: nn.Module) -> Reading:
    """Bytes of the state dict as it would be saved, shared tensors once."""
    tensors = [value for value in model.state_dict().values() if isinstance(value, torch.Tensor)]
    return _reading(MODEL_SIZE, "load", sum(storages(tensors).values()))


def _mark(name: str) -> None:
    with record_function(MARKED + name):
        pass


def _driver(on: torch.device, name: str) -> list[Reading]:
    """What NVML says about this process and the whole device; nothing where it says nothing."""
    import os

    import pynvml

    try:
        handle = device.nvml_handle(on)
        readings = [_reading(MEMORY_DEVICE, name, pynvml.nvmlDeviceGetMemoryInfo(handle).used)]
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
            if process.pid == os.getpid() and process.usedGpuMemory is not None:
                readings.append(_reading(MEMORY_PROCESS, name, process.usedGpuMemory))
    except pynvml.NVMLError:
        return []
    return readings


def _reading(metric: Metric, name: str, value: int) -> Reading:
    return Reading(metric=metric.name, phase=name, value=float(value))
