"""A server as a process of its own: started on a port that nobody answers, waited for, weighed, and surely ended."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

PATIENCE_S = 300.0
ENDING_S = 30.0
POLL_S = 0.01
TOLD = 3_000
"""Characters of a server's last words that are shown when it did not start."""


class Running(NamedTuple):
    """A server that answers."""

    url: str
    pid: int
    start_s: float
    """From the start of the process until it answered."""

    def memory(self) -> int:
        """Bytes that the process and those it has started hold now."""
        return sum(each.memory_info().rss for each in _tree(psutil.Process(self.pid)))


@contextmanager
def running(
    command: Callable[[int], Sequence[str]], environment: Mapping[str, str], folder: Path, ready: str
) -> Iterator[Running]:
    """A server on the loopback address. It ends with the block, and everything that it has started with it.

    Args:
        command: what starts it on a port.
        environment: all variables that it gets.
        folder: where it runs, and where its log is written.
        ready: a path that answers as soon as it can be used.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with log.open("w") as told:
        began = time.monotonic()
        process = psutil.Popen(command(port), env=dict(environment), cwd=folder, stdout=told, stderr=subprocess.STDOUT)
    try:
        while not _answers(url + ready):
            if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"{command(port)[0]} did not start:\n{log.read_text()[-TOLD:]}")
            time.sleep(POLL_S)
        yield Running(url, process.pid, time.monotonic() - began)
    finally:
        _end(process)
    if _answers(url + ready):
        raise SystemExit(f"somebody still answers {url}; what is measured next would share the machine with it")


def _end(process: psutil.Popen) -> None:
    """End a process with all that it has started; what does not go by itself is killed."""
    if process.poll() is not None:
        return
    tree = _tree(process)
    process.terminate()
    _, left = psutil.wait_procs(tree, timeout=ENDING_S)
    for each in left:
        each.kill()
    psutil.wait_procs(left, timeout=ENDING_S)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _answers(place: str) -> bool:
    try:
        return httpx.get(place, trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False
