"""The measuring program itself, with one thing wrong in the variant's process; the variant's name says what.

``python -m tests.programs.spoiled`` takes the place of ``python -m workers.measurement``. Everything but the deed that goes
wrong is the real one: spec, coordinator, arms, torch, report.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from workers.measurement import __main__ as program
from workers.measurement import arm, arms
from workers.measurement.messages import Answer, Order

FOREVER_S = 600.0


def host_oom() -> None:
    import torch

    held = []
    while True:
        held.append(torch.ones(25_000_000))


def device_oom() -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def segfault() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def exit_3() -> None:
    os._exit(3)


def deaf_loop() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        print("still here", flush=True)
        time.sleep(0.05)


def silent() -> None:
    time.sleep(FOREVER_S)


def daemon() -> None:
    """Leaves a process behind that has its own session and no mark, and goes on."""
    left = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"], start_new_session=True, env={}
    )
    print(f"left {left.pid}", flush=True)


def flood() -> None:
    """Writes a gigabyte where a program's words go, then answers with what no report can carry."""
    for _ in range(1_000):
        sys.stdout.write("x" * 1_000_000 + "\n")


BEHAVIOURS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (host_oom, device_oom, segfault, abort, exit_3, deaf_loop, silent, daemon, flood)
}


def spoil() -> None:
    """Have the variant misbehave in its first timed block."""
    from workers.measurement.subject import Subject

    steps = Subject.steps

    def spoiled(self: Subject, order: Order) -> Answer:
        name = self.spec.variant.name
        if self.arm != "variant" or name not in BEHAVIOURS:
            return steps(self, order)
        answer = steps(self, order)
        if order.samples > 1:  # The warm-up begins with a single step.
            BEHAVIOURS.pop(name)()
        return answer if name != "flood" else answer.model_copy(update={"notes": ("y" * 100_000_000,)})

    Subject.steps = spoiled  # type: ignore[method-assign]


if __name__ == "__main__":
    if "--parent" in sys.argv:
        spoil()
        arm.main()
    else:
        arms.MODULE = "tests.programs.spoiled"
        program.main()
