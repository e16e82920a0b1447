"""The clock: what belongs to a sample, a part, and to none."""

import time
from typing import Any

import pytest
import torch

from workers.catalog.metrics import LATENCY, LATENCY_TPOT
from workers.catalog.workload import Mark, Part, Session
from workers.catalog.workloads.classify import Classify
from workers.measurement import device
from workers.measurement.probes import latency

CPU = torch.device("cpu")


class Parted(Classify):
    """A workload with two parts; the second is divided by four."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part("one", LATENCY), Part("two", LATENCY_TPOT, 4)


class Sleeper(Session):
    """Steps of known length that count what is done to them."""

    def __init__(self) -> None:
        self.steps = self.undone = 0

    def step(self, mark: Mark) -> None:
        self.steps += 1
        time.sleep(0.002)
        mark("one")
        time.sleep(0.004)
        mark("two")

    def between(self) -> None:
        self.undone += 1
        time.sleep(0.02)


class Counter(Session):
    steps = 0

    def step(self, mark: Mark) -> None:
        self.steps += 1


def test_parts_are_timed_apart_and_what_lies_between_steps_is_not_timed() -> None:
    session = Sleeper()
    whole, one, two = latency.steps(session, Parted(), CPU, samples=3, inner=2)
    assert (session.steps, session.undone) == (6, 6)
    assert (whole.metric, whole.phase, len(whole.values)) == ("latency", "classify", 3)
    assert (two.metric, two.phase) == ("latency.tpot", "two")
    for index in range(3):
        assert one.values[index] >= 0.002
        assert two.values[index] >= 0.001
        assert whole.values[index] >= one.values[index] + 4 * two.values[index] - 1e-6
    assert min(whole.values) < 0.02


def test_short_steps_are_timed_together() -> None:
    session = Counter()
    (whole,) = latency.steps(session, Classify(), CPU, samples=5, inner=40)
    assert session.steps == 200
    assert len(whole.values) == 5


def test_the_collector_is_on_again_even_after_a_failure() -> None:
    import gc

    class Broken(Session):
        def step(self, mark: Mark) -> None:
            assert not gc.isenabled()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        latency.steps(Broken(), Classify(), CPU, 1, 1)
    assert gc.isenabled()


def test_the_timer_itself_is_far_quicker_than_a_step() -> None:
    assert 0 < latency.timer_seconds() < 1e-4


def test_once_returns_seconds() -> None:
    done: list[Any] = []
    assert latency.once(CPU, lambda: done.append(1)) >= 0
    assert done == [1]


class Ticking:
    """An event of a GPU whose clock stands still but for what a step adds to it."""

    now_ms = 0.0

    def __init__(self, enable_timing: bool = False) -> None:
        assert enable_timing
        self.at_ms: float | None = None

    def record(self) -> None:
        self.at_ms = Ticking.now_ms

    def elapsed_time(self, later: "Ticking") -> float:
        assert self.at_ms is not None
        assert later.at_ms is not None
        return later.at_ms - self.at_ms


@pytest.mark.parametrize("workload", [Classify(), Parted()], ids=["whole", "parted"])
def test_on_a_gpu_its_own_clock_stands_beside_the_hosts(monkeypatch: pytest.MonkeyPatch, workload: Classify) -> None:
    class Kernels(Session):
        def step(self, mark: Mark) -> None:
            Ticking.now_ms += 1.0
            mark("one")
            Ticking.now_ms += 3.0
            mark("two")

    monkeypatch.setattr(torch.cuda, "Event", Ticking)
    monkeypatch.setattr(device, "wait", lambda on: lambda: None)
    told = latency.steps(Kernels(), workload, torch.device("cuda"), samples=2, inner=3)
    series = {(each.metric, each.phase): each.values for each in told}
    assert series["latency.device", "classify"] == pytest.approx((0.004, 0.004))
    assert series["latency", "classify"][0] < 0.004
    if workload.parts:
        assert series["latency", "one"] == pytest.approx((0.001, 0.001))
        assert series["latency.tpot", "two"] == pytest.approx((0.003 / 4, 0.003 / 4))
