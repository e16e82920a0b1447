"""Metering two arms in turns, with a made-up clock, counter and arms: what is read, said, and left unsaid."""

import threading
import time
from pathlib import Path
from typing import get_args

import pytest

from tests.workers.measurement.program import SPEC
from workers.catalog.report import Arm
from workers.catalog.spec import RunSpec
from workers.measurement import metering, sitting
from workers.measurement.messages import Answer, Order, Worked
from workers.measurement.metering import Metered
from workers.measurement.probes import energy
from workers.measurement.probes.energy import Look

pytestmark = pytest.mark.long

WORKLOAD = RunSpec.model_validate(SPEC).workload
REFRESH_S = 0.1


class Bench:
    """A machine whose time passes only when somebody sleeps or works: 80 W at rest, more at work.

    Its clock is moved in steps of a hundredth of a second; the counter moves every tenth.
    """

    method = "made up"
    poll_s = 0.02

    def __init__(self, *, stuck: bool = False, sensor: float = 1.0, refresh_s: float = REFRESH_S) -> None:
        self.now = 50.0
        self.spent = 0.0
        self.shown = 0.0
        self.watts = 80.0
        self.stuck = stuck
        self.sensor = sensor
        self.refresh_s = refresh_s
        self.looks: list[Look] = []
        self.ticks = 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            self.spent += self.watts * 0.01
            self.ticks += 1
            if not self.stuck and self.ticks % round(self.refresh_s * 100) == 0:
                self.shown = self.spent
            if self.ticks % 2 == 0:
                self.looks.append(Look(self.now, self.shown, self.watts * self.sensor))

    def joules(self) -> float:
        return self.shown

    def power_w(self) -> float:
        return self.watts * self.sensor

    def temperature_c(self) -> float:
        return 40.0


class Worker:
    """An arm that takes a tenth of a second a step, at a power of its own."""

    def __init__(self, bench: Bench, arm: Arm, watts: float) -> None:
        self.arm: Arm = arm
        self.bench = bench
        self.watts = watts
        self.orders: list[Order] = []

    def do(self, order: Order) -> Answer:
        self.orders.append(order)
        self.bench.watts = self.watts
        self.bench.sleep(order.lead_s)
        began = self.bench.now
        steps = round(order.window_s / 0.1)
        self.bench.sleep(steps * 0.1)
        ended = self.bench.now
        self.bench.sleep(order.tail_s)
        self.bench.watts = 80.0
        return Answer(worked=Worked(began_s=began, ended_s=ended, steps=steps))


def metered(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> tuple[Metered, list[Worker]]:
    workers = [Worker(bench, "variant", 200.0), Worker(bench, "baseline", 400.0)]

    # The bench writes the looks down as its time passes, so that no thread races with a clock that does not run.
    def watch(source: object, looks: list[Look], *_: object) -> None:
        bench.looks = looks

    class Thread(threading.Thread):
        def start(self) -> None:
            self.run()

        def join(self, timeout: float | None = None) -> None:
            return

    monkeypatch.setattr(metering, "watch", watch)
    monkeypatch.setattr(threading, "Thread", Thread)
    return metering.turns(bench, workers, WORKLOAD, bench.clock, bench.sleep), workers


def values(found: Metered, arm: Arm) -> dict[str, float]:
    return {reading.metric: reading.value for reading in found.answers[arm].readings}


def test_each_arm_is_metered_alone_and_rest_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found, workers = metered(monkeypatch, Bench())
    assert list(found.answers) == ["variant", "baseline"]
    assert WORKLOAD.samples is not None
    for arm, watts in (("variant", 200.0), ("baseline", 400.0)):
        assert arm in get_args(Arm)
        read = values(found, arm)  # type: ignore[arg-type]
        assert read["power.mean"] == pytest.approx(watts, rel=0.01)
        assert read["energy.step"] == pytest.approx(watts * 0.1, rel=0.01)
        assert read["energy.sample"] == pytest.approx(watts * 0.1 / WORKLOAD.samples, rel=0.01)
        assert read["power.idle"] == pytest.approx(80.0, rel=0.02)
        assert read["power.peak"] == watts
        assert "energy.token" not in read
    assert found.unmet == ()
    assert not any(answer.notes for answer in found.answers.values())
    assert found.environment["state.energy.refresh_s"] == pytest.approx(REFRESH_S)
    assert found.environment["state.energy.temperature_c.baseline"] == 40.0
    assert workers[0].orders[0].window_s >= 5.0


def test_a_slow_counter_gets_a_longer_window(monkeypatch: pytest.MonkeyPatch) -> None:
    found, workers = metered(monkeypatch, Bench(refresh_s=0.5))
    assert workers[0].orders[0].window_s == pytest.approx(30.0)
    assert found.unmet == ()
    assert values(found, "baseline")["power.mean"] == pytest.approx(400.0, rel=0.01)


def test_a_counter_too_slow_for_any_window_leaves_a_criterion_unmet(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = metered(monkeypatch, Bench(refresh_s=2.0))
    assert len(found.unmet) == 2
    assert "goal 50" in found.unmet[0]


def test_a_counter_that_stands_still_is_a_note_and_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = metered(monkeypatch, Bench(stuck=True))
    for answer in found.answers.values():
        assert answer.readings == ()
        assert "not measurable" in answer.notes[0]


def test_a_sensor_that_says_three_quarters_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = metered(monkeypatch, Bench(sensor=1.75))
    assert "75% apart" in found.answers["variant"].notes[0]
    assert found.environment["state.energy.gap"] == pytest.approx(0.75, abs=0.02)


def test_watching_ends_with_one_more_look_and_skips_what_cannot_be_read() -> None:
    class Flaky(Bench):
        readings = iter((1.0, None, 3.0))

        def joules(self) -> float:
            return next(self.readings)  # type: ignore[return-value]

    looks: list[Look] = []
    answers = iter((False, True))
    times = iter((10.0, 11.0, 12.0))
    metering.watch(Flaky(), looks, lambda _: next(answers), lambda: next(times))
    assert looks == [Look(10.0, 1.0, 80.0), Look(12.0, 3.0, 80.0)]


class Steady:
    """A counter of a machine that draws 50 W whatever it does."""

    method = "made up: 50 W"
    poll_s = 0.005

    def joules(self) -> float:
        return 50.0 * time.monotonic()

    def power_w(self) -> None:
        return

    def temperature_c(self) -> None:
        return


def test_a_sitting_with_a_counter_reports_energy_with_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "find", lambda *_: Steady())
    for name, seconds in (("COOLDOWN_S", 0.1), ("IDLE_S", 0.2), ("LEAD_S", 0.1), ("WINDOW_S", 0.5)):
        monkeypatch.setattr(metering, name, seconds)
    report = sitting.hold(RunSpec.model_validate(SPEC | {"evaluation": None}), tmp_path, None, lambda _: None)
    assert report.outcome == "ok"
    assert report.environment["energy.method"] == "made up: 50 W"
    read = {
        (each.metric, each.arm): each for each in report.measurements if each.metric.startswith(("energy", "power"))
    }
    for arm in get_args(Arm):
        assert read["power.mean", arm].value == pytest.approx(50.0, rel=0.05)
        assert read["power.idle", arm].value == pytest.approx(50.0, rel=0.1)
        assert read["energy.sample", arm].value * 32 == pytest.approx(read["energy.step", arm].value)
        assert read["energy.step", arm].low < read["energy.step", arm].value < read["energy.step", arm].high
        assert ("power.peak", arm) not in read
    effects = {each.metric: each for each in report.effects if each.metric.startswith(("energy", "power"))}
    assert set(effects) == {"energy.step", "energy.sample", "power.mean"}
    assert effects["power.mean"].ratio == pytest.approx(1.0, rel=0.05)
    assert effects["energy.step"].verdict in ("smaller", "larger", "same", "undecided")


def test_a_sitting_without_a_counter_says_why_and_reports_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "find", lambda *_: "no counter is there")
    report = sitting.hold(RunSpec.model_validate(SPEC | {"evaluation": None}), tmp_path, None, lambda _: None)
    assert report.environment["energy.method"] == "not measurable here: no counter is there"
    assert not [each for each in report.measurements if each.metric.startswith(("energy", "power"))]
    for stretch in ("before", "start", "measure", "after"):
        assert report.environment[f"state.contention.{stretch}"] is not None
