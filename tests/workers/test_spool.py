"""Reports survive until the server has answered for them, and no longer."""

import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.server_double import TOKEN, ServerDouble, serving
from workers.catalog.lease import Claim, Finish
from workers.catalog.report import Report
from workers.server import Server
from workers.spool import Spool


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
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def names(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.folder.iterdir())


def finish(token: int = 1) -> Finish:
    return Finish(token=token, report=Report(outcome="ok"))


def test_a_report_waits_for_the_server(double: ServerDouble, server: Server, spool: Spool) -> None:
    double.add("r1", "well")
    server.claim("r1", Claim(worker="w"))
    double.down = True
    assert not spool.hand_in(server, "r1", finish())
    assert spool.deliver(server) == 0
    assert names(spool) == ["r1-1.json"]
    double.down = False
    assert spool.deliver(server) == 1
    assert names(spool) == []
    assert double.runs["r1"].state == "done"


def test_a_fenced_report_is_dropped_with_a_line(
    double: ServerDouble, server: Server, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    double.add("r1", "well").token = 2
    with caplog.at_level(logging.WARNING):
        assert spool.hand_in(server, "r1", finish())
    assert "fenced: the report of run r1 with token 1 is dropped" in caplog.text
    assert names(spool) == []
    assert double.runs["r1"].report is None


def test_a_refused_token_keeps_the_report(double: ServerDouble, spool: Spool) -> None:
    double.add("r1", "well")
    stranger = Server(double.url, "tsp_other")
    assert not spool.hand_in(stranger, "r1", finish())
    stranger.close()
    assert names(spool) == ["r1-1.json"]


def test_a_damaged_file_is_set_aside_and_the_rest_goes(double: ServerDouble, server: Server, spool: Spool) -> None:
    double.add("r2", "well")
    server.claim("r2", Claim(worker="w"))
    (spool.folder / "r1-1.json").write_text('{"token": 1, "rep', encoding="utf-8")
    (spool.folder / "r2-1.json").write_text(finish().model_dump_json(), encoding="utf-8")
    assert spool.deliver(server) == 1
    assert names(spool) == ["r1-1.damaged"]


def test_a_report_somebody_else_delivers_is_left_alone(double: ServerDouble, server: Server, spool: Spool) -> None:
    path = spool.folder / "r1-1.json"
    path.write_text(finish().model_dump_json(), encoding="utf-8")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert spool.deliver(server) == 0
    assert names(spool) == ["r1-1.json"]
    assert double.said == []


def test_a_report_the_server_cannot_take_ends_as_an_error(double: ServerDouble, server: Server, spool: Spool) -> None:
    run = double.add("r1", "well")
    server.claim("r1", Claim(worker="w"))
    assert spool.hand_in(server, "r1", Finish(token=1, report=Report(outcome="ok", message="unstorable")))
    assert run.report is not None
    assert run.report["outcome"] == "error"
    assert run.report["message"] == "The server refused the report: The report contradicts itself."
    assert names(spool) == []
