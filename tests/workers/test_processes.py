"""What the kernel counts as killed for lack of memory: in this process's group, and only without one on the machine."""

from pathlib import Path

from workers import processes


def counted(root: Path, groups: str, path: str = "none", text: str = "") -> int:
    """The count on a machine whose kernel says this of its groups, and this in one of their files."""
    files = {root / "proc/self/cgroup": groups, root / "proc/vmstat": "pgfault 12\noom_kill 7\n", root / path: text}
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="ascii")
    return processes.oom_kills(root / "proc", root / "cgroup")


def test_the_own_group_counts_and_not_the_machine(tmp_path: Path) -> None:
    events = "low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\noom_group_kill 1\n"
    assert counted(tmp_path, "0::/box/worker\n", "cgroup/box/worker/memory.events", events) == 2
    assert counted(tmp_path, "0::/box/worker\n", "cgroup/box/worker/memory.events", "oom_kill 0\n") == 0


def test_a_group_of_the_old_kind_counts(tmp_path: Path) -> None:
    control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
    groups = "7:cpu,cpuacct:/x\n4:memory:/box\n0::/\n"
    assert counted(tmp_path, groups, "cgroup/memory/box/memory.oom_control", control) == 3


def test_without_a_group_that_counts_the_machine_does(tmp_path: Path) -> None:
    assert counted(tmp_path, "0::/\n") == 7


def test_this_machine_counts() -> None:
    assert processes.oom_kills() >= 0
