"""`tradespace serve`: up with one command, starts again what dies, ends with everything it started, says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.journeys.house import DOUBLE, until
from workers import processes


class Served:
    """A running `tradespace serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.said: list[str] = []
        for line in process.stdout:
            self.said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        self.url = self.said[0].split()[-1]
        self.link = self.said[1].split()[-1]

    def child(self, module: str) -> int:
        """Pid of the child that runs a module; 0 when there is none."""
        for pid in processes.children(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if processes.alive(pid) and module.encode() in words:
                return pid
        return 0

    def is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.HTTPError:
            return False


def environment(data: Path, **own: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    defaults = {
        "TRADESPACE_DATA": str(data),
        "TRADESPACE_LOCKS": str(data / "locks"),
        "TRADESPACE_PORT": "0",
        "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE}",
    }
    return inherited | defaults | own


@contextmanager
def serving(data: Path, *words: str, **own: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", *words],
        env=environment(data, **own),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        members = processes.tree(process.pid)
        process.kill()
        process.communicate()
        until(lambda: not any(map(processes.alive, members)), "everything ends with the supervisor")


def test_it_serves_signs_in_once_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        with httpx.Client(trust_env=False, base_url=served.url) as browser:
            assert browser.get("/studies", follow_redirects=False).status_code in (302, 303, 401, 403)
            assert browser.get("/healthz").is_success
            assert served.link.startswith(f"{served.url}/sign-in/")
        until(lambda: served.child("workers.launcher"), "a worker is started")
        members = processes.tree(served.process.pid)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(30) == 0
        assert not any(map(processes.alive, members))


def test_without_workers_it_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-workers") as served:
        assert served.said[2] == "Measures on:      no worker started here"


def test_what_dies_starts_again(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        for module in ("app.main", "workers.launcher"):
            victim = until(lambda module=module: served.child(module), f"{module} runs")  # type: ignore[misc]
            os.kill(victim, signal.SIGKILL)
            until(lambda module=module, victim=victim: served.child(module) not in (0, victim), f"{module} runs again")  # type: ignore[misc]
        until(served.is_healthy, "the server answers again")


def test_a_second_server_on_the_same_folder_and_a_port_in_use_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "first"):
        second = refused(environment(tmp_path / "first"))
        assert "another server uses the data folder" in second
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1, port {port}" in refused(environment(tmp_path / "b", TRADESPACE_PORT=port))


def refused(surroundings: dict[str, str]) -> str:
    """What `serve` says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"], env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.mark.postgres
def test_a_database_that_is_away_is_refused_in_one_line(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    assert "cannot use the database" in refused(environment(tmp_path, TRADESPACE_DATABASE_URL=url))
