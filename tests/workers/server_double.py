"""A server for tests: the worker's verbs over real HTTP, runs in a dict, and everything said written down."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "tsp_double"
SPEC = {
    "model": {"name": "llama", "preset": "tiny"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "baseline": {"name": "fp32", "stack": []},
}


@dataclass
class Run:
    """What the server knows of a run."""

    spec: dict[str, Any]
    state: str = "queued"
    token: int = 0
    report: dict[str, Any] | None = None
    ending: str | None = None
    cancel: bool = False


@dataclass
class ServerDouble:
    """The state behind the double, and switches for how it behaves."""

    lease_s: float = 0.6
    limits: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    runs: dict[str, Run] = field(default_factory=dict)
    said: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Run or worker, verb, body; in order."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    def add(self, run: str, variant: str) -> Run:
        """Queue a run whose program behaves as the variant's name says."""
        self.runs[run] = Run({**SPEC, "variant": {"name": variant, "stack": []}})
        return self.runs[run]

    def wait(self, run: str, verb: str, **needs: Any) -> dict[str, Any]:
        """Until a verb was said about a run, with these fields in its body; returns the body."""
        found: list[dict[str, Any]] = []

        def heard() -> bool:
            found[:] = [
                body
                for about, what, body in self.said
                if about == run and what == verb and all(body.get(name) == value for name, value in needs.items())
            ]
            return bool(found)

        with self.changed:
            assert self.changed.wait_for(heard, 60), f"{verb} was never said about {run}: {self.said}"
        return found[0]

    def verbs(self, run: str) -> list[str]:
        """What was said about a run, beats left out."""
        return [verb for about, verb, _ in self.said if about == run and verb != "beat"]

    def answer(self, verb: str, about: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        if verb == "workers":
            return 200, {"worker": "worker-1"}
        if verb == "work":
            return 200, {"queued": sum(run.state == "queued" for run in self.runs.values())}
        run = self.runs.get(about)
        if run is None:
            return 404, {"code": "not_found", "detail": "There is no such run."}
        if verb == "claim":
            if run.state != "queued":
                return 409, {"code": "run_not_claimable", "detail": f"The run is {run.state}."}
            run.state, run.token = "leased", run.token + 1
            granted = {"run": about, "token": run.token, "attempt": run.token, "lease_s": self.lease_s}
            return 200, {**granted, "limits": self.limits, "spec": run.spec}
        if body["token"] != run.token or run.state not in ("leased", "running"):
            return 409, {"code": "stale_token", "detail": "A newer claim holds this run."}
        if verb == "finish" and body["report"].get("message") == "unstorable":
            return 422, {"code": "invalid", "detail": "The report contradicts itself."}
        if verb == "start":
            run.state = "running"
        elif verb == "finish":
            run.state, run.report = "done", body["report"]
        elif verb == "release":
            run.state, run.ending = "queued", body["ending"]
        if verb in ("start", "beat"):
            return 200, {"cancel": run.cancel, "lease_s": self.lease_s}
        return 200, {"state": run.state}


def _handler(double: ServerDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            parts = self.path.removeprefix("/api/v1/").split("/")
            verb, about = (parts[2], parts[1]) if len(parts) == 3 else (parts[0], "")
            with double.changed:
                if double.down:
                    status, answer = 503, {"code": "down", "detail": "The server is down."}
                elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, answer = 401, {"code": "unauthorized", "detail": "No such token."}
                else:
                    status, answer = double.answer(verb, about, body)
                double.said.append((about, verb if status == 200 else f"{verb} {status}", body))
                double.changed.notify_all()
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a test says what it needs."""

    return Handler


@contextmanager
def serving() -> Iterator[ServerDouble]:
    """A double that answers at its ``url``."""
    double = ServerDouble()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    http.daemon_threads = True
    double.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield double
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
