"""How long questions take over HTTP: one after the other, then eight at a time, each asked a little differently."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, NamedTuple

import httpx

WARM_UP = 20
CALLS = 120
AT_ONCE = 8
PATIENCE_S = 300.0


class Asked(NamedTuple):
    """One question."""

    path: str
    body: dict[str, Any] | None = None
    """What is posted; None asks with GET."""


Question = Callable[[int], Asked]
"""The question as it is asked the n-th time: never twice the same, so that none is answered from what is left of an earlier one."""


def client(url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    """A client that takes compressed answers and keeps its connection."""
    wanted = {"Accept-Encoding": "gzip"} | (headers or {})
    return httpx.Client(base_url=url, headers=wanted, trust_env=False, timeout=PATIENCE_S)


def timed(asker: httpx.Client, question: Question, calls: int = CALLS, most_s: float = math.inf) -> dict[str, Any]:
    """Seconds that a question takes.

    Args:
        asker: how it is asked.
        question: what is asked.
        calls: how often, after those that warm up.
        most_s: time for those that are asked one after the other; slow answers then are fewer than ``calls``, one at least.
            Eight at a time are left out where eight would not fit into it.
    """
    number = count()
    _until(lambda: seconds(asker, question(next(number))), WARM_UP, most_s / 6)
    alone = _until(lambda: seconds(asker, question(next(number))), calls, most_s)
    found: dict[str, Any] = {"alone": summary(alone), "bytes": _size(asker, question(next(number)))}
    if AT_ONCE * statistics.median(alone) <= most_s:
        own = [question(next(number)) for _ in range(len(alone))]
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            found["eight at a time"] = summary(list(crowd.map(lambda asked: seconds(asker, asked), own)))
    return found


def seconds(asker: httpx.Client, asked: Asked) -> float:
    """From the question to the whole of its answer."""
    began = time.perf_counter()
    _request(asker, asked)
    return time.perf_counter() - began


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Middle, tail and end of some times."""
    ordered = sorted(seconds)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[int(0.95 * len(ordered))],
        "max": ordered[-1],
        "calls": len(ordered),
    }


def _until(call: Callable[[], float], times: int, most_s: float) -> list[float]:
    """Results of calls, one at least, until there are enough or the time is over."""
    ends = time.monotonic() + most_s
    found = [call()]
    while len(found) < times and time.monotonic() < ends:
        found.append(call())
    return found


def _request(asker: httpx.Client, asked: Asked) -> httpx.Response:
    method = "GET" if asked.body is None else "POST"
    return asker.request(method, asked.path, json=asked.body).raise_for_status()


def _size(asker: httpx.Client, asked: Asked) -> int:
    """Bytes of the answer's body as it travels."""
    return _request(asker, asked).num_bytes_downloaded
