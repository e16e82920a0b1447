"""A server in a process of its own on a data folder, and how fast it answers: start, memory, and questions about all results."""

import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from app.db.session import Database
from app.door.security import create_signin_link, create_token
from app.settings import Settings

ROOT = Path(__file__).parents[1]
WARM_UP = 20
CALLS = 120
AT_ONCE = 8
PATIENCE_S = 30.0
POLL_S = 0.01


class Served(NamedTuple):
    """A running server."""

    url: str
    token: str
    database: Database
    start_s: float
    """From the start of the process until ``/healthz`` answered."""
    pid: int

    def link(self) -> str:
        """A fresh sign-in link."""
        with self.database.writing() as session:
            return f"{self.url}/sign-in/{create_signin_link(session)}"

    def client(self) -> httpx.Client:
        """A client with a token; it takes compressed answers and keeps its connection."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "gzip"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def memory(self) -> int:
        """Bytes of memory that the server's process holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def serving(data: Path) -> Iterator[Served]:
    """A server without workers on a folder that has been migrated. It ends with the block."""
    settings = Settings(data=data)
    database = Database(settings.database)
    with database.writing() as session:
        token = create_token(session, "bench", "admin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.main"],
        env=own | {"TRADESPACE_DATA": str(data), "TRADESPACE_PORT": str(port)},
        cwd=ROOT,
    )
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                raise SystemExit("the server did not start")
            time.sleep(POLL_S)
        yield Served(url, token, database, time.monotonic() - began, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        database.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


QUESTIONS: dict[str, Callable[[int], str]] = {
    # Each call asks something else, so that nothing is answered from what an earlier one left behind.
    "list": lambda i: f"/api/v1/explore?memory_ratio__lte={0.5 + i % 97 / 200:.4f}&sort=latency_ratio&limit=50",
    "list of a technique": lambda i: (
        f"/api/v1/explore?technique=precision&model=llama+1b&perplexity__lte={14.2 + i % 97 / 1000:.4f}&sort=-tokens&limit=50"
    ),
    "facets": lambda i: f"/api/v1/explore/facets?latency_ratio__lte={0.5 + i % 97 / 100:.4f}",
    "points": lambda i: f"/api/v1/explore/points?agreement__gte={0.9 + i % 97 / 1000:.4f}",
    "page": lambda i: f"/explore?memory_ratio__lte={0.5 + i % 97 / 200:.4f}",
}


def answers(served: Served, calls: int = CALLS) -> dict[str, Any]:
    """How long questions about all results take, one after the other and eight at a time, in seconds."""
    found: dict[str, Any] = {}
    with served.client() as client:
        began = time.perf_counter()
        client.get(QUESTIONS["list"](0)).raise_for_status()
        found["first question after the start"] = {"seconds": time.perf_counter() - began}
        for name, ask in QUESTIONS.items():
            number = count()
            for _ in range(WARM_UP):
                _timed(client, ask(next(number)))
            alone = [_timed(client, ask(next(number))) for _ in range(calls)]
            with ThreadPoolExecutor(AT_ONCE) as crowd:
                together = list(crowd.map(lambda i, ask=ask: _timed(client, ask(i)), range(calls)))
            size = len(_raw(served, ask(0)))
            found[name] = {"alone": _summary(alone), "eight at a time": _summary(together), "bytes": size}
        found["points, unchanged"] = {"alone": _summary([_again(client) for _ in range(calls)])}
    return found


def _again(client: httpx.Client) -> float:
    """Seconds of a question whose answer the reader's browser still has."""
    place = QUESTIONS["points"](0)
    tag = client.get(place).headers["ETag"]
    began = time.perf_counter()
    answer = client.get(place, headers={"If-None-Match": tag})
    took = time.perf_counter() - began
    assert answer.status_code == 304, answer.status_code
    return took


def _timed(client: httpx.Client, place: str) -> float:
    began = time.perf_counter()
    client.get(place).raise_for_status()
    return time.perf_counter() - began


def _raw(served: Served, place: str) -> bytes:
    """The answer's body as it travels."""
    with served.client() as client, client.stream("GET", place) as answer:
        return b"".join(answer.iter_raw())


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[int(0.95 * len(ordered))],
        "max": ordered[-1],
        "calls": len(ordered),
    }
