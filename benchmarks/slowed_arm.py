"""An arm whose variant is slower by a known share: after every step it spins for that share of what the step took.

Stands in for ``workers.measurement.arm`` when a benchmark asks whether the harness finds a slow-down that is really there.
"""

import os
from collections.abc import Callable
from time import perf_counter_ns

from workers.catalog.workload import Mark
from workers.measurement import arm, subject
from workers.measurement.messages import Answer, Order

SHARE = "BENCHMARK_SLOWED_BY"
"""Environment variable: 0.03 makes steps of the variant 3 % longer."""


class SlowedSubject(subject.Subject):
    """A subject that slows the variant's session down once it is prepared."""

    def first_call(self, order: Order) -> Answer:
        answer = super().first_call(order)
        if self.arm == "variant":
            self.session.step = _slowed(self.session.step, float(os.environ[SHARE]))  # type: ignore[method-assign]
        return answer


def _slowed(step: Callable[[Mark], None], share: float) -> Callable[[Mark], None]:
    def slow(mark: Mark) -> None:
        start = perf_counter_ns()
        step(mark)
        end = perf_counter_ns()
        until = end + round((end - start) * share)
        while perf_counter_ns() < until:
            continue

    return slow


if __name__ == "__main__":
    subject.Subject = SlowedSubject  # type: ignore[misc]
    arm.main()
