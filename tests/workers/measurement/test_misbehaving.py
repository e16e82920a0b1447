"""The real measuring program with a variant that misbehaves: what its arm does becomes the run's outcome."""

import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.measurement.program import SPEC
from workers import processes
from workers.catalog.lease import Limits
from workers.catalog.report import Report
from workers.catalog.spec import RunSpec
from workers.isolation import Confinement, Listener, Stop, measure

PROGRAM = (sys.executable, "-I", "-m", "tests.programs.spoiled")
MEMORY_LIMIT = 2_000_000_000
LONG = pytest.mark.soak


class Heard(Listener):
    """Keeps the program's pid and lines."""

    def __init__(self) -> None:
        self.pid = 0
        self.lines: list[str] = []

    def started(self, pid: int) -> None:
        self.pid = pid

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


def run(behaviour: str, heard: Heard, stop: Stop, **limits: Any) -> Report:
    """Measure, and check that nothing of it is left."""
    spec = RunSpec.model_validate(SPEC | {"evaluation": None, "variant": {"name": behaviour, "stack": []}})
    children = set(processes.children(os.getpid()))
    report = measure(spec, "run-1", Confinement(PROGRAM, Limits(**limits), MEMORY_LIMIT, {}), heard, stop)
    assert set(processes.children(os.getpid())) <= children
    assert processes.session(heard.pid) == []
    assert list(Path(tempfile.gettempdir()).glob(f"tradespace-run-*/{heard.pid}")) == []
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("behaviour", "outcome", "number", "says"),
    [
        ("host_oom", "oom_host", None, "can't allocate memory"),
        ("device_oom", "oom_device", None, "CUDA out of memory"),
        pytest.param("segfault", "crashed", signal.SIGSEGV, "SIGSEGV", marks=LONG),
        pytest.param("abort", "crashed", signal.SIGABRT, "SIGABRT", marks=LONG),
        pytest.param("exit_3", "error", None, "exit code 3", marks=LONG),
        pytest.param("flood", "error", None, "more than 64,000,000 bytes", marks=LONG),
    ],
)
def test_what_the_variant_does_is_the_outcome(
    behaviour: str, outcome: str, number: int | None, says: str, heard: Heard, stop: Stop
) -> None:
    report = run(behaviour, heard, stop)
    assert (report.outcome, report.signal, report.arm) == (outcome, number, "variant"), report.tail
    assert says in (report.message or "")
    assert report.phase == "measure"
    assert report.effects == ()
    assert {each.metric for each in report.measurements} >= {"cold_start.load", "model.parameters"}


@LONG
@pytest.mark.parametrize(
    ("behaviour", "limits", "outcome"),
    [("deaf_loop", {"start_s": 30.0}, "timeout_start"), ("silent", {"silence_s": 20.0}, "timeout_no_progress")],
)
def test_limits_hold(
    behaviour: str, limits: dict[str, float], outcome: str, heard: Heard, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.isolation.TERM_S", 1.0)
    report = run(behaviour, heard, stop, **limits)
    assert report.outcome == outcome
    if behaviour == "silent":
        assert "in silent" in (report.tail or ""), "the variant's stack is there"


@LONG
def test_a_daemon_of_the_variant_does_not_live_on(heard: Heard, stop: Stop) -> None:
    report = run("daemon", heard, stop)
    assert report.outcome == "ok", report.message
    left = [int(found[1]) for line in heard.lines if (found := re.search(r"left (\d+)", line))]
    assert left, "one for each pair that was measured"
    assert not any(map(processes.alive, left))
