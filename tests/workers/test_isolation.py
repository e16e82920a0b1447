"""Each misbehaving program ends as its outcome, leaves nothing alive, and does not hurt the next one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers import processes
from workers.catalog.lease import Limits, Progress
from workers.catalog.report import Report
from workers.catalog.spec import RunSpec
from workers.isolation import Confinement, Listener, Stop, measure
from workers.transcript import Transcript, clean

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"
PROGRAM = (sys.executable, "-I", str(DOUBLE))
SPEC = {
    "model": {"name": "llama", "preset": "tiny"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "baseline": {"name": "fp32", "stack": []},
}


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.pid = 0
        self.said: list[Progress] = []
        self.lines: list[str] = []
        self.measuring = threading.Event()

    def started(self, pid: int) -> None:
        self.pid = pid

    def progress(self, progress: Progress) -> None:
        self.said.append(progress)
        self.measuring.set()

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def stop() -> Iterator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def run(
    behaviour: str,
    heard: Heard,
    stop: Stop,
    *,
    memory_bytes: int = 10**9,
    kept_open: tuple[int, ...] = (),
    limits: Limits | None = None,
) -> Report | None:
    """Measure with the double, and check that nothing of it is left."""
    spec = RunSpec.model_validate({**SPEC, "variant": {"name": behaviour, "stack": []}})
    within = Confinement(PROGRAM, limits or Limits(), memory_bytes, {"TRADESPACE_MODELS": "/m"}, kept_open)
    before = set(processes.children(os.getpid()))
    files = len(os.listdir("/proc/self/fd"))
    report = measure(spec, "run-1", within, heard, stop)
    assert set(processes.children(os.getpid())) <= before
    assert processes.session(heard.pid) == []
    assert len(os.listdir("/proc/self/fd")) == files
    assert list(Path(tempfile.gettempdir()).glob(f"tradespace-run-*/{heard.pid}")) == []
    return report


@pytest.mark.parametrize(
    ("behaviour", "outcome", "number", "says"),
    [
        ("device_oom", "oom_device", None, "CUDA out of memory"),
        ("unsupported", "unsupported", None, "bitsandbytes"),
        ("segfault", "crashed", signal.SIGSEGV, "SIGSEGV"),
        ("abort", "crashed", signal.SIGABRT, "SIGABRT"),
        ("exit_3", "error", None, "exit code 3"),
        ("daemon", "ok", None, ""),
        ("flood", "error", None, "more than 8,000,000 bytes"),
        ("killed", "killed_unknown", signal.SIGKILL, "no sign that memory had run out"),
    ],
)
def test_every_end_has_its_outcome(
    behaviour: str, outcome: str, number: int | None, says: str, heard: Heard, stop: Stop
) -> None:
    report = run(behaviour, heard, stop)
    assert report is not None
    assert (report.outcome, report.signal) == (outcome, number)
    assert says in (report.message or "")
    assert report.seconds > 0


def test_too_much_host_memory_is_oom_host(heard: Heard, stop: Stop) -> None:
    report = run("host_oom", heard, stop, memory_bytes=150_000_000)
    assert report is not None
    assert report.outcome == "oom_host"
    assert report.phase == "load"
    assert "150,000,000 is its limit" in (report.message or "")


@pytest.mark.parametrize(
    ("behaviour", "limits", "outcome"),
    [
        ("slow_start", Limits(start_s=0.5), "timeout_start"),
        ("deaf_loop", Limits(run_s=0.5), "timeout_run"),
        ("silent", Limits(silence_s=0.5), "timeout_no_progress"),
    ],
)
def test_limits_hold(
    behaviour: str, limits: Limits, outcome: str, heard: Heard, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.isolation.TERM_S", 1.0)
    report = run(behaviour, heard, stop, limits=limits)
    assert report is not None
    assert report.outcome == outcome


def test_many_small_files_are_too_much_together(heard: Heard, stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.isolation.WATCH_SCRATCH_S", 0.2)
    report = run("hoarder", heard, stop, limits=Limits(scratch_bytes=10_000_000))
    assert report is not None
    assert report.outcome == "error"
    assert "10,000,000 is its limit" in (report.message or "")


def test_a_silent_program_leaves_its_stacks(heard: Heard, stop: Stop) -> None:
    report = run("silent", heard, stop, limits=Limits(silence_s=2.0))
    assert report is not None
    assert "in silent" in (report.tail or "")


def test_a_daemon_that_hides_is_found(heard: Heard, stop: Stop) -> None:
    run("daemon", heard, stop)
    (said,) = [line for line in heard.lines if line.startswith("left ")]
    assert not processes.alive(int(said.removeprefix("left ")))


def test_a_run_after_a_bad_one_goes_well(heard: Heard, stop: Stop) -> None:
    run("segfault", heard, stop)
    report = run("well", heard, stop)
    assert report is not None
    assert report.outcome == "ok"
    assert report.effects[0].verdict == "faster"
    assert [said.phase for said in heard.said[-2:]] == ["measure", "measure"]


@pytest.mark.parametrize("behaviour", ["silent", "slow_start"])
def test_a_request_to_stop_brings_no_report(behaviour: str, heard: Heard, stop: Stop) -> None:
    def ask() -> None:
        heard.measuring.wait(60)
        stop.ask("cancelled")

    asker = threading.Thread(target=ask)
    asker.start()
    assert run(behaviour, heard, stop) is None
    asker.join()
    assert stop.reason == "cancelled"


def test_stop_asked_before_the_start(heard: Heard, stop: Stop) -> None:
    stop.ask("released")
    stop.ask("stale")
    assert run("silent", heard, stop) is None
    assert stop.reason == "released"


def test_the_program_sees_no_secrets_and_keeps_the_lock(
    heard: Heard, stop: Stop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TRADESPACE_WORKER_TOKEN", "TRADESPACE_BROKER_URL", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    with (tmp_path / "lock").open("w") as lock:
        run("leaky", heard, stop, kept_open=(lock.fileno(),))
        seen = json.loads(heard.lines[0])
        assert str(lock.fileno()) in seen["files"]
    assert "secret" not in seen["environment"].values()
    assert seen["environment"]["TRADESPACE_MODELS"] == "/m"
    assert seen["environment"][processes.RUN] == "run-1"
    assert not Path(seen["environment"]["TMPDIR"]).exists()


def test_a_missing_program_is_no_report(heard: Heard, stop: Stop) -> None:
    spec = RunSpec.model_validate({**SPEC, "variant": {"name": "v", "stack": []}})
    with pytest.raises(FileNotFoundError, match="not there"):
        measure(spec, "run-1", Confinement(("/no/such/program",), Limits(), 10**9, {}), heard, stop)


def test_lines_are_safe_and_capped() -> None:
    assert clean("\x1b[31mred\x1b[0m\x07 \u202eabc\x9b") == "red abc"
    assert len(clean("x" * 10_000)) == 4_000
    transcript = Transcript(100)
    said = list(transcript.feed(b'{"phase": "load"}\nfirst\rsecond\nthi'))
    assert [s if isinstance(s, str) else s.phase for s in said] == ["load", "first", "second"]
    list(transcript.feed(b"rd " + b"y" * 200_000 + b"\n"))
    assert transcript.phase == "load"
    assert transcript.tail is None or len(transcript.tail) <= 100


def test_sweep_kills_only_programs_whose_supervisor_is_gone() -> None:
    code = "import time; time.sleep(600)"
    started = [
        subprocess.Popen([sys.executable, "-c", code], env={processes.RUN: "r", processes.SUPERVISOR: supervisor})
        for supervisor in (str(processes.identity(os.getpid())), f"{os.getpid()}:1")
    ]
    try:
        deadline = time.monotonic() + 30
        while started[1].poll() is None and time.monotonic() < deadline:
            processes.sweep()
            time.sleep(0.01)
        assert started[1].returncode == -signal.SIGKILL
        assert started[0].poll() is None
    finally:
        for each in started:
            each.kill()
            each.wait()
