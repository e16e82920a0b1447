"""Our own server on a data folder, and the questions about all results that it is asked."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from app.db.session import Database
from app.door.security import create_signin_link, create_token
from app.settings import Settings
from benchmarks import asking
from benchmarks.asking import Asked, Question
from benchmarks.processes import Running, running

ROOT = Path(__file__).parents[1]


class Served(NamedTuple):
    """A running server."""

    process: Running
    token: str
    database: Database

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.process.url

    def link(self) -> str:
        """A fresh sign-in link."""
        with self.database.writing() as session:
            return f"{self.url}/sign-in/{create_signin_link(session)}"

    def client(self) -> httpx.Client:
        """A client with a token."""
        return asking.client(self.url, {"Authorization": f"Bearer {self.token}"})


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """A server without workers on a database that has been migrated. It ends with the block."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    own |= {"TRADESPACE_DATA": str(settings.data.resolve()), "PYTHONPATH": str(ROOT)}
    if settings.database_url:
        own["TRADESPACE_DATABASE_URL"] = settings.database_url
    with closing(Database(settings.database)) as database:
        with database.writing() as session:
            token = create_token(session, "bench", "admin")
        with running(_command, own, settings.data, "/healthz") as process:
            yield Served(process, token, database)


def _command(port: int) -> list[str]:
    return ["env", f"TRADESPACE_PORT={port}", sys.executable, "-m", "app.main"]


QUESTIONS: dict[str, Question] = {
    "list": lambda i: Asked(f"/api/v1/explore?memory_ratio__lte={0.5 + i % 97 / 200:.4f}&sort=latency_ratio&limit=50"),
    "list of a technique": lambda i: Asked(
        f"/api/v1/explore?technique=precision&model=llama+1b&perplexity__lte={14.2 + i % 97 / 1000:.4f}&sort=-tokens&limit=50"
    ),
    "facets": lambda i: Asked(f"/api/v1/explore/facets?latency_ratio__lte={0.5 + i % 97 / 100:.4f}"),
    "points of two": lambda i: Asked(f"/api/v1/explore/points?agreement__gte={0.9 + i % 97 / 1000:.4f}"),
    "points of three": lambda i: Asked(
        f"/api/v1/explore/points?x=latency&y=memory&z=agreement&weights_ratio__lte={0.5 + i % 97 / 200:.4f}"
    ),
    "page": lambda i: Asked(f"/explore?memory_ratio__lte={0.5 + i % 97 / 200:.4f}"),
}


def answers(served: Served) -> dict[str, Any]:
    """How long questions about all results take, in seconds."""
    with served.client() as client:
        found: dict[str, Any] = {
            "first question after the start": {"seconds": asking.seconds(client, QUESTIONS["list"](0))}
        }
        for name, question in QUESTIONS.items():
            found[name] = asking.timed(client, question)
        found["points of three, unchanged"] = {
            "alone": asking.summary([_again(client) for _ in range(asking.CALLS)]),
        }
    return found


def _again(client: httpx.Client) -> float:
    """Seconds of a question whose answer the reader's browser still has."""
    place = QUESTIONS["points of three"](0).path
    tag = client.get(place).raise_for_status().headers["ETag"]
    began = time.perf_counter()
    answer = client.get(place, headers={"If-None-Match": tag})
    took = time.perf_counter() - began
    if answer.status_code != 304:
        raise SystemExit(f"{place} answered {answer.status_code} instead of 304 although nothing had changed")
    return took
