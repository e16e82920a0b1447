"""Meters the energy of arms in turns, one at work while the other rests: idle power, windows, what they cannot tell.

The coordinator reads the counters, while the arm only works; this happens after the timed blocks, never beside them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from workers.catalog import metrics
from workers.catalog.report import Arm
from workers.catalog.workload import Workload
from workers.measurement.messages import Answer, Order, Reading, Worked
from workers.measurement.probes import energy
from workers.measurement.probes.energy import Look, Source, Window

COOLDOWN_S = 3.0
"""Rest before idle power is read: clocks and sensors' averages have come down."""
IDLE_S = 2.0
LEAD_S = 2.0
"""Work before a window, twice the second over which power sensors average."""
WINDOW_S = 6.0
"""Shortest window; a counter that moves every 100 milliseconds then does so 60 times."""
SPARE = 1.2
"""How many times the updates a window needs it is made to last for slower counters."""
TAIL_REFRESHES = 3
LONGEST_REFRESH_S = 1.0
"""A counter that moves less often than this cannot be metered in reasonable time."""
MOST_PAIRS = 3
"""Pairs of fresh processes that are metered at the most: what a window costs would be missing where times need pairs."""


class Process(Protocol):
    """An arm that takes orders (``arms.ArmProcess``)."""

    arm: Arm

    def do(self, order: Order) -> Answer:
        """Send an order and wait for the answer."""


class Metered(NamedTuple):
    """What came of metering the arms of one pair."""

    answers: dict[Arm, Answer]
    """Readings and notes; an arm whose energy is not measurable has a note and no readings."""
    unmet: tuple[str, ...]
    environment: dict[str, JsonValue]


def turns(
    source: Source,
    processes: Sequence[Process],
    workload: Workload,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Metered:
    """Let everything rest, then each arm work for one window in the order given.

    Args:
        source: The counter of the device.
        processes: Arms that are loaded and warm, all of which rest while one works.
        workload: Says what one step gets done.
        clock: The monotonic clock that the arms' answers are on.
        sleep: Waits.
    """
    state: dict[str, JsonValue] = {}
    with _looking(source, clock) as looks:
        sleep(COOLDOWN_S)
        rested = clock()
        sleep(IDLE_S)
        idle = energy.window(list(looks), rested, clock())
        refresh = energy.refresh(list(looks)) or LONGEST_REFRESH_S
        lasting = max(WINDOW_S, energy.MIN_UPDATES * SPARE * min(refresh, LONGEST_REFRESH_S))
        order = Order(deed="energy", lead_s=LEAD_S, window_s=lasting, tail_s=TAIL_REFRESHES * refresh)
        worked: dict[Arm, Worked] = {}
        for process in processes:
            state[f"state.energy.temperature_c.{process.arm}"] = source.temperature_c()
            answer = process.do(order)
            assert answer.worked is not None
            worked[process.arm] = answer.worked
    answers: dict[Arm, Answer] = {}
    unmet: list[str] = []
    gaps: list[float] = []
    for arm, each in worked.items():
        seen = energy.window(looks, each.began_s, each.ended_s)
        answers[arm] = _answer(arm, each, seen, idle, workload)
        if seen is None:
            continue
        state["state.energy.refresh_s"] = round(seen.refresh_s, 4)
        if seen.gap is not None:
            gaps.append(seen.gap)
        if not seen.long_enough:
            unmet.append(
                f"the energy counter moved {seen.updates} times in the {arm}'s window of {seen.seconds:.1f} s, "
                f"goal {energy.MIN_UPDATES}"
            )
    state["state.energy.window_s"] = lasting
    state["state.energy.gap"] = round(max(gaps), 4) if gaps else None
    return Metered(answers, tuple(unmet), state)


@contextmanager
def _looking(source: Source, clock: Callable[[], float]) -> Iterator[list[Look]]:
    """Look at the counter all the while, in a thread of this process; the arms' processes are not disturbed."""
    looks: list[Look] = []
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(source, looks, stop.wait, clock), name="energy", daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()


def watch(
    source: Source, looks: list[Look], wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
) -> None:
    """Append one look after the other until ``wait`` says that it is over; the last one comes after that."""
    over = False
    while True:
        seen = energy.look(source, clock())
        if seen is not None:
            looks.append(seen)
        if over:
            return
        over = wait(source.poll_s)


def _answer(arm: Arm, worked: Worked, seen: Window | None, idle: Window | None, workload: Workload) -> Answer:
    """What a reader gets to know about one arm."""
    if seen is None:
        lasted = worked.ended_s - worked.began_s
        note = f"The energy of the {arm} is not measurable: its counter did not move in a window of {lasted:.1f} s."
        return Answer(notes=(note,))
    phase = workload.main_phase
    step = seen.joules / worked.steps
    readings = [Reading.of(metrics.ENERGY_STEP, phase, step), Reading.of(metrics.POWER_MEAN, phase, seen.power_w)]
    if workload.tokens:
        readings.append(Reading.of(metrics.ENERGY_TOKEN, phase, step / workload.tokens))
    if workload.samples:
        readings.append(Reading.of(metrics.ENERGY_SAMPLE, phase, step / workload.samples))
    if seen.peak_w is not None:
        readings.append(Reading.of(metrics.POWER_PEAK, phase, seen.peak_w))
    if idle is not None:
        readings.append(Reading.of(metrics.POWER_IDLE, "idle", idle.power_w))
    notes: tuple[str, ...] = ()
    if seen.gap is not None and seen.gap > energy.MOST_GAP:
        notes = (
            f"Energy of the {arm}: the counter says {seen.joules:.0f} J, the integral over power readings "
            f"{seen.integrated:.0f} J, {seen.gap:.0%} apart; more than {energy.MOST_GAP:.0%} means that one of them is wrong.",
        )
    return Answer(readings=tuple(readings), notes=notes)
