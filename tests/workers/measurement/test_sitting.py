"""Which pair counts, and what is left of one that does not."""

from pathlib import Path

from tests.workers.measurement.program import SPEC
from workers.catalog.spec import RunSpec
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
