"""Keeps the device at work for a window of time and says when it began and ended, for instruments that stand outside."""

from __future__ import annotations

from time import monotonic

import torch

from workers.catalog.workload import Session, unmarked
from workers.measurement import device
from workers.measurement.messages import Worked

SLOW_STEP_S = 0.5
"""Steps from here on are not repeated after the window: what its last moment is off by is lost in them."""


def worked(session: Session, on: torch.device, lead_s: float, window_s: float, tail_s: float) -> Worked:
    """Repeat steps: a lead that does not count, whole steps for at least the window, and a tail that does not count.

    Lead and tail keep the power steady while a counter catches up. What a step leaves behind is undone after each.

    Returns:
        Beginning and end of the window on the machine's monotonic clock, which other processes share, and its steps.
    """
    wait = device.wait(on)

    def repeat(until_s: float) -> tuple[float, int]:
        steps = 0
        while True:
            session.step(unmarked)
            wait()
            session.between()
            steps += 1
            if (now := monotonic()) >= until_s:
                return now, steps

    wait()
    began, _ = repeat(monotonic() + lead_s)
    ended, steps = repeat(began + window_s)
    if (ended - began) / steps < SLOW_STEP_S:
        repeat(ended + tail_s)
    return Worked(began_s=began, ended_s=ended, steps=steps)
