"""Reads the clock around steps and at the marks inside them; on CUDA parts are timed by events on the stream."""

from time import perf_counter
from typing import Any

import torch

from workers.catalog.workload import Session, Workload
from workers.measurement import device
from workers.measurement.messages import Times


def steps(session: Session, workload: Workload, on: str, samples: int, inner: int = 1) -> Times:
    """Time samples of ``inner`` steps each; every value is seconds per step.

    The device is synchronised outside the timed region, so that a sample holds whole steps and nothing else.
    """
    whole: list[float] = []
    names = [part.phase for part in workload.parts]
    parts: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(samples):
        marks = _Marks(on)
        device.wait(on)
        total = 0.0
        for _ in range(inner):
            began = perf_counter()
            marks.begin()
            session.step(marks.mark)
            device.wait(on)
            total += perf_counter() - began
            session.between()
        whole.append(total / inner)
        seconds = marks.seconds()
        for name in names:
            parts[name].append(seconds.get(name, 0.0) / inner)
    return Times(whole=tuple(whole), parts={name: tuple(values) for name, values in parts.items()})


class _Marks:
    """Adds up the time between marks by the name of the part that ends there."""

    def __init__(self, on: str) -> None:
        self._cuda = on != "cpu"
        self._taken: list[tuple[str | None, Any]] = []

    def begin(self) -> None:
        self._taken.append((None, self._now()))

    def mark(self, name: str) -> None:
        self._taken.append((name, self._now()))

    def _now(self) -> Any:
        if not self._cuda:
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for (_, before), (name, after) in zip(self._taken, self._taken[1:], strict=False):
            if name is not None:
                passed = before.elapsed_time(after) / 1e3 if self._cuda else after - before
                found[name] = found.get(name, 0.0) + passed
        return found
