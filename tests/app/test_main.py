"""The server as a process: ready soon, one clear line when it cannot start, patient with nobody, gone when asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db.migrate import migrate
from app.db.session import Database
from app.door.security import create_token
from app.main import _listen
from app.settings import Settings
from tests.submitting import small


def environment(data: Path, **changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    return inherited | {"TRADESPACE_DATA": str(data)} | {f"TRADESPACE_{name}": value for name, value in changes.items()}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Server:
    """A server process on its own port."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.main"],
            env=environment(data, PORT=str(self.port)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        end = time.monotonic() + 60
        while not self.is_ready():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.05)
        with Database(Settings(data=data).database).writing() as session:
            self.token = create_token(session, "ada", "admin")

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.communicate()


def refused(data: Path, **changes: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.main"],
        env=environment(data, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tradespace: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    assert "TRADESPACE_PORT" in refused(tmp_path, PORT="x")
    assert "administrator" in refused(tmp_path, HOST="0.0.0.0")
    nowhere = "postgresql+psycopg://ada:hidden@127.0.0.1:1/x"
    said = refused(tmp_path, DATABASE_URL=nowhere)
    assert "cannot use the database" in said
    assert "hidden" not in said
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen" in refused(tmp_path, PORT=str(taken.getsockname()[1]))
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot make the folder" in refused(file / "data")


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    migrate(settings)
    with Database(settings.database).writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version" in refused(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tradespace.sqlite").write_bytes(b"this is not a database" * 100)
    assert "not a database" in refused(tmp_path)


def test_it_serves_and_stops_with_an_open_stream(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.address, headers=headers) as client:
        study = client.post("/api/v1/studies", json=small()).json()
        with client.stream("GET", f"/api/v1/studies/{study['id']}/events", timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: study"
            assert json.loads(next(lines).removeprefix("data: "))["state"] == "queued"
            said = server.stop()
    assert server.process.returncode == -signal.SIGTERM
    assert "Traceback" not in said
    assert server.token not in said


def test_head_leaves_the_connection_for_the_next_request(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.address, headers=headers, timeout=30) as client:
        for path in ("/api/v1/studies", "/studies", "/static/css/page.css"):
            head, got = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == got.headers["content-length"]
            assert got.content
        assert client.head("/api/v1/events").status_code == 405


def test_a_body_that_does_not_come_is_given_up(server: Server) -> None:
    head = (
        f"POST /api/v1/studies HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"content-security-policy" in answer.lower()
    assert server.is_ready()


def test_two_servers_after_each_other_keep_what_was_stored(tmp_path: Path, server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    study = httpx.post(f"{server.address}/api/v1/studies", json=small(), headers=headers).json()
    server.process.kill()
    server.process.wait()
    again = Server(tmp_path)
    try:
        answer = httpx.get(f"{again.address}/api/v1/studies/{study['id']}", headers=headers)
        assert answer.json()["state"] == "queued"
    finally:
        again.stop()


def test_answers_do_not_wait_for_the_reader_to_acknowledge_their_headers(tmp_path: Path) -> None:
    """asyncio sets TCP_NODELAY on connections of sockets that name their protocol, and on no others."""
    with _listen(Settings(data=tmp_path, port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP
