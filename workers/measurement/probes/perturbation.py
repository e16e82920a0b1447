"""Does more work take more time? Repeats a step with twice the batch, each product twice, half the threads, in turns."""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch.utils._python_dispatch import TorchDispatchMode

from workers.catalog.model import Unsupported
from workers.catalog.workload import Bench, Mark, Session, Workload, unmarked
from workers.measurement import device, statistics
from workers.measurement.probes import evidence, latency, work
from workers.measurement.probes.others import Others
from workers.measurement.probes.work import Work
from workers.measurement.statistics import Estimate

MOST_S = 0.6
"""What the turns may take together."""
FEWEST_TURNS = 3
FEWEST_LONG_TURNS = 2
MOST_TURNS = 12
BLOCK_S = 0.02
"""What one turn of one side takes."""
MOST_SAMPLES = 40
LONG_STEP_S = 0.05
"""Steps from here on are repeated as little as can be: what a change of sides costs is lost in them."""
SLOW_STEP_S = 1.0
"""Steps from here on are not repeated with more work: that would take longer than the answer is worth."""
FACTOR = 2


@dataclass
class Reaction:
    """How a step answers to a change of its work; times by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    """The step as it is."""
    growth: dict[str, Estimate] = field(default_factory=dict)
    """With twice the batch over as it is."""
    repeated: dict[str, Estimate] = field(default_factory=dict)
    """With every product done twice over as it is; empty on a GPU, where the host would not keep up with what is noted of it."""
    work: Work | None = None
    """Of the step with twice the batch."""
    threads: dict[str, float] = field(default_factory=dict)
    """With half the threads over as it is; empty on a GPU and where there is only one."""
    issuing: float | None = None
    """Share of the time in which the host issues work for its device; None on a CPU."""
    contention: float = 0.0
    """Share of the processors that others kept busy meanwhile."""
    why_not: str = ""
    """Why there is no growth."""


def react(bench: Bench, session: Session, workload: Workload, on: torch.device) -> Reaction:
    """Change the work of a step and see what its time does.

    Args:
        bench: The model, ready to work.
        session: The step as it is.
        workload: What it was made from.
        on: The device.
    """
    gc.collect()
    # Every sample is preceded by a collection; what is there already need not be looked through each time.
    gc.freeze()
    try:
        with Others() as others:
            found = _react(bench, session, workload, on)
    finally:
        gc.unfreeze()
    found.contention = others.share
    return found


def _react(bench: Bench, session: Session, workload: Workload, on: torch.device) -> Reaction:
    found = Reaction(seconds=_typical(_sampled(session, workload, on, 1)))
    if found.seconds[workload.main_phase] < LONG_STEP_S:
        samples = max(FEWEST_TURNS, _samples(found.seconds[workload.main_phase]))
        found.seconds = _typical(_sampled(session, workload, on, samples, discard=1))
    step_s = found.seconds[workload.main_phase]
    if on.type == "cuda":
        found.issuing = _issuing(session, on)
    elif torch.get_num_threads() > 1 and step_s < SLOW_STEP_S:
        found.threads = _threaded(session, workload, on, found.seconds)
    if evidence.graphs().compiled:
        found.why_not = "its graphs were compiled for this batch, and another one would run other graphs."
    elif step_s >= SLOW_STEP_S:
        found.why_not = f"a step of {step_s:.1f} s is too long to be repeated with more work."
    else:
        _doubled(found, bench, session, workload, on)
        if on.type == "cpu":
            _repeated(found, session, workload, on)
    return found


def _doubled(found: Reaction, bench: Bench, session: Session, workload: Workload, on: torch.device) -> None:
    """Turns of the step as it is and with twice the batch."""
    batch = getattr(workload, "batch_size", None)
    if batch is None:
        found.why_not = "the workload has no batch that could be doubled."
        return
    try:
        larger = type(workload).model_validate(workload.model_dump() | {"batch_size": FACTOR * batch})
        more = larger.prepare(bench)
        found.work = work.count(more.step)
        more.between()
        _turns(found, session, more, workload, on)
    except (RuntimeError, MemoryError, Unsupported, ValidationError) as error:
        # Mostly memory, which one may run out of here without harm: everything that counts has been measured by now.
        found.growth.clear()
        found.why_not = f"twice the batch does not run here ({' '.join(str(error).split())[:200]})."
    finally:
        gc.collect()
        if on.type == "cuda":
            torch.cuda.empty_cache()


def _turns(found: Reaction, session: Session, more: Session, workload: Workload, on: torch.device) -> None:
    logs: dict[str, list[float]] = {}
    step_s = found.seconds[workload.main_phase]
    samples = _samples(step_s)
    discard = 1 if step_s < LONG_STEP_S else 0
    fewest = FEWEST_TURNS if step_s < LONG_STEP_S else FEWEST_LONG_TURNS
    _sampled(more, workload, on, 1)
    deadline = time.monotonic() + MOST_S
    for turn in range(MOST_TURNS):
        if turn >= fewest and time.monotonic() > deadline:
            break
        now = _typical(_sampled(session, workload, on, samples, discard))
        grown = _typical(_sampled(more, workload, on, max(1, samples // FACTOR), discard))
        for phase, seconds in grown.items():
            if now[phase] > 0 and seconds > 0:
                logs.setdefault(phase, []).append(math.log(seconds / now[phase]))
    found.growth = {phase: _ratio(values) for phase, values in logs.items()}


def _ratio(logs: list[float]) -> Estimate:
    """The typical ratio of several, given as logarithms."""
    typical = statistics.median(logs)
    return typical._replace(value=math.exp(typical.value), low=math.exp(typical.low), high=math.exp(typical.high))


def _repeated(found: Reaction, session: Session, workload: Workload, on: torch.device) -> None:
    """Turns of the step with every product done once and twice, both under the mode that does it, whose own time cancels."""
    logs: dict[str, list[float]] = {}
    step_s = found.seconds[workload.main_phase]
    samples = _samples(step_s)
    discard = 1 if step_s < LONG_STEP_S else 0
    fewest = FEWEST_TURNS if step_s < LONG_STEP_S else FEWEST_LONG_TURNS
    deadline = time.monotonic() + MOST_S
    for turn in range(MOST_TURNS):
        if turn >= fewest and time.monotonic() > deadline:
            break
        plain = _typical(_sampled(session, workload, on, samples, discard))
        once = _typical(_sampled(_Under(session, 1), workload, on, samples, discard))
        twice = _typical(_sampled(_Under(session, 2), workload, on, samples, discard))
        for phase, seconds in plain.items():
            grown = 1 + (twice[phase] - once[phase]) / seconds if seconds > 0 else 0.0
            if grown > 0:
                logs.setdefault(phase, []).append(math.log(grown))
    found.repeated = {phase: _ratio(values) for phase, values in logs.items()}


class _Under(Session):
    """A session whose products are done several times."""

    def __init__(self, session: Session, times: int) -> None:
        self.session = session
        self.mode = _Products(times)

    def step(self, mark: Mark) -> None:
        with self.mode:
            self.session.step(mark)

    def between(self) -> None:
        self.session.between()


class _Products(TorchDispatchMode):
    """Does every product so many times; only the last one counts."""

    def __init__(self, times: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.times = times

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if work.multiplies(func) and not func._schema.is_mutable:
            for _ in range(self.times - 1):
                func(*args, **kwargs)
        return func(*args, **kwargs)


def _threaded(session: Session, workload: Workload, on: torch.device, before: dict[str, float]) -> dict[str, float]:
    """How many times as long each phase takes with half the threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // 2))
    try:
        step_s = before[workload.main_phase]
        # Of steps this short three samples say more about the start of the threads than about the step.
        samples = max(FEWEST_TURNS, _samples(step_s)) if step_s < LONG_STEP_S else 1
        fewer = _typical(_sampled(session, workload, on, samples, discard=1 if step_s < LONG_STEP_S else 0))
    finally:
        torch.set_num_threads(threads)
    return {phase: seconds / before[phase] for phase, seconds in fewer.items() if before[phase] > 0}


def _issuing(session: Session, on: torch.device) -> float:
    """Share of a step's time that passes until the host has issued everything."""
    wait = device.wait(on)
    shares = []
    for _ in range(5):
        wait()
        start = perf_counter_ns()
        session.step(unmarked)
        issued = perf_counter_ns()
        wait()
        shares.append((issued - start) / (perf_counter_ns() - start))
        session.between()
    return float(np.median(shares))


def _sampled(
    session: Session, workload: Workload, on: torch.device, samples: int, discard: int = 0
) -> dict[str, list[float]]:
    """Seconds of the step and of its parts; so many steps more go before, which do not count."""
    series = latency.steps(session, workload, on, samples + discard, 1)
    divisors = {part.phase: part.divisor for part in workload.parts}
    return {each.phase: [value * divisors.get(each.phase, 1) for value in each.values[discard:]] for each in series}


def _samples(step_s: float) -> int:
    """How many steps of so many seconds one turn takes."""
    return max(1, min(MOST_SAMPLES, round(BLOCK_S / max(step_s, 1e-7))))


def _typical(samples: dict[str, list[float]]) -> dict[str, float]:
    return {phase: float(np.median(values)) for phase, values in samples.items()}
