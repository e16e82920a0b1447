"""One arm: a fresh process that loads a model with one stack and does what the coordinator orders, one deed at a time.

``python -m workers.measurement.arm --parent PID`` is started by the coordinator alone.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from typing import IO, TYPE_CHECKING

from workers.measurement import failures
from workers.measurement.messages import Answer, Order

if TYPE_CHECKING:
    from workers.measurement.subject import Subject

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def main() -> None:
    """Answer orders until one fails, the last is done, or the coordinator is gone."""
    _die_with(int(sys.argv[sys.argv.index("--parent") + 1]))
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    orders, answers = _channel()
    subject: Subject | None = None
    for line in orders:
        try:
            order = Order.model_validate_json(line)
            if order.deed == "end":
                return
            if subject is None:
                # torch is first imported here, so that its absence is an answer and not a crash.
                from workers.measurement.subject import Subject

                subject = Subject(order)
            answer: Answer = getattr(subject, order.deed)(order)
        except Exception as error:  # noqa: BLE001 - whatever a model or library raises is this run's outcome
            answer = Answer(failed=failures.typed(error))
        answers.write(answer.model_dump_json() + "\n")
        answers.flush()
        if answer.failed:
            return


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the coordinator ends, however it ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended before the kernel knew.
        os._exit(1)


def _channel() -> tuple[IO[str], IO[str]]:
    """Orders in and answers out on descriptors of their own: what a library prints goes to standard error instead."""
    orders = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, answers


if __name__ == "__main__":
    main()
