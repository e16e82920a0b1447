"""Questions are counted, never asked twice the same, and stopped where answers are slow."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import asking
from benchmarks.asking import AT_ONCE, WARM_UP, Asked

BODY = gzip.compress(b"words " * 1_000, mtime=0)


class Handler(BaseHTTPRequestHandler):
    """Answers everything in gzip and remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, bytes]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((f"{self.command} {self.path} {self.headers['Accept-Encoding']}", body))
        self.send_response(404 if self.path == "/nothing" else 200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        """Nothing is said."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as here:
        thread = threading.Thread(target=here.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{here.server_port}"
        here.shutdown()
        thread.join()


def test_every_call_asks_something_else(server: str) -> None:
    with asking.client(server) as client:
        found = asking.timed(client, lambda n: Asked(f"/a?n={n}"), calls=30)
    words = [words for words, _ in Handler.asked]
    assert len(words) == len(set(words)) == WARM_UP + 30 + 1 + 30
    assert {word.split(" ", 2)[2] for word in words} == {"gzip"}
    assert (found["alone"]["calls"], found["eight at a time"]["calls"]) == (30, 30)
    assert found["bytes"] == len(BODY)


def test_slow_answers_are_asked_for_less_often(server: str) -> None:
    with asking.client(server) as client:
        found = asking.timed(client, lambda n: Asked("/a", {"n": n}), calls=30, most_s=0)
    assert found["alone"]["calls"] == 1
    assert "eight at a time" not in found
    assert Handler.asked[0] == ("POST /a gzip", b'{"n":0}')
    assert len(Handler.asked) == 3 < AT_ONCE


def test_an_answer_that_refuses_ends_the_benchmark(server: str) -> None:
    with asking.client(server) as client, pytest.raises(Exception, match="404"):
        asking.timed(client, lambda n: Asked("/nothing"))


def test_percentiles_are_of_the_times_themselves() -> None:
    assert asking.summary([float(n) for n in range(100, 0, -1)]) == {
        "p50": 50.5,
        "p95": 96.0,
        "max": 100.0,
        "calls": 100,
    }
    assert asking.summary([2.0]) == {"p50": 2.0, "p95": 2.0, "max": 2.0, "calls": 1}
