"""Work for a window of time, under a made-up clock: what counts and what does not."""

import pytest
import torch

from workers.catalog.workload import Mark, Session
from workers.measurement.probes import window

CPU = torch.device("cpu")


class Clock:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Work(Session):
    def __init__(self, clock: Clock, step_s: float) -> None:
        self.clock = clock
        self.step_s = step_s
        self.done: list[str] = []

    def step(self, mark: Mark) -> None:
        self.clock.now += self.step_s
        self.done.append("step")

    def between(self) -> None:
        self.done.append("undo")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(window, "monotonic", clock)
    return clock


def test_whole_steps_fill_the_window_and_lead_and_tail_do_not_count(clock: Clock) -> None:
    session = Work(clock, 0.25)
    worked = window.worked(session, CPU, lead_s=1.0, window_s=2.1, tail_s=0.5)
    assert (worked.began_s, worked.ended_s, worked.steps) == (101.0, 103.25, 9)
    assert session.done == ["step", "undo"] * (4 + 9 + 2)


def test_slow_steps_are_at_least_one_and_have_no_tail(clock: Clock) -> None:
    session = Work(clock, 4.0)
    worked = window.worked(session, CPU, lead_s=1.0, window_s=2.0, tail_s=0.5)
    assert (worked.began_s, worked.ended_s, worked.steps) == (104.0, 108.0, 1)
    assert len(session.done) == 4
