"""The fingerprint of where a run was measured: machine, system, limits, load and packages. No torch here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable
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
    "PYTORCH_CUDA_ALLOC_CONF", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_MAX_CPU_ISA", "OMP_PLACES",
    "OMP_DYNAMIC", "OMP_SCHEDULE", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_DYNAMIC", "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR", "ATEN_CPU_CAPABILITY", "MALLOC_CONF", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "PYTHONHASHSEED",
    "PYTHONMALLOC", "CUDA_LAUNCH_BLOCKING", "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "PYTORCH_NO_CUDA_MEMORY_CACHING",
)  # fmt: skip
"""Variables that change how fast torch is."""
BOOT_OPTIONS = frozenset(
    (
        "isolcpus", "nohz", "nohz_full", "rcu_nocbs", "mitigations", "nosmt", "maxcpus", "nr_cpus", "idle", "preempt",
        "clocksource", "tsc", "transparent_hugepage", "hugepages", "hugepagesz", "default_hugepagesz", "numa_balancing",
        "intel_pstate", "amd_pstate", "intel_idle.max_cstate", "processor.max_cstate", "cpufreq.default_governor", "iommu",
        "cpuidle.off", "skew_tick", "audit", "selinux", "init_on_alloc", "init_on_free", "slab_nomerge",
    )
)  # fmt: skip
"""Options of the kernel's command line that change how fast programs run; the others are nobody's business."""
TELLING_FLAGS = frozenset(
    (
        "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16",
        "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "amx_fp16", "asimd", "asimddp", "asimdhp", "sve", "sve2",
        "bf16", "i8mm", "fphp",
    )
)  # fmt: skip
"""Instruction sets that decide which kernels run."""
CPU = Path("/sys/devices/system/cpu")
NODES = Path("/sys/devices/system/node")
THERMAL = Path("/sys/class/thermal")
PROC = Path("/proc")
ROOT = Path(__file__).resolve().parents[2]
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def host() -> dict[str, JsonValue]:
    """Everything about this machine and process tree that does not change during a run."""
    return {
        "host.name": platform.node(),
        "os.system": platform.system(),
        "os.release": _os_release(),
        "os.kernel": platform.release(),
        "os.clock_source": read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")) or None,
        "os.boot_options": " ".join(
            word for word in read(PROC / "cmdline").split() if word.split("=")[0] in BOOT_OPTIONS
        ),
        "host.vendor": read(Path("/sys/class/dmi/id/sys_vendor")) or None,
        "os.scheduler_autogroup": read(PROC / "sys/kernel/sched_autogroup_enabled") or None,
        "os.numa_balancing": read(PROC / "sys/kernel/numa_balancing") or None,
        "os.aslr": read(Path("/proc/sys/kernel/randomize_va_space")) or None,
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
        "tradespace.commit": commit(),
    }


def state(when: str) -> dict[str, JsonValue]:
    """What changes while a machine runs; two environments may differ in these fields and still be the same."""
    return {
        f"state.{when}.load": round(load(), 2),
        f"state.{when}.memory_available_bytes": _meminfo("MemAvailable"),
        f"state.{when}.cpu_frequency_hz": int(read(CPU / "cpu0" / "cpufreq" / "scaling_cur_freq") or 0) * 1000 or None,
        f"state.{when}.cpu_pressure": read(PROC / "pressure" / "cpu") or None,
        f"state.{when}.memory_pressure": read(PROC / "pressure" / "memory") or None,
        f"state.{when}.io_pressure": read(PROC / "pressure" / "io") or None,
        f"state.{when}.temperature_c": temperature(),
        f"state.{when}.uptime_s": float((read(PROC / "uptime") or "0").split()[0]),
    }


def cpu_info() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; empty where there is none."""
    entry = read(Path("/proc/cpuinfo")).split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in entry.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_flags() -> frozenset[str]:
    """Instruction-set flags as the kernel lists them: the line is called "flags" on x86 and "Features" on Arm."""
    info = cpu_info()
    return frozenset((info.get("flags") or info.get("Features") or "").split())


def cpu_name() -> str:
    """The processor's name as the kernel states it."""
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def processor_seconds(proc: Path = PROC) -> float:
    """Time the processors this process may use have been busy since the start, for whomever, other guests included."""
    # proc(5): user, nice, system, irq, softirq, steal; guests of our own are in user already.
    return sum(sum(ticks[place] for place in (0, 1, 2, 5, 6, 7)) for ticks in _ticks(proc)) / CLOCK_TICKS


def stolen_seconds(proc: Path = PROC) -> float:
    """Of that, what a hypervisor gave to other guests."""
    return sum(ticks[7] for ticks in _ticks(proc)) / CLOCK_TICKS


def stalled_seconds(proc: Path = PROC) -> float | None:
    """Time so far in which some process waited for a processor; None where the kernel does not account for pressure."""
    for line in read(proc / "pressure" / "cpu").splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) * 1e-6
    return None


def swapped_pages(proc: Path = PROC) -> int:
    """Pages that went to or came from swap since the start."""
    lines = (line.split() for line in read(proc / "vmstat").splitlines())
    return sum(int(count) for word, count in lines if word in ("pswpin", "pswpout"))


def group_seconds(groups: Collection[int], proc: Path = PROC) -> float:
    """Processor time that the processes of some process groups have used, those they have waited for included."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _processes(groups, proc)) / CLOCK_TICKS


def members(groups: Collection[int], proc: Path = PROC) -> frozenset[int]:
    """Ids of the processes in some process groups."""
    return frozenset(pid for pid, _ in _processes(groups, proc))


def _ticks(proc: Path) -> list[list[int]]:
    """Of each processor this process may use, what it spent its time on, in clock ticks."""
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    lines = (line.split() for line in read(proc / "stat").splitlines())
    return [list(map(int, fields[1:])) for fields in lines if fields and fields[0] in mine and len(fields) > 8]


def _processes(groups: Collection[int], proc: Path) -> list[tuple[int, list[str]]]:
    """Processes of some process groups, with the fields of their stat from the state on."""
    found = []
    for entry in os.listdir(proc) if groups else ():
        # The kernel is asked first: reading the files of every process costs a tenth of what the coordinator may take.
        if not entry.isdigit() or (proc == PROC and _group(int(entry)) not in groups):
            continue
        fields = read(proc / entry / "stat").rpartition(")")[2].split()
        if len(fields) > 14 and int(fields[2]) in groups:
            found.append((int(entry), fields))
    return found


def _group(pid: int) -> int | None:
    """The process group of a process; None when it is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


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
        cores.add((read(topology / "physical_package_id"), read(topology / "core_id") or str(logical)))
    return max(1, len(cores))


def held(pid: int) -> int:
    """Bytes of anonymous memory a process has in RAM; 0 when it is gone."""
    for line in read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def busy_seconds(pid: int) -> float:
    """Processor time a process has used; 0 when it is gone."""
    fields = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def temperature(thermal: Path = THERMAL) -> float | None:
    """Degrees Celsius of the hottest thermal zone of the processor."""
    zones = [zone for zone in thermal.glob("thermal_zone*") if read(zone / "type") in ("x86_pkg_temp", "cpu-thermal")]
    degrees = [int(text) for zone in zones if (text := read(zone / "temp")).lstrip("-").isdigit()]
    return max(degrees) / 1000 if degrees else None


def read(path: str | Path) -> str:
    """A kernel file's text; empty when it is not there or not for us."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


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
        "cpu.governor": read(frequency / "scaling_governor") or None,
        "cpu.frequency_max_hz": int(read(frequency / "cpuinfo_max_freq") or 0) * 1000 or None,
        "cpu.boost": read(CPU / "cpufreq" / "boost") or None,
        "cpu.smt": read(CPU / "smt" / "control") or None,
        "cpu.frequency_min_hz": int(read(frequency / "cpuinfo_min_freq") or 0) * 1000 or None,
        "cpu.frequency_cap_hz": int(read(frequency / "scaling_max_freq") or 0) * 1000 or None,
        "cpu.frequency_driver": read(frequency / "scaling_driver") or None,
        "cpu.energy_preference": read(frequency / "energy_performance_preference") or None,
        "cpu.turbo_off": read(CPU / "intel_pstate" / "no_turbo") or None,
        "cpu.idle_driver": read(CPU / "cpuidle" / "current_driver") or None,
        "cpu.isolated": read(CPU / "isolated") or None,
        "cpu.online": read(CPU / "online") or None,
        "cpu.allowed": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
        "cpu.numa_nodes": len(list(NODES.glob("node[0-9]*"))) or None,
        "cpu.sockets": len({read(each) for each in CPU.glob("cpu[0-9]*/topology/physical_package_id")}) or None,
        "cpu.mitigations": _mitigations(),
    }


def _memory() -> dict[str, JsonValue]:
    return {
        "memory.total_bytes": _meminfo("MemTotal"),
        "memory.swap_bytes": _meminfo("SwapTotal"),
        "memory.huge_pages": read(Path("/sys/kernel/mm/transparent_hugepage/enabled")) or None,
        "memory.huge_pages_defrag": read(Path("/sys/kernel/mm/transparent_hugepage/defrag")) or None,
        "memory.huge_pages_reserved": read(PROC / "sys/vm/nr_hugepages") or None,
        "memory.swappiness": read(PROC / "sys/vm/swappiness") or None,
        "memory.zone_reclaim": read(PROC / "sys/vm/zone_reclaim_mode") or None,
        "memory.same_page_merging": read(Path("/sys/kernel/mm/ksm/run")) or None,
        "memory.overcommit": read(Path("/proc/sys/vm/overcommit_memory")) or None,
    }


def _meminfo(field: str) -> int | None:
    for line in read(Path("/proc/meminfo")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def _limits() -> dict[str, JsonValue]:
    """What a container allows; None where there is no limit."""
    most: list[int] = []
    for folder in _memory_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = read(folder / name)
            # cgroup v1 writes "no limit" as a number near 2^63.
            if text.isdigit() and int(text) < 1 << 60:
                most.append(int(text))
    return {"limit.memory_bytes": min(most, default=None), "limit.cpu": cpu_quota(_groups("cpu"))}


def cpu_quota(folders: Iterable[Path]) -> float | None:
    """Processors' worth of time that control groups allow, the strictest of them; None where none limits it."""
    quotas = []
    for folder in folders:
        quota, _, period = read(folder / "cpu.max").partition(" ")
        quota, period = quota or read(folder / "cpu.cfs_quota_us"), period or read(folder / "cpu.cfs_period_us")
        # "max" in cgroup v2 and -1 in v1 say that there is no limit.
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _mitigations() -> str | None:
    """What the kernel does about each fault of the processor that it is not free of."""
    files = sorted((CPU / "vulnerabilities").glob("*"))
    said = {file.name: text for file in files if (text := read(file)) and text != "Not affected"}
    return "; ".join(f"{name}: {text}" for name, text in said.items()) or None


def _memory_groups() -> list[Path]:
    """Folders of the memory control groups this process is in, from its own upwards."""
    return _groups("memory")


def _groups(controller: str) -> list[Path]:
    """Folders of the control groups this process is in for one controller, from its own upwards; cgroups v1 or v2."""
    folders: list[Path] = []
    for line in read(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup") / controllers
        own = root / path.lstrip("/")
        folders += [each for each in (own, *own.parents) if each == root or root in each.parents]
    return folders


def _os_release() -> str | None:
    for line in read(Path("/etc/os-release")).splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return None


def _version(package: str) -> str | None:
    try:
        told = importlib.metadata.distribution(package).read_text("METADATA") or ""
    except importlib.metadata.PackageNotFoundError:
        return None
    # The line alone: reading a whole description as a mail takes 5 ms, which the coordinator should not take of a core.
    lines = (line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("Version:"))
    return next(lines, None) or importlib.metadata.version(package)


def commit(root: Path = ROOT) -> str | None:
    """The commit a folder is checked out at, with ``-dirty`` when its files are others; None where there is none."""
    if not (root / ".git").exists():
        return None
    # Without names of tags: those can move.
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
