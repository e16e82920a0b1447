"""A whole Tradespace in processes of its own, to be killed: server, worker, Celery, program, on any database and broker."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from sqlalchemy import select
from sqlmodel import col

from app.db.migrate import migrate
from app.db.session import Database
from app.db.tables import Attempt, MeasurementRow, Run
from app.door.security import create_token
from app.settings import Settings
from workers import processes

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"
PATIENCE_S = 90.0
POLL_S = 0.05
TERMINAL = frozenset({"done", "cancelled", "quarantined", "expired"})
MEMORY_LIMIT = 200_000_000
SHORT_LEASE_S = 3.0
"""A lost worker is noticed soon. It is less than the time between two signs of life of a worker with nothing in hand, so
a report from the spool may come too late; where that matters, take the lease that ships."""
Found = TypeVar("Found")


def until(look: Callable[[], Found | Literal[False] | None], what: str, patience_s: float = PATIENCE_S) -> Found:
    """Look until there is something true to see; returns it."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        time.sleep(POLL_S)
    return found


class House:
    """One data folder, its database and broker, and the processes on them.

    Args:
        folder: Where everything is kept.
        database_url: None is SQLite in the folder.
        broker_url: None is the embedded broker in the folder.
        seconds: How long a run that goes well takes.
        lease_s: How long a worker may be silent.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None,
        broker_url: str | None,
        seconds: float = 0.3,
        lease_s: float = SHORT_LEASE_S,
    ) -> None:
        self.folder = folder
        self._lease_s = lease_s
        self.settings = Settings(data=folder, database_url=database_url, broker_url=broker_url)
        migrate(self.settings)
        self.database = Database(self.settings.database)
        with self.database.writing() as session:
            worker_token = create_token(session, name="worker", scope="worker")
            token = create_token(session, name="test", scope="admin")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
        )
        own = {
            "TRADESPACE_DATA": str(folder),
            "TRADESPACE_PORT": str(port),
            "TRADESPACE_SERVER_URL": self.url,
            "TRADESPACE_WORKER_TOKEN": worker_token,
            "TRADESPACE_LOCKS": str(folder / "locks"),
            "TRADESPACE_MEMORY_LIMIT": str(MEMORY_LIMIT),
            "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE} --seconds {seconds}",
        }
        if database_url:
            own["TRADESPACE_DATABASE_URL"] = database_url
        if broker_url:
            own["TRADESPACE_BROKER_URL"] = broker_url
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("TRADESPACE_")} | own
        self.server: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def start_server(self, module: str = "tests.journeys.fast_server") -> None:
        """Start the server and wait until it is ready."""
        self.server = self._start(module, f"{self._lease_s:g}")
        until(self._ready, f"the server answers; see {self.folder}/{module}.log")

    def start_worker(self) -> None:
        """Start a worker for the CPU."""
        self.worker = self._start("workers.launcher", "--device", "cpu")

    def kill_server(self) -> None:
        """As a power cut would."""
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def celery(self) -> int:
        """Pid of Celery's main process."""
        assert self.worker is not None
        pid = self.worker.pid
        return until(lambda: next(filter(processes.alive, processes.children(pid)), 0), "Celery runs")

    def programs(self) -> list[int]:
        """Pids of measuring programs on this folder, whoever their parent is."""
        mark = str(DOUBLE).encode()
        here = str(self.folder).encode()
        found = []
        for pid in processes.everybody():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                surroundings = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            if mark in command and processes.RUN.encode() in surroundings and here in surroundings:
                found.append(pid)
        return list(filter(processes.alive, found))

    def submit(self, *variants: str) -> dict[str, Any]:
        """Submit a study whose programs behave as the variants' names say; its baseline goes well."""
        study = {
            "name": "kills",
            "model": {"name": "llama", "preset": "tiny"},
            "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
            "baseline": {"name": "baseline", "stack": []},
            "variants": [{"name": name, "stack": [{"technique": "precision", "dtype": "bf16"}]} for name in variants],
        }
        answer = self.client.post("/studies", json=study)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def runs(self) -> list[Run]:
        """Every run, as the database has it."""
        with self.database.reading() as session:
            found = list(session.execute(select(Run).order_by(col(Run.id))).scalars())
            session.expunge_all()
        return found

    def run(self, variant: str) -> Run:
        """The run of one variant."""
        return next(run for run in self.runs() if run.variant == variant)

    def until_state(self, variant: str, *states: str) -> Run:
        """Wait until a run is in one of the states."""
        return until(lambda: (run := self.run(variant)).state in states and run, f"{variant} is {' or '.join(states)}")

    def until_all_ended(self, patience_s: float = PATIENCE_S) -> list[Run]:
        """Wait until every run is in a terminal state."""
        return until(
            lambda: (runs := self.runs()) and all(run.state in TERMINAL for run in runs) and runs,
            "every run has ended",
            patience_s,
        )

    def attempts(self, run: Run) -> list[Attempt]:
        """The attempts of a run, oldest first."""
        with self.database.reading() as session:
            of_run = select(Attempt).where(col(Attempt.run_id) == run.id).order_by(col(Attempt.token))
            found = list(session.execute(of_run).scalars())
            session.expunge_all()
        return found

    def check_history(self, runs: Sequence[Run]) -> None:
        """Each run ended once: one finished attempt, the last granted, and one set of measurements from it."""
        for run in runs:
            attempts = self.attempts(run)
            assert run.state == "done", f"{run.variant} is {run.state}"
            assert [attempt.token for attempt in attempts] == list(range(1, run.token + 1))
            assert [attempt.token for attempt in attempts if attempt.ending == "finished"] == [run.token]
            assert all(attempt.ending for attempt in attempts)
            with self.database.reading() as session:
                rows = session.execute(select(MeasurementRow).where(col(MeasurementRow.run_id) == run.id)).scalars()
                assert len(list(rows)) == (2 if run.outcome == "ok" else 0)

    def close(self) -> None:
        """End everything, and see that nothing is left."""
        started = [process for process in (self.worker, self.server) if process]
        members = [pid for process in started for pid in processes.tree(process.pid)]
        for process in started:
            process.kill()
            process.wait()
        self.client.close()
        self.database.close()
        until(lambda: not any(map(processes.alive, members)), "the worker's processes end with it")

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
            )

    def _ready(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, f"the server ended; see {self.folder}"
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def living(
    folder: Path,
    database_url: str | None,
    broker_url: str | None,
    seconds: float = 0.3,
    lease_s: float = SHORT_LEASE_S,
) -> Iterator[House]:
    """A house with a server and a worker."""
    house = House(folder, database_url, broker_url, seconds, lease_s)
    try:
        house.start_server()
        house.start_worker()
        yield house
    finally:
        house.close()
