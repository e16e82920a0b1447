"""What others take of the processors, by counters that the test moves itself."""

import time

import pytest

from workers.measurement import environment
from workers.measurement.probes import others
from workers.measurement.probes.others import Others


@pytest.mark.parametrize(
    ("used", "own", "share"), [(6.0, 2.0, 0.5), (2.0, 2.0, 0.0), (1.0, 2.0, 0.0), (99.0, 0.0, 1.0)]
)
def test_the_share_is_all_that_was_used_less_our_own(
    monkeypatch: pytest.MonkeyPatch, used: float, own: float, share: float
) -> None:
    clock = iter([100.0, 102.0])
    machine, mine = iter([50.0, 50.0 + used]), iter([7.0, 7.0 + own])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(environment, "processor_seconds", lambda: next(machine))
    monkeypatch.setattr(others, "_own_seconds", lambda: next(mine))
    monkeypatch.setattr(environment, "affinity", lambda: 4)
    with Others() as seen:
        pass
    assert (seen.seconds, seen.share) == (2.0, share)


def test_our_own_work_is_ours() -> None:
    before = others._own_seconds()
    sum(range(3_000_000))
    assert others._own_seconds() > before
