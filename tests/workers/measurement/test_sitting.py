"""Which pair counts, and what is left of one that does not."""

from pathlib import Path
from typing import Any, cast

from tests.workers.measurement.program import SPEC
from workers.catalog.spec import RunSpec
from workers.catalog.workloads.classify import Classify
from workers.measurement import protocol
from workers.measurement.arms import ArmProcess
from workers.measurement.messages import Answer, Order, Series
from workers.measurement.sitting import _Sitting


def test_what_a_pair_that_is_measured_again_did_not_reach_is_forgotten(tmp_path: Path) -> None:
    sitting = _Sitting(RunSpec.model_validate(SPEC | {"evaluation": None}), tmp_path, None, lambda _: None, None)
    sitting.record.unmet.append("pair 1: of before")
    sitting.record.contention["measure"] = 0.1
    with sitting.watch.over("start"):
        pass
    before = dict(sitting.watch.fields)
    tries = []

    def measure() -> bool:
        tries.append(sitting.tries)
        sitting.record.unmet.append(f"pair 2: try {len(tries)}")
        sitting.record.contention["measure"] = 0.5 / len(tries)
        if len(tries) == 3:
            return True
        with sitting.watch.over(f"try {len(tries)}"):
            pass
        return False

    sitting._until_it_counts(measure)
    assert tries == [0, 1, 2]
    assert sitting.record.unmet == ["pair 1: of before", "pair 2: try 3"]
    assert sitting.record.contention["measure"] == 0.5 / 3
    assert sitting.watch.fields == before


class Steady:
    """A process of the baseline whose every step takes a quarter of a second."""

    arm = "baseline"

    def __init__(self) -> None:
        self.steps = 0

    def do(self, order: Order) -> Answer:
        self.steps += order.samples
        return Answer(series=(Series(metric="latency", phase=Classify().main_phase, values=(0.25,) * order.samples),))


def test_each_process_of_the_baseline_warms_up(tmp_path: Path) -> None:
    spec: dict[str, Any] = SPEC | {"evaluation": None}
    sitting = _Sitting(RunSpec.model_validate(spec), tmp_path, None, lambda _: None, None)
    before, after = Steady(), Steady()
    for process in (before, after):
        sitting._warm_up(cast(ArmProcess, process))
    assert before.steps == after.steps >= protocol.MIN_SLOW_WARM_UP
