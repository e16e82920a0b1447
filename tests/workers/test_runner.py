"""A run from claim to report against a server double: cancel, fencing, a server that is away, a device that is taken."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.server_double import TOKEN, ServerDouble, serving
from workers import device_lock, devices, runner
from workers.catalog.lease import Claim
from workers.runner import Runner
from workers.server import Refused, Server, Unreachable
from workers.settings import Settings
from workers.spool import Spool

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"


@pytest.fixture
def double() -> Iterator[ServerDouble]:
    with serving() as double:
        yield double


@pytest.fixture
def server(double: ServerDouble) -> Iterator[Server]:
    server = Server(double.url, TOKEN)
    yield server
    server.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", locks=tmp_path / "locks", program=(sys.executable, "-I", str(DOUBLE)))


@pytest.fixture
def taker(settings: Settings, server: Server) -> Runner:
    return Runner(settings, server, "worker-1", devices.cpu())


def at_start(double: ServerDouble, run: str, act: object) -> threading.Thread:
    """Do something as soon as the program of a run runs."""

    def wait() -> None:
        double.wait(run, "start")
        assert callable(act)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_run_is_claimed_measured_and_reported_once(double: ServerDouble, taker: Runner, settings: Settings) -> None:
    run = double.add("r1", "well")
    taker.take("r1")
    assert double.verbs("r1") == ["claim", "start", "finish"]
    assert run.report is not None
    assert run.report["outcome"] == "ok"
    assert double.wait("r1", "beat")["token"] == 1
    assert list(settings.spool.iterdir()) == []
    taker.take("r1")
    assert double.verbs("r1")[3:] == ["claim 409"]


def test_the_last_lines_reach_the_server(double: ServerDouble, taker: Runner) -> None:
    double.add("r1", "exit_3")
    taker.take("r1")
    lines = [line for _, verb, body in double.said if verb == "beat" for line in body["log"]]
    assert lines == ["RuntimeError: no kernel image"]


def test_a_crash_is_a_report_and_the_next_run_goes_well(double: ServerDouble, taker: Runner) -> None:
    bad, good = double.add("r1", "segfault"), double.add("r2", "well")
    taker.take("r1")
    taker.take("r2")
    assert bad.report is not None
    assert bad.report["outcome"] == "crashed"
    assert good.report is not None
    assert good.report["outcome"] == "ok"


def test_cancel_ends_the_program(double: ServerDouble, taker: Runner) -> None:
    run = double.add("r1", "silent")
    asker = at_start(double, "r1", lambda: setattr(run, "cancel", True))
    taker.take("r1")
    asker.join()
    assert double.verbs("r1") == ["claim", "start", "release"]
    assert run.ending == "cancelled"


def test_leaving_gives_the_run_back_and_takes_no_other(double: ServerDouble, taker: Runner) -> None:
    run, other = double.add("r1", "silent"), double.add("r2", "well")
    asker = at_start(double, "r1", taker.leave)
    taker.take("r1")
    asker.join()
    taker.take("r2")
    assert (run.ending, run.state) == ("released", "queued")
    assert other.token == 0


def test_a_fenced_attempt_writes_nothing(double: ServerDouble, taker: Runner, settings: Settings) -> None:
    run = double.add("r1", "silent")
    asker = at_start(double, "r1", lambda: setattr(run, "token", 9))
    taker.take("r1")
    asker.join()
    assert set(double.verbs("r1")) == {"claim", "start", "beat 409"}
    assert list(settings.spool.iterdir()) == []


def test_a_server_that_is_away_gets_the_report_later(
    double: ServerDouble, taker: Runner, server: Server, settings: Settings
) -> None:
    run = double.add("r1", "well")
    asker = at_start(double, "r1", lambda: setattr(double, "down", True))
    taker.take("r1")
    asker.join()
    assert [path.name for path in settings.spool.iterdir()] == ["r1-1.json"]
    double.down = False
    assert Spool(settings.spool).deliver(server) == 1
    assert run.report is not None
    assert run.report["outcome"] == "ok"
    assert list(settings.spool.iterdir()) == []


def test_a_device_that_stays_taken_is_nobodys_error(
    double: ServerDouble, taker: Runner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "DEVICE_WAIT_S", 0.3)
    run = double.add("r1", "well")
    with device_lock.hold(settings.locks, devices.cpu().key, 0, lambda: False):
        taker.take("r1")
    assert run.ending == "released"
    taker.take("r1")
    assert run.state == "done"


def test_a_missing_program_is_an_infrastructure_error(double: ServerDouble, server: Server, settings: Settings) -> None:
    run = double.add("r1", "well")
    Runner(settings.model_copy(update={"program": ("/no/program",)}), server, "w", devices.cpu()).take("r1")
    assert run.ending == "infra_error"
    assert "/no/program" in double.wait("r1", "release")["message"]


def test_unknown_runs_and_a_server_that_is_away_are_no_error(double: ServerDouble, taker: Runner) -> None:
    taker.take("unknown")
    double.add("r1", "well")
    double.down = True
    taker.take("r1")
    assert double.runs["r1"].token == 0


def test_no_and_no_answer_differ(double: ServerDouble, server: Server) -> None:
    with pytest.raises(Refused, match="not_found") as refused:
        server.claim("unknown", Claim(worker="w"))
    assert refused.value.status == 404
    double.down = True
    with pytest.raises(Unreachable, match="503"):
        server.work("w")
    with pytest.raises(Unreachable):
        Server("http://127.0.0.1:9", TOKEN).work("w")
