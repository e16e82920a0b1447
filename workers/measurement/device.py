"""The device of a measuring process: what it is, how to wait for it, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import JsonValue

from workers.catalog.model import Unsupported
from workers.catalog.spec import RunSpec
from workers.catalog.technique import DeviceFacts
from workers.measurement import environment, nvml
from workers.measurement.nvml import Gpu


def choose(spec: RunSpec) -> torch.device:
    """The torch device the spec asks for, made current.

    Raises:
        Unsupported: it is not there.
    """
    if spec.device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise Unsupported(f"torch {torch.__version__} sees no CUDA device here.")
    if spec.device_index >= torch.cuda.device_count():
        raise Unsupported(f"There is no CUDA device {spec.device_index}; there are {torch.cuda.device_count()}.")
    torch.cuda.set_device(spec.device_index)
    return torch.device("cuda", spec.device_index)


def facts(device: torch.device) -> DeviceFacts:
    """What techniques ask about the device."""
    if device.type == "cuda":
        return DeviceFacts("cuda", torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device))
    return DeviceFacts("cpu", environment.cpu_name(), cpu_flags=environment.cpu_flags())


def wait(device: torch.device) -> Callable[[], None]:
    """A function that returns once the device has done everything it was told."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


def gpu_fields(device: torch.device) -> dict[str, JsonValue]:
    """What the GPU is and how it is set, as torch and NVML tell it; why NVML cannot be asked where it cannot."""
    if device.type != "cuda":
        return {}
    properties = torch.cuda.get_device_properties(device)
    fields: dict[str, JsonValue] = {
        "gpu.name": properties.name,
        "gpu.memory_bytes": properties.total_memory,
        "gpu.capability": f"{properties.major}.{properties.minor}",
        "gpu.multiprocessors": properties.multi_processor_count,
        "gpu.count": torch.cuda.device_count(),
    }
    told = gpu(device)
    return fields | ({"gpu.nvml": told} if isinstance(told, str) else told.fields())


def gpu(device: torch.device) -> Gpu | str:
    """The driver's view of a CUDA device, or why it cannot be asked; by its UUID, because CUDA and NVML number differently."""
    return nvml.by_uuid(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
