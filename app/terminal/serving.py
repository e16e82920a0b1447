"""``tradespace serve``: prepares the data folder, then keeps the web server and one worker per device going until Ctrl-C."""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import httpx

from app.db.migrate import migrate
from app.db.session import Database
from app.door.security import create_signin_link, create_token, refuse_open_door
from app.door.tokens import revoke_tokens
from app.runs.queue import Queue
from app.settings import CannotStart, Settings

WORKER_TOKEN_DAYS = 3650.0
"""It is revoked at the next start; until then it must not run out."""
READY_S = 30.0
"""For the web server to answer after its start."""
POLL_S = 0.05
LONGEST_BACK_OFF_S = 30.0
STEADY_S = 60.0
"""After this long without an end the back-off starts anew."""
WORKER_LEAVE_S = 30.0
"""For the runs in hand to be given back; a worker is done within about 12 s."""
WEB_LEAVE_S = 5.0
LOG_BYTES = 10_000_000
"""A larger log is put aside at the start."""


class Found(NamedTuple):
    """A device of this machine."""

    device: str
    name: str


class Child:
    """A program that is kept going.

    Args:
        name: Names its log.
        words: The command.
        own: Environment variables it gets besides those of this process; None takes one away.
        logs: Folder of the log.
    """

    def __init__(self, name: str, words: Sequence[str], own: Mapping[str, str | None], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name.replace(':', '-')}.log"
        self._words = words
        merged = {**os.environ, **own}
        self._environment = {key: value for key, value in merged.items() if value is not None}
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at = 0.0
        self._began = 0.0
        self._back_off_s = 1.0

    def start(self) -> None:
        """Start it, so that it is asked to end when this process ends however that happens."""
        order = {"parent": os.getpid(), "signal": int(signal.SIGTERM), "oom_score": None, "file_bytes": None}
        confined = [sys.executable, "-P", "-m", "workers.confine", json.dumps(order), *self._words]
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                confined,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor alone.
            )
        self._began = time.monotonic()

    def mind(self) -> str | None:
        """Start it when it is due; the line to print when it has ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return None
        code = self.process.poll()
        if code is None:
            return None
        if now - self._began > STEADY_S:
            self._back_off_s = 1.0
        self.process, self.start_at = None, now + self._back_off_s
        line = f"{self.name} ended with {code} and starts again in {self._back_off_s:g} s; see {self.log}"
        self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)
        return line

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self.process:
            self.process.terminate()

    def end(self, by: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then kill it."""
        if self.process:
            try:
                self.process.wait(max(0.0, by - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Supervisor:
    """Keeps children going until a signal asks to stop; a second signal kills them."""

    def __init__(self) -> None:
        self.stopping = False
        self._bell, self._ring = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._running: list[Child] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            for child in self._running:
                if child.process:
                    child.process.kill()
        self.stopping = True
        with suppress(BlockingIOError):
            os.write(self._ring, b"x")

    def keep(self, web: Child, workers: Sequence[Child]) -> None:
        """Start again what ends, until asked to stop."""
        self._running = [web, *workers]
        while not self.stopping:
            for child in self._running:
                if line := child.mind():
                    print(line, file=sys.stderr, flush=True)
            self._sleep()

    def end(self, web: Child, workers: Sequence[Child]) -> None:
        """End the workers while the server still hears what they give back, then the server."""
        for child in workers:
            child.ask_to_end()
        by = time.monotonic() + WORKER_LEAVE_S
        for child in workers:
            child.end(by)
        web.ask_to_end()
        web.end(time.monotonic() + WEB_LEAVE_S)

    def _sleep(self) -> None:
        """Until a child ends or is due, or a signal comes."""
        over = [os.pidfd_open(child.process.pid) for child in self._running if child.process]
        due = [child.start_at for child in self._running if child.process is None]
        try:
            select.select([self._bell, *over], [], [], max(0.0, min(due) - time.monotonic()) if due else None)
        finally:
            for fd in over:
                os.close(fd)


def serve(settings: Settings, measuring: bool = True) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: The server's settings.
        measuring: Whether this machine measures as well, with one worker per device.

    Raises:
        CannotStart: A setting, the database, the port or the data folder cannot be used.
    """
    supervisor = Supervisor()
    asked = subprocess.Popen(
        [sys.executable, "-P", "-m", "workers.devices"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        data = _folder(settings)
        with _alone(data):
            port = _free_port(settings)
            migrate(settings)
            queue = Queue(settings.broker)
            queue.empty()  # Hints may be lost, and a torn one would end the worker.
            if settings.broker_url and not queue.answers():
                raise CannotStart("TRADESPACE_BROKER_URL: there is no broker at this address, or it refuses")
            queue.close()
            _serve(settings, port, data, supervisor, asked if measuring else None)
    finally:
        asked.kill()
        asked.communicate()


def _serve(
    settings: Settings, port: int, data: Path, supervisor: Supervisor, asked: subprocess.Popen[str] | None
) -> None:
    address = _address(settings, port)
    token, link = _credentials(settings, data, measuring=asked is not None)
    logs = data / "logs"
    logs.mkdir(exist_ok=True, mode=0o700)
    # As the settings say, not as the environment does: the demo has settings of its own.
    own = {
        "TRADESPACE_DATA": str(data),
        "TRADESPACE_PORT": str(port),
        "TRADESPACE_DATABASE_URL": settings.database_url,
        "TRADESPACE_BROKER_URL": settings.broker_url,
    }
    web = Child("web", [sys.executable, "-P", "-m", "app.main"], own, logs)
    workers: list[Child] = []
    try:
        web.start()
        _until_ready(web, address, supervisor)
        found = _devices(asked) if asked else []
        own_to_worker = own | {"TRADESPACE_SERVER_URL": address, "TRADESPACE_WORKER_TOKEN": token}
        for device in found:
            words = [sys.executable, "-P", "-m", "workers.launcher", "--device", device.device]
            workers.append(
                Child(f"worker-{device.device}", words, own_to_worker | {"TRADESPACE_DATABASE_URL": None}, logs)
            )
        if not supervisor.stopping:
            print(f"Tradespace serves {address}")
            print(f"Sign in, once:    {address}{link}")
            devices = ", ".join(f"{each.device} ({each.name})" for each in found)
            print(f"Measures on:      {devices or 'no worker started here'}")
            print(f"Logs:             {logs}")
            print("Ctrl-C stops it.", flush=True)
        supervisor.keep(web, workers)
    finally:
        supervisor.end(web, workers)


def _folder(settings: Settings) -> Path:
    data = settings.data.resolve()
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotStart(f"TRADESPACE_DATA: cannot use the folder {data}: {error.strerror}") from error
    return data


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data folder: a second server would empty the broker under the first."""
    try:
        lock = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"TRADESPACE_DATA: cannot write in the folder {data}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"another server uses the data folder {data}; set TRADESPACE_DATA to another") from None
        yield
    finally:
        os.close(lock)


def _free_port(settings: Settings) -> int:
    """The port to listen on, after a try whether that is possible."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}, port {settings.port}"
            raise CannotStart(f"cannot listen on {where}: {error.strerror}; set TRADESPACE_PORT or _HOST") from error
        return int(probe.getsockname()[1])


def _address(settings: Settings, port: int) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _credentials(settings: Settings, data: Path, measuring: bool) -> tuple[str | None, str]:
    """A token for the workers started here, which ends the one of the last start, and the path of a sign-in link.

    The token is named after this machine and folder: another server on the same database has workers of its own.
    """
    name = f"workers of {socket.gethostname()}:{data}"[:200]
    database = Database(settings.database)
    try:
        refuse_open_door(settings, database)
        with database.writing() as session:
            revoke_tokens(session, name)
            token = create_token(session, name=name, scope="worker", days=WORKER_TOKEN_DAYS) if measuring else None
            return token, f"/sign-in/{create_signin_link(session)}"
    finally:
        database.close()


def _until_ready(web: Child, address: str, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_S
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while not supervisor.stopping:
            assert web.process is not None
            if web.process.poll() is not None:
                last = web.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise CannotStart(
                    f"the web server did not start: {last[-1] if last else 'no reason given'} ({web.log})"
                )
            with suppress(httpx.HTTPError):
                if client.get(f"{address}/healthz").is_success:
                    return
            if time.monotonic() > deadline:
                raise CannotStart(f"the web server did not answer within {READY_S:g} s; see {web.log}")
            time.sleep(POLL_S)


def _devices(asked: subprocess.Popen[str]) -> list[Found]:
    listed, complaint = asked.communicate(timeout=READY_S)
    if asked.returncode != 0:
        raise CannotStart(complaint.strip().splitlines()[-1] if complaint.strip() else "the devices cannot be listed")
    return [Found(each["device"], each["name"]) for each in json.loads(listed)]
