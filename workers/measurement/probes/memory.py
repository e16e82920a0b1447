"""Reads memory in use: the kernel's high-water mark, the CUDA allocator, NVML, and the storages of tensors."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from workers.catalog.metrics import (
    MEMORY_ACTIVATIONS,
    MEMORY_DEVICE,
    MEMORY_FRAGMENTATION,
    MEMORY_HOST,
    MEMORY_OUTSIDE_TORCH,
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_RESERVED,
    MEMORY_PROCESS,
    MODEL_SIZE,
)
from workers.measurement import device
from workers.measurement.messages import Reading

RESET_PEAK = "5"
"""Written to clear_refs, it sets the high-water mark back to what is resident now (man 5 proc)."""
OWN_LIBRARIES = frozenset({"torch", "transformers", "workers"})
"""Layers from here register every tensor they own as a parameter or a buffer."""


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
def phase(name: str, on: torch.device, readings: list[Reading], tensors: bool = True) -> Iterator[None]:
    """Append what the phase took: the host's peak and, on a GPU, the allocator's and NVML's figures.

    Args:
        name: What the phase is called.
        on: The device.
        readings: Where the figures go.
        tensors: Whether the peak of what tensors took belongs to them, or is read by another instrument.
    """
    reset_host_peak()
    before = 0
    if on.type == "cuda":
        torch.cuda.synchronize(on)
        torch.cuda.reset_peak_memory_stats(on)
        before = torch.cuda.memory_allocated(on)
    yield
    if on.type == "cuda":
        torch.cuda.synchronize(on)
        allocated = torch.cuda.max_memory_allocated(on)
        reserved = torch.cuda.max_memory_reserved(on)
        if tensors:
            readings.append(Reading.of(MEMORY_PEAK_ALLOCATED, name, allocated))
            readings.append(Reading.of(MEMORY_ACTIVATIONS, name, allocated - before))
        readings.append(Reading.of(MEMORY_PEAK_RESERVED, name, reserved))
        readings.append(Reading.of(MEMORY_FRAGMENTATION, name, reserved - allocated))
        readings += _driver(on, name)
    readings.append(Reading.of(MEMORY_HOST, name, host_peak()))


def outside(name: str, host: int, allocated: int) -> Reading | str:
    """What a process on a CPU takes besides its tensors, or why that cannot be said.

    Args:
        name: The phase.
        host: Bytes of its peak resident set.
        allocated: Bytes of its allocated peak.
    """
    if host < allocated:
        return (
            f"Tensors took {allocated:,} bytes at the peak and only {host:,} were resident: the rest was never written, or "
            "swapped out. What lies outside of torch cannot be told from that."
        )
    return Reading.of(MEMORY_OUTSIDE_TORCH, name, host - allocated)


def held(on: torch.device) -> dict[int, int]:
    """Bytes by address of all tensors alive in this process on the device, each storage once."""
    gc.collect()
    return storages([each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)], on.type)


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


def weights(model: nn.Module) -> Iterator[torch.Tensor]:
    """All parameters and buffers, and what quantisation keeps beside them."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        yield from _beside(module)


def weights_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers, with the scales of quantised ones; shared ones once."""
    return sum(storages(weights(model)).values())


def size(model: nn.Module) -> Reading:
    """Bytes of the state dict as it would be saved, shared tensors once."""
    return Reading.of(MODEL_SIZE, "load", sum(storages(_saved(model)).values()))


def _saved(model: nn.Module) -> Iterator[torch.Tensor]:
    """What the state dict holds, module by module, without changing the model.

    bitsandbytes brings 4-bit weights that its CPU kernel has repacked back into their first order when they are saved, and
    leaves them so: the model would run another kernel afterwards. Those are taken as they lie.
    """
    for module in model.modules():
        if any(_repacked(weight) for weight in module.parameters(recurse=False)):
            yield from module.parameters(recurse=False)
            yield from _beside(module)
        else:
            saved: dict[str, Any] = {}
            module._save_to_state_dict(saved, "", True)
            yield from (value for value in saved.values() if isinstance(value, torch.Tensor))


def _repacked(weight: nn.Parameter) -> bool:
    return bool(getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False))


def _beside(module: nn.Module) -> Iterator[torch.Tensor]:
    """Tensors that a layer of a quantisation library holds as plain attributes of itself or of its weights.

    bitsandbytes keeps scales and code tables so: ``weight.quant_state``, ``weight.SCB``, ``state.SCB``.
    """
    holders = [module, *module.parameters(recurse=False)]
    for holder in holders:
        library = _library(holder)
        if library not in OWN_LIBRARIES:
            yield from _attributes(vars(holder).values(), library, set())


def _attributes(values: Iterable[Any], library: str, known: set[int]) -> Iterator[torch.Tensor]:
    """Tensors among the values and in objects of the same library that they hold; not those of other modules."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif (
            id(value) not in known
            and not isinstance(value, (nn.Module, type))
            and _library(value) == library
            and hasattr(value, "__dict__")
        ):
            known.add(id(value))
            yield from _attributes(vars(value).values(), library, known)


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _driver(on: torch.device, name: str) -> list[Reading]:
    """What NVML says about this process and the whole device; nothing where it says nothing."""
    gpu = device.gpu(on)
    if isinstance(gpu, str):
        return []
    readings: list[Reading] = []
    if (used := gpu.used_bytes()) is not None:
        readings.append(Reading.of(MEMORY_DEVICE, name, used))
    reserved = torch.cuda.memory_reserved(on)
    if (mine := gpu.processes().get(os.getpid())) is not None:
        readings.append(Reading.of(MEMORY_PROCESS, name, mine))
        # Both at this moment: NVML has no peak.
        if mine >= reserved:
            readings.append(Reading.of(MEMORY_OUTSIDE_TORCH, name, mine - reserved))
    return readings
