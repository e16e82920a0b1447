"""Reads the kernel's counters: what others took of the processors during a stretch, as a single process sees it."""

from __future__ import annotations

import resource
import time

from workers.measurement import environment


class Others:
    """Around a stretch of work: ``with Others() as others: ...``, then ``others.seconds`` and ``others.share``."""

    seconds: float = 0.0
    """How long it took."""
    share: float = 0.0
    """Of the processors that this process may use, how much others kept busy (0 to 1)."""

    def __enter__(self) -> Others:
        self._began, self._used, self._own = time.monotonic(), environment.processor_seconds(), _own_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        others = environment.processor_seconds() - self._used - (_own_seconds() - self._own)
        self.share = min(1.0, max(0.0, others / self.seconds / environment.affinity()))


def _own_seconds() -> float:
    """Processor time of this process with all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
