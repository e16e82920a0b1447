"""Reads the clock: how long steps and their parts take. Waits for the device around each sample."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from time import perf_counter_ns

import torch

from workers.catalog.metrics import LATENCY, LATENCY_DEVICE
from workers.catalog.workload import Mark, Session, Workload, unmarked
from workers.measurement import device
from workers.measurement.messages import Series

NS = 1e-9
FEWEST = 4
"""Samples a block has at least, if that many were ordered."""


def timer_seconds() -> float:
    """What two readings of the clock around nothing take; the least of several, which is undisturbed."""
    least = 1 << 60
    for _ in range(1000):
        start = perf_counter_ns()
        least = min(least, perf_counter_ns() - start)
    return max(least, 1) * NS


def once(on: torch.device, work: Callable[[], object]) -> float:
    """Seconds one piece of work takes, the device's part included."""
    wait = device.wait(on)
    wait()
    start = perf_counter_ns()
    work()
    wait()
    return (perf_counter_ns() - start) * NS


def steps(
    session: Session, workload: Workload, on: torch.device, samples: int, inner: int, most_s: float = math.inf
) -> tuple[Series, ...]:
    """Time steps: wall time of the whole step, and of its parts as the step marks them.

    Python's cyclic collector runs between samples, not inside them: where it strikes is an accident.

    Args:
        session: The work.
        workload: Says what the parts are called.
        on: The device.
        samples: How many values are taken.
        inner: Steps behind each value; what a step leaves behind is undone after each, outside the timed region.
        most_s: Seconds after which a block ends with the few samples it has: the machine has become much slower than
            when the block was planned.
    """
    wait = device.wait(on)
    clock: _Clock = _Events() if on.type == "cuda" else _Clock()
    whole: list[float] = []
    on_device: list[float] = []
    parts: dict[str, list[float]] = {part.phase: [] for part in workload.parts}
    undo = type(session).between is not Session.between
    gc.collect()
    gc.disable()
    try:
        for taken in range(samples):
            if taken >= FEWEST and sum(whole) * inner > most_s:
                break
            spent = 0
            own = 0.0
            sums = dict.fromkeys(parts, 0.0)
            if undo or parts:
                for _ in range(inner):
                    wait()
                    clock.start()
                    start = perf_counter_ns()
                    session.step(clock.mark)
                    clock.end()
                    wait()
                    spent += perf_counter_ns() - start
                    own += clock.between_ends()
                    for phase, seconds in clock.read().items():
                        sums[phase] = sums.get(phase, 0.0) + seconds
                    session.between()
            else:
                wait()
                clock.start()
                start = perf_counter_ns()
                for _ in range(inner):
                    session.step(unmarked)
                clock.end()
                wait()
                spent = perf_counter_ns() - start
                own = clock.between_ends()
            whole.append(spent * NS / inner)
            on_device.append(own / inner)
            for phase in parts:
                parts[phase].append(sums[phase] / inner)
    finally:
        gc.enable()
    timed = [Series(metric=LATENCY.name, phase=workload.main_phase, values=tuple(whole))]
    if clock.is_device:
        timed.append(Series(metric=LATENCY_DEVICE.name, phase=workload.main_phase, values=tuple(on_device)))
    for part in workload.parts:
        values = tuple(seconds / part.divisor for seconds in parts[part.phase])
        timed.append(Series(metric=part.metric.name, phase=part.phase, values=values))
    return tuple(timed)


class _Clock:
    """Times between marks on the host, which are the device's own on a CPU."""

    is_device = False
    """Whether this is another clock than the host's."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, int]] = []
        self.began = 0
        self.mark: Mark = self._mark

    def start(self) -> None:
        """A step begins."""
        self.marks = []
        self.began = perf_counter_ns()

    def _mark(self, phase: str) -> None:
        self.marks.append((phase, perf_counter_ns()))

    def end(self) -> None:
        """The step ends."""

    def between_ends(self) -> float:
        """Seconds from the step's start to its end on the device's own clock; 0 where that is the host's."""
        return 0.0

    def read(self) -> dict[str, float]:
        """Seconds of each part of the step that has just ended; a part marked several times adds up."""
        spent: dict[str, float] = {}
        before = self.began
        for phase, now in self.marks:
            spent[phase] = spent.get(phase, 0.0) + (now - before) * NS
            before = now
        return spent


class _Events(_Clock):
    """Times between marks on the GPU's own clock: the host runs ahead of it, so its clock would time the queueing."""

    is_device = True

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, torch.cuda.Event]] = []
        self.ended: torch.cuda.Event | None = None

    def start(self) -> None:
        # Made here: between start and end an event is only queued.
        self.ended = _event()
        self.events = []
        self._mark("")

    def end(self) -> None:
        if self.ended is not None:
            self.ended.record()

    def between_ends(self) -> float:
        return 0.0 if self.ended is None else self.events[0][1].elapsed_time(self.ended) * 1e-3

    def _mark(self, phase: str) -> None:
        event = _event()
        event.record()
        self.events.append((phase, event))

    def read(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for (_, before), (phase, now) in zip(self.events, self.events[1:], strict=False):
            spent[phase] = spent.get(phase, 0.0) + before.elapsed_time(now) * 1e-3
        return spent


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
