"""A server that is measured ends with all that it has started, and one that cannot start says why."""

import os
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.processes import running

SERVER = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"],
                         stdout=subprocess.PIPE)
child.stdout.readline()
open("child", "w").write(str(child.pid))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_nothing_of_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.ENDING_S", 1.0)
    with running(lambda port: [sys.executable, "-c", SERVER, str(port)], os.environ, tmp_path, "/") as server:
        child = psutil.Process(int((tmp_path / "child").read_text()))
        assert httpx.get(server.url, trust_env=False).is_success
        own = psutil.Process(server.pid).memory_info().rss
        assert server.memory() >= own + child.memory_info().rss // 2
        assert server.start_s > 0
    assert not psutil.pid_exists(server.pid)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such database')"]
    with (
        pytest.raises(SystemExit, match="did not start:\nno such database"),
        running(lambda port: command, os.environ, tmp_path, "/"),
    ):
        raise AssertionError("it did start")
