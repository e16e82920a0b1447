"""The fingerprint of where a run was measured: machine, system, limits, load and packages. No torch here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from pydantic import JsonValue

PACKAGES = (
    "torch",
    "numpy",
    "transformers",
    "torchao",
    "bitsandbytes",
    "accelerate",
    "safetensors",
    "triton",
    "pydantic",
)
VARIABLES = (
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "GOMP_SPINCOUNT", "GOMP_CPU_AFFINITY", "KMP_BLOCKTIME",
    "KMP_AFFINITY", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX", "LD_PRELOAD", "CUDA_VISIBLE_DEVICES", "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF", "ONEDNN_MAX_CPU_ISA",
)  # fmt: skip
"""Variables that change how fast torch is."""
TELLING_FLAGS = frozenset(
    (
        "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16",
        "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "amx_fp16", "asimd", "asimddp", "asimdhp", "sve", "sve2",
        "bf16", "i8mm", "fphp",
    )
)  # fmt: skip
"""Instruction sets that decide which kernels run."""
CPU = Path("/sys/devices/system/cpu")


def host() -> dict[str, JsonValue]:
    """Everything about this machine and process tree that does not change during a run."""
    return {
        "host.name": platform.node(),
        "os.system": platform.system(),
        "os.release": _os_release(),
        "os.kernel": platform.release(),
        "os.clock_source": _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")) or None,
        "os.aslr": _read(Path("/proc/sys/kernel/randomize_va_space")) or None,
        "os.libc": " ".join(platform.libc_ver()).strip(),
        **_cpu(),
        **_memory(),
        **_limits(),
        "python.version": platform.python_version(),
        "python.build": " ".join(platform.python_build()),
        "python.isolated": bool(sys.flags.isolated),
        **{f"package.{name}": _version(name) for name in PACKAGES},
        **{f"variable.{name}": os.environ.get(name) for name in VARIABLES},
        "tradespace.version": _version("tradespace"),
        "tradespace.commit": _commit(),
    }


def state(when: str) -> dict[str, JsonValue]:
    """What changes while a machine runs; two environments may differ in these fields and still be the same."""
    return {
        f"state.{when}.load": round(load(), 2),
        f"state.{when}.memory_available_bytes": _meminfo("MemAvailable"),
        f"state.{when}.cpu_frequency_hz": int(_read(CPU / "cpu0" / "cpufreq" / "scaling_cur_freq") or 0) * 1000 or None,
        f"state.{when}.cpu_pressure": _read(Path("/proc/pressure/cpu")) or None,
    }


def cpu_info() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; empty where there is none."""
    entry = _read(Path("/proc/cpuinfo")).split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in entry.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_flags() -> frozenset[str]:
    """Instruction-set flags as the kernel lists them: the line is called "flags" on x86 and "Features" on Arm."""
    info = cpu_info()
    return frozenset((info.get("flags") or info.get("Features") or "").split())


def cpu_name() -> str:
    """The processor's name as the kernel states it."""
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def processor_seconds() -> float:
    """Time all processors together have been busy since the start (proc(5): user, nice, system, irq, softirq, steal)."""
    fields = _read(Path("/proc/stat")).split("\n", 1)[0].split()[1:]
    if len(fields) < 8:
        return 0.0
    ticks = sum(int(fields[place]) for place in (0, 1, 2, 5, 6, 7))
    return ticks / os.sysconf("SC_CLK_TCK")


def group_seconds(groups: Collection[int]) -> float:
    """Processor time that the processes of some process groups have used, those they have waited for included."""
    ticks = 0
    for entry in os.listdir("/proc"):
        fields = _read(Path("/proc") / entry / "stat").rpartition(")")[2].split() if entry.isdigit() else []
        if len(fields) > 14 and int(fields[2]) in groups:
            ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
    return ticks / os.sysconf("SC_CLK_TCK")


def load() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def affinity() -> int:
    """Logical processors this process may use."""
    return len(os.sched_getaffinity(0))


def physical_cores() -> int:
    """Physical cores among the logical processors this process may use; torch's own default number of threads."""
    cores = set()
    for logical in os.sched_getaffinity(0):
        topology = CPU / f"cpu{logical}" / "topology"
        cores.add((_read(topology / "physical_package_id"), _read(topology / "core_id") or str(logical)))
    return max(1, len(cores))


def oom_kills() -> int:
    """Processes the kernel has killed for want of memory, in this process's own group and above; cgroups v1 or v2."""
    total = 0
    for folder in _memory_groups():
        for name in ("memory.events", "memory.oom_control"):
            for line in _read(folder / name).splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    total += int(count)
    return total


def held(pid: int) -> int:
    """Bytes of anonymous memory a process has in RAM; 0 when it is gone."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def busy_seconds(pid: int) -> float:
    """Processor time a process has used; 0 when it is gone."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _cpu() -> dict[str, JsonValue]:
    info = cpu_info()
    flags = cpu_flags()
    frequency = CPU / "cpu0" / "cpufreq"
    return {
        "cpu.model": cpu_name(),
        "cpu.architecture": platform.machine(),
        "cpu.microcode": info.get("microcode"),
        "cpu.cache": info.get("cache size"),
        "cpu.flags": " ".join(sorted(flags & TELLING_FLAGS)),
        "cpu.virtual": "hypervisor" in flags,
        "cpu.logical": os.cpu_count(),
        "cpu.affinity": affinity(),
        "cpu.physical": physical_cores(),
        "cpu.governor": _read(frequency / "scaling_governor") or None,
        "cpu.frequency_max_hz": int(_read(frequency / "cpuinfo_max_freq") or 0) * 1000 or None,
        "cpu.boost": _read(CPU / "cpufreq" / "boost") or None,
        "cpu.smt": _read(CPU / "smt" / "control") or None,
        "cpu.mitigations": _read(CPU / "vulnerabilities" / "spectre_v2") or None,
    }


def _memory() -> dict[str, JsonValue]:
    return {
        "memory.total_bytes": _meminfo("MemTotal"),
        "memory.swap_bytes": _meminfo("SwapTotal"),
        "memory.huge_pages": _read(Path("/sys/kernel/mm/transparent_hugepage/enabled")) or None,
        "memory.overcommit": _read(Path("/proc/sys/vm/overcommit_memory")) or None,
    }


def _meminfo(field: str) -> int | None:
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def _limits() -> dict[str, JsonValue]:
    """What a container allows; None where there is no limit."""
    most: list[int] = []
    for folder in _memory_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            # cgroup v1 writes "no limit" as a number near 2^63.
            if text.isdigit() and int(text) < 1 << 60:
                most.append(int(text))
    quota = _read(Path("/sys/fs/cgroup/cpu.max")) or None
    return {"limit.memory_bytes": min(most, default=None), "limit.cpu": quota}


def _memory_groups() -> list[Path]:
    """Folders of the memory control groups this process is in, from its own upwards."""
    folders: list[Path] = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = Path("/sys/fs/cgroup") / controllers
        own = root / path.lstrip("/")
        folders += [each for each in (own, *own.parents) if each == root or root in each.parents]
    return folders


def _os_release() -> str | None:
    for line in _read(Path("/etc/os-release")).splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit this program was checked out at; None when it was installed otherwise."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str:
    """A kernel file's text; empty when it is not there or not for us."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
