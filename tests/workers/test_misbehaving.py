"""Nine misbehaving programs through the runner: each ends as its outcome, nothing of it lives on, the next run goes well."""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.workers.server_double import TOKEN, ServerDouble, serving
from workers import devices, processes
from workers.catalog.spec import RunSpec
from workers.runner import Runner
from workers.server import Server
from workers.settings import Settings

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"
MEMORY_LIMIT = 150_000_000
REPEATS = 20
SEED = 20


class Program(NamedTuple):
    """One misbehaving program, and what has to come of it."""

    behaviour: str
    outcome: str
    says: str
    """Part of the report's message."""
    signal: int | None = None
    limits: dict[str, float] = {}


NINE = (
    Program("host_oom", "oom_host", "150,000,000 is its limit"),
    Program("device_oom", "oom_device", "CUDA out of memory"),
    Program("segfault", "crashed", "SIGSEGV", signal.SIGSEGV),
    Program("abort", "crashed", "SIGABRT", signal.SIGABRT),
    Program("exit_3", "error", "exit code 3"),
    Program("deaf_loop", "timeout_run", "longer than 0.5 s", limits={"run_s": 0.5}),
    Program("silent", "timeout_no_progress", "wrote nothing for 0.5 s", limits={"silence_s": 0.5}),
    Program("daemon", "ok", ""),
    Program("flood", "error", "more than 8,000,000 bytes"),
)
BLOCKED = Program("blocked", "timeout_run", "longer than 0.5 s", limits={"run_s": 0.5})
"""Not one of the nine: it cannot even be asked to end, being in native code with its signals blocked."""


class Bench:
    """A runner on a server double, and the check that a run of a program left this machine as it was."""

    def __init__(self, folder: Path, double: ServerDouble, server: Server) -> None:
        self.double = double
        self.folder = folder
        settings = Settings(
            data=folder / "data",
            locks=folder / "locks",
            memory_limit=MEMORY_LIMIT,
            program=(sys.executable, "-I", str(DOUBLE), "--seconds", "0.05"),
        )
        self.runner = Runner(settings, server, "worker-1", devices.cpu())
        self.taken = 0

    def take(self, behaviour: str, limits: dict[str, float] | None = None) -> dict[str, Any]:
        """The report of one run, once nothing of the run is left."""
        self.taken += 1
        name = f"{behaviour}-{self.taken}"
        run = self.double.add(name, behaviour)
        self.double.limits = dict(limits or {})
        children = set(processes.children(os.getpid()))
        self.runner.take(name)
        assert self.double.verbs(name) == ["claim", "start", "finish"]
        assert run.report is not None
        pid = self.double.wait(name, "start")["pid"]
        assert not processes.session(pid)
        assert set(processes.children(os.getpid())) <= children
        assert not _marked(name), "no process with the run's mark is left"
        for _, verb, body in self.double.said:
            for line in body.get("log", ()) if verb == "beat" else ():
                if left := re.fullmatch(r"left (\d+)", line):
                    assert not processes.alive(int(left[1])), "the daemon that hid itself is gone"
        assert not list((self.folder / "tmp").iterdir()), "no folder of the run is left"
        assert not list((self.folder / "data" / "spool").iterdir())
        return run.report

    def misbehaves(self, program: Program) -> None:
        """The program's run has its outcome, and an ordinary run after it goes well."""
        report = self.take(program.behaviour, program.limits)
        assert (report["outcome"], report["signal"]) == (program.outcome, program.signal)
        assert program.says in (report["message"] or "")
        after = self.take("well")
        assert after["outcome"] == "ok"
        assert after["effects"][0]["verdict"] == "faster"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("workers.isolation.TERM_S", 0.5)
    monkeypatch.setattr("workers.isolation.DUMP_S", 0.5)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with serving() as double:
        server = Server(double.url, TOKEN)
        yield Bench(tmp_path, double, server)
        server.close()


def _marked(run: str) -> list[int]:
    """Living processes whose environment names the run."""
    mark = f"{processes.RUN}={run}\0".encode()
    found = []
    for pid in processes.everybody():
        try:
            surroundings = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if mark in surroundings + b"\0" and processes.alive(pid):
            found.append(pid)
    return found


@pytest.mark.parametrize("program", [*NINE, BLOCKED], ids=lambda program: program.behaviour)
def test_each_ends_as_its_outcome_and_the_next_run_goes_well(program: Program, bench: Bench) -> None:
    bench.misbehaves(program)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_nine_programs_twenty_times_in_any_order(bench: Bench) -> None:
    order = [program for program in NINE for _ in range(REPEATS)]
    random.Random(SEED).shuffle(order)
    files = len(os.listdir("/proc/self/fd"))
    for program in order:
        bench.misbehaves(program)
    assert bench.taken == 2 * len(order) == 360
    assert len(os.listdir("/proc/self/fd")) < files + 20, "some connections, and nothing for every run"


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_limits_hold_against_programs_that_do_not_listen(bench: Bench) -> None:
    (deaf,) = (program for program in NINE if program.behaviour == "deaf_loop")
    for program in (deaf, BLOCKED) * REPEATS:
        report = bench.take(program.behaviour, program.limits)
        assert report["outcome"] == "timeout_run"


SUPERVISOR = """
import sys
from workers.catalog.lease import Limits
from workers.catalog.spec import RunSpec
from workers.isolation import Confinement, Listener, Stop, measure
class Told(Listener):
    def started(self, pid):
        print(pid, flush=True)
    def progress(self, progress):
        print("there", flush=True)
spec = RunSpec.model_validate_json(sys.argv[1])
measure(spec, sys.argv[2], Confinement(sys.argv[3:], Limits(), 10**9, {}), Told(), Stop())
"""


def _outlived(number: int) -> list[int]:
    """Kill a supervisor with SIGKILL while its program runs; returns what of the run outlives it by two seconds."""
    run = f"outlived-{os.getpid()}-{number}"
    spec = {
        "model": {"name": "llama", "preset": "tiny"},
        "workload": {"name": "prefill"},
        "baseline": {"name": "fp32", "stack": []},
        "variant": {"name": "silent", "stack": []},
    }
    words = [sys.executable, "-c", SUPERVISOR, RunSpec.model_validate(spec).model_dump_json(), run]
    with subprocess.Popen([*words, sys.executable, "-I", str(DOUBLE)], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert supervisor.stdout.readline() == b"there\n"
        supervisor.kill()
        supervisor.wait()
    processes.gone([pid], 2.0)
    return _marked(run)


def test_no_program_outlives_its_supervisor() -> None:
    assert _outlived(0) == []


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_no_program_outlives_its_supervisor_a_hundred_times() -> None:
    assert [number for number in range(100) if _outlived(number)] == []
