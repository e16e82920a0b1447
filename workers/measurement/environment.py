"""The environment of a run: what machine, what software, what state. Fields under ``state`` may differ from run to run."""

import os
import platform
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from workers.catalog.spec import RunSpec

PACKAGES = ("torch", "transformers", "torchao", "bitsandbytes", "accelerate", "safetensors", "numpy", "triton")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "fma", "asimd", "bf16", "sve")  # fmt: skip
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_PROC_BIND", "KMP_AFFINITY", "CUDA_VISIBLE_DEVICES", "PYTORCH_ALLOC_CONF", "NVIDIA_TF32_OVERRIDE")  # fmt: skip


def of_machine() -> dict[str, Any]:
    """What the coordinator can tell without torch."""
    uname = platform.uname()
    fields: dict[str, Any] = {
        "host.name": socket.gethostname(),
        "host.machine": uname.machine,
        "host.virtual": _virtual(),
        "os.system": uname.system,
        "os.release": uname.release,
        "os.name": _os_name(),
        "os.clock_source": _line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "os.transparent_huge_pages": _line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "os.aslr": _line("/proc/sys/kernel/randomize_va_space"),
        "cpu.logical": os.cpu_count(),
        "cpu.usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cpu.governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cpu.max_khz": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"),
        "cpu.boost": _line("/sys/devices/system/cpu/cpufreq/boost"),
        "cpu.smt": _line("/sys/devices/system/cpu/smt/active"),
        "cpu.quota": _line("/sys/fs/cgroup/cpu.max"),
        "memory.total_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "memory.limit": _line("/sys/fs/cgroup/memory.max"),
        "memory.swap_total": _meminfo("SwapTotal"),
        "python.version": platform.python_version(),
        "python.implementation": platform.python_implementation(),
        "python.executable_bits": sys.maxsize.bit_length() + 1,
        "libc": " ".join(platform.libc_ver()),
        "tradespace.version": metadata.version("tradespace"),
    }
    fields |= {f"package.{name}": _version(name) for name in PACKAGES}
    fields |= {f"variable.{name}": os.environ.get(name) for name in VARIABLES}
    return fields


def of_process(spec: RunSpec) -> dict[str, Any]:
    """What an arm can tell: the device, and how torch is built and set."""
    import torch

    from workers.measurement import device

    model, flags = device.processor()
    fields: dict[str, Any] = {
        "cpu.model": model,
        "cpu.flags": " ".join(flag for flag in FLAGS if flag in flags),
        "torch.capability": torch.backends.cpu.get_cpu_capability(),
        "torch.threads": torch.get_num_threads(),
        "torch.interop_threads": torch.get_num_interop_threads(),
        "torch.git": torch.version.git_version,
        "torch.cuda": torch.version.cuda,
        "torch.mkldnn": torch.backends.mkldnn.is_available(),
        "torch.mkl": torch.backends.mkl.is_available(),
        "torch.openmp": torch.backends.openmp.is_available(),
        "torch.deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch.fp32_precision": torch.backends.fp32_precision,
    }
    if spec.device == "cuda":
        fields |= _gpu(spec.device_index)
    return fields


def state(when: str) -> dict[str, Any]:
    """What changes while a machine runs, at the start or end of a sitting."""
    return {
        f"state.{when}.load": round(os.getloadavg()[0], 2),
        f"state.{when}.memory_available": _meminfo("MemAvailable"),
        f"state.{when}.cpu_khz": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
        f"state.{when}.cpu_pressure": _line("/proc/pressure/cpu"),
    }


def _gpu(index: int) -> dict[str, Any]:
    import torch

    properties = torch.cuda.get_device_properties(index)
    fields: dict[str, Any] = {
        "gpu.name": properties.name,
        "gpu.capability": f"{properties.major}.{properties.minor}",
        "gpu.memory_bytes": properties.total_memory,
        "gpu.multiprocessors": properties.multi_processor_count,
        "gpu.cudnn": torch.backends.cudnn.version(),
    }
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        reads = {
            "gpu.driver": pynvml.nvmlSystemGetDriverVersion,
            "gpu.power_limit_w": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
            "gpu.sm_max_mhz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM),
            "gpu.persistence": lambda: pynvml.nvmlDeviceGetPersistenceMode(handle),
            "gpu.ecc": lambda: pynvml.nvmlDeviceGetEccMode(handle)[0],
            "state.gpu.temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            "state.gpu.sm_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
        }
    except (ImportError, pynvml.NVMLError):
        return fields
    for name, read in reads.items():
        try:
            fields[name] = read()
        except pynvml.NVMLError:
            fields[name] = None
    return fields


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()[:200]
    except (OSError, IndexError):
        return None


def _meminfo(field: str) -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def _os_name() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _virtual() -> str | None:
    return _line("/sys/class/dmi/id/product_name")
