"""What the server costs: restart to /healthz, submissions and list reads over a real socket, one client at a time."""

import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

SPEC = json.loads((Path(__file__).parents[1] / "examples/tiny-llama.json").read_text())


def main(requests: int = 200) -> None:
    """Print the restart time, then p50 and p95 of POST /studies and of reading the list it has filled."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TRADESPACE_DATA": folder, "TRADESPACE_PORT": "8399"}
        _serve(environment, lambda: None)
        started = time.monotonic()
        _serve(environment, lambda: print(f"restart to /healthz   {time.monotonic() - started:.2f} s"))
        token = subprocess.run(
            ["tradespace", "token", "create", "--name", "bench", "--scope", "admin"],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()[-1]  # fmt: skip
        with httpx.Client(base_url="http://127.0.0.1:8399", headers={"Authorization": f"Bearer {token}"}) as client:
            _serve(environment, lambda: _load(client, requests))


def _load(client: httpx.Client, requests: int) -> None:
    posts = [_timed(lambda: client.post("/api/v1/studies", json=SPEC)) for _ in range(requests)]
    reads = [_timed(lambda: client.get("/api/v1/studies?limit=50")) for _ in range(requests)]
    for what, times in (("POST /studies (5 runs)", posts), ("GET /studies (50 rows)", reads)):
        ordered = sorted(times)
        p95 = ordered[int(0.95 * len(ordered))]
        print(f"{what}   p50 {statistics.median(times) * 1e3:.1f} ms   p95 {p95 * 1e3:.1f} ms   n {len(times)}")


def _timed(call: Callable[[], httpx.Response]) -> float:
    started = time.perf_counter()
    call().raise_for_status()
    return time.perf_counter() - started


def _serve(environment: dict[str, str], then: Callable[[], None]) -> None:
    """Start the server without workers, wait until it is ready, do something, stop it."""
    process: subprocess.Popen[Any] = subprocess.Popen(
        ["tradespace", "serve", "--no-workers"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if re.search(r"/sign-in/", line):
                then()
                return
        raise SystemExit("the server ended before it printed its sign-in link")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
