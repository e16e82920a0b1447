"""The fingerprint names what matters, and keeps what changes apart."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.catalog.environment import rule_of
from workers.measurement import environment


def test_the_fingerprint_is_the_same_a_moment_later() -> None:
    fields = environment.host()
    assert len(fields) >= 40
    assert fields == environment.host()
    assert not [name for name in fields if name.startswith("state.")]


def test_the_state_stands_apart() -> None:
    fields = environment.state("start")
    assert all(name.startswith("state.start.") for name in fields)


def test_cores_follow_the_affinity() -> None:
    assert 1 <= environment.physical_cores() <= environment.affinity() <= (os.cpu_count() or 1)


def test_variables_that_change_speed_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert environment.host()["variable.OMP_NUM_THREADS"] == "1"


def test_processor_time_of_a_process_group_is_part_of_the_machines() -> None:
    machine, group = environment.processor_seconds(), environment.group_seconds({os.getpgid(0)})
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        pass
    spent = environment.group_seconds({os.getpgid(0)}) - group
    assert spent >= 0.15
    assert environment.processor_seconds() - machine >= 0.15
    assert environment.group_seconds({2**22 + 1}) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_is_gone_holds_nothing() -> None:
    assert environment.held(os.getpid()) > 1_000_000
    assert environment.busy_seconds(os.getpid()) > 0
    assert environment.held(2**22 + 1) == 0
    assert environment.busy_seconds(2**22 + 1) == 0


def test_a_quota_is_in_processors_whichever_way_a_kernel_writes_it(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("inner", "middle", "outer", "old")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "cpu.max").write_text("max 100000\n")
    (folders[1] / "cpu.max").write_text("150000 100000\n")
    (folders[2] / "cpu.max").write_text("400000 100000\n")
    (folders[3] / "cpu.cfs_quota_us").write_text("-1\n")
    (folders[3] / "cpu.cfs_period_us").write_text("100000\n")
    assert environment.cpu_quota(folders) == 1.5
    assert environment.cpu_quota([folders[0], folders[3], tmp_path / "none"]) is None
    (folders[3] / "cpu.cfs_quota_us").write_text("50000\n")
    assert environment.cpu_quota(folders) == 0.5


def test_of_the_kernels_command_line_only_what_tells_about_speed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cmdline").write_text("root=UUID=5 isolcpus=1-3 quiet secret=1 mitigations=off\n")
    monkeypatch.setattr(environment, "PROC", tmp_path)
    assert environment.host()["os.boot_options"] == "isolcpus=1-3 mitigations=off"


def test_the_commit_of_changed_files_is_marked(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
        done = subprocess.run(["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert environment.commit(tmp_path) is None
    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    git("tag", "-a", "v1", "-m", "a name of it")
    head = git("rev-parse", "HEAD")
    assert environment.commit(tmp_path) == head
    (tmp_path / "file").write_text("two")
    assert environment.commit(tmp_path) == f"{head}-dirty"


def test_every_field_has_a_rule_for_when_it_differs() -> None:
    assert [name for name in environment.host() if not rule_of(name).field] == []
