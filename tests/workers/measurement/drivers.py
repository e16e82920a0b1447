"""A stand-in for nvidia-ml-py's module ``pynvml``: one GPU whose answers a test sets. Nothing of it is measured."""

from types import SimpleNamespace
from typing import Any

HANDLE = object()


class NVMLError(Exception):
    """What the real module raises when a GPU or driver does not tell."""


class Driver:
    """The functions of ``pynvml`` that the product calls, over one GPU.

    ``answers`` overrides what a function returns by its name; an NVMLError among them is raised, a callable called.
    """

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2
    NVML_TEMPERATURE_GPU = 0
    NVML_PERF_POLICY_POWER = 0
    NVML_PERF_POLICY_THERMAL = 1

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByUUID": HANDLE,
            "nvmlDeviceGetHandleByIndex": HANDLE,
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlSystemGetDriverVersion": b"570.86.15",
            "nvmlDeviceGetClockInfo": lambda handle, clock: {1: 1980, 2: 2619}[clock],
            "nvmlDeviceGetMaxClockInfo": lambda handle, clock: {1: 1980, 2: 2619}[clock],
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetViolationStatus": SimpleNamespace(violationTime=0),
            "nvmlDeviceGetTemperature": 41,
            "nvmlDeviceGetPowerUsage": 300_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": 5_000,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=3 * 2**30),
            "nvmlDeviceGetComputeRunningProcesses": [],
            "nvmlDeviceGetGraphicsRunningProcesses": [],
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=0),
        } | answers

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            answer = self.answers.get(name, NVMLError("Not Supported"))
            if isinstance(answer, NVMLError):
                raise answer
            return answer(*arguments) if callable(answer) else answer

        return call


def process(pid: int, used: int | None) -> SimpleNamespace:
    """One entry of the driver's list of processes."""
    return SimpleNamespace(pid=pid, usedGpuMemory=used)
