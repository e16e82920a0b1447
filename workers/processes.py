"""What Linux knows about processes: who descends from whom, what they hold, and the end of those nobody waits for."""

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""
RUN = "TRADESPACE_RUN"
"""Environment variable that marks every process of a run: the run's id."""
SUPERVISOR = "TRADESPACE_SUPERVISOR"
"""Environment variable that says who watches over them: pid and start time."""
LEAVE = signal.Signals(signal.SIGRTMIN)
"""Tells the process that takes hints to give its run back; Celery uses the usual signals for itself."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends, so that none escapes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/<pid>/stat`` from the third on, which is the state; None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def alive(pid: int) -> bool:
    """Whether the process is there and not just waiting to be reaped."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def identity(pid: int) -> str | None:
    """Pid and start time: names one process for ever, while a pid alone is used again."""
    fields = _stat(pid)
    return f"{pid}:{fields[19]}" if fields else None


def children(pid: int) -> list[int]:
    """The processes whose parent is this one, zombies included."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text(encoding="ascii").split())
    return found


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for member in found:
        found += children(member)
    return found


def private_bytes(pid: int) -> int:
    """Memory that only this process holds: resident, less what is shared with others. Zero when it is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * PAGE_BYTES


def everybody() -> Iterator[int]:
    """All processes that can be seen from here."""
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def session(leader: int) -> list[int]:
    """The processes of the session that ``leader`` opened."""
    return [pid for pid in everybody() if (fields := _stat(pid)) and fields[3] == str(leader)]


def send(pids: list[int], what: signal.Signals) -> None:
    """Signal each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, what)


def gone(pids: list[int], within_s: float) -> bool:
    """Wait until processes have ended; False when one has not within the time."""
    deadline = time.monotonic() + within_s
    for pid in pids:
        try:
            over = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([over], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return False
        finally:
            os.close(over)
    return True


def end_all(leader: int, spared: set[int], within_s: float = 5.0) -> list[int]:
    """Kill what a program left behind: its session, and every new child of this process with its descendants.

    Args:
        leader: The program, which opened its own session and has been waited for.
        spared: Children that this process had before the program started.
        within_s: Seconds to wait for them to be gone.

    Returns:
        Processes that could not be killed; empty but for one stuck in the kernel.
    """
    deadline = time.monotonic() + within_s
    while True:
        adopted = [pid for pid in children(os.getpid()) if pid not in spared]
        left = {pid for pid in (*session(leader), *(p for child in adopted for p in tree(child))) if alive(pid)}
        send(sorted(left), signal.SIGKILL)
        for pid in adopted:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if not left or time.monotonic() > deadline:
            return sorted(left)
        time.sleep(0.01)


def _environment(pid: int) -> dict[str, str]:
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode("utf-8", "replace").split("\0"))
    return {name: value for name, _, value in pairs}


def sweep() -> list[int]:
    """Kill measuring processes whose supervisor is gone; returns them.

    Only processes of the same pid namespace are judged, because pids of another mean somebody else here.
    """
    here = os.readlink("/proc/self/ns/pid")
    orphans: list[int] = []
    for pid in everybody():
        marks = _environment(pid)
        supervisor = marks.get(SUPERVISOR, "")
        if RUN not in marks or not supervisor or not alive(pid):
            continue
        with suppress(OSError):
            number = supervisor.partition(":")[0]
            gone = not number.isdigit() or identity(int(number)) != supervisor or not alive(int(number))
            if gone and os.readlink(f"/proc/{pid}/ns/pid") == here:
                orphans.append(pid)
    send(orphans, signal.SIGKILL)
    return orphans


def oom_kills(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """How often the kernel has killed for lack of memory in this process's own control group, whoever ran out of it.

    Only where the group does not say so, the machine's count is taken, which cannot tell a stranger's end from ours.
    """
    counted: list[int] = []
    with suppress(OSError):
        for line in (proc / "self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                counted += _counter(cgroups / path.lstrip("/") / "memory.events")
            elif "memory" in kinds.split(","):
                counted += _counter(cgroups / "memory" / path.lstrip("/") / "memory.oom_control")
    return sum(counted or _counter(proc / "vmstat"))


def _counter(path: Path) -> list[int]:
    """The count of such kills in a kernel's file; empty where it has none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
