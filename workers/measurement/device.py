"""The device of a measuring process: what it is, how to wait for it, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import JsonValue

from workers.catalog.model import Unsupported
from workers.catalog.spec import RunSpec
from workers.catalog.technique import DeviceFacts
from workers.measurement import environment


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
    """Name, driver, clocks, power and temperature of the GPU, as far as NVML tells them."""
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
    return fields | _nvml_fields(device)


def nvml_handle(device: torch.device):  # type: ignore[no-untyped-def]  # pynvml has no types
    """NVML's handle of the same GPU, found by its UUID because indices differ under CUDA_VISIBLE_DEVICES."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode())


def _nvml_fields(device: torch.device) -> dict[str, JsonValue]:
    try:
        import pynvml

        handle = nvml_handle(device)
    except ImportError:
        return {"gpu.nvml": "package nvidia-ml-py is missing"}
    except pynvml.NVMLError as error:
        return {"gpu.nvml": str(error)}
    asked: dict[str, Callable[[], JsonValue]] = {
        "gpu.driver": lambda: _text(pynvml.nvmlSystemGetDriverVersion()),
        "gpu.uuid": lambda: _text(pynvml.nvmlDeviceGetUUID(handle)),
        "state.gpu.sm_clock_hz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM) * 1_000_000,
        "gpu.sm_clock_max_hz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM) * 1_000_000,
        "state.gpu.memory_clock_hz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM) * 1_000_000,
        "gpu.power_cap_w": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
        "state.gpu.temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
        "state.gpu.throttle_reasons": lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
        "gpu.persistence": lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(handle)),
        "gpu.ecc": lambda: bool(pynvml.nvmlDeviceGetEccMode(handle)[0]),
        "state.gpu.processes": lambda: len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)),
    }
    fields: dict[str, JsonValue] = {}
    for name, ask in asked.items():
        try:
            fields[name] = ask()
        except pynvml.NVMLError:
            fields[name] = None  # This GPU or driver does not tell.
    return fields


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
