"""What the arms answer to the evaluation's items: which answers a pair is asked for, and their scores."""

from pathlib import Path
from typing import Any

import numpy as np

from workers.catalog.evaluation import Evaluation
from workers.catalog.report import Arm
from workers.measurement.record import Record


class Answers:
    """Files of answers, one of each arm and one of the baseline's second time; without an evaluation there are none.

    The first pair answers for both arms. The baseline answers again in another process where there is one, to see whether it
    agrees with itself.
    """

    def __init__(self, evaluation: Evaluation | None, scratch: Path, pairs: int) -> None:
        """Prepare.

        Args:
            evaluation: whose items are answered.
            scratch: the folder for the files.
            pairs: how many pairs of processes there are at least.
        """
        self._evaluation = evaluation
        self._scratch = scratch
        self._repeated = min(1, pairs - 1)

    def wanted(self, arm: Arm, pair: int) -> list[Path]:
        """Where this arm of this pair writes its answers, in turn; most pairs write none."""
        if self._evaluation is None:
            return []
        paths = [self._of(arm)] if pair == 0 else []
        return paths + ([self._again] if pair == self._repeated and arm == "baseline" else [])

    def score(self, record: Record, pair: int) -> None:
        """The variant's answers against the baseline's, item by item; and the baseline's against its own."""
        if self._evaluation is None or pair not in (0, self._repeated):
            return
        baseline = _read(self._of("baseline"))
        if pair == 0:
            variant = _read(self._of("variant"))
            record.identical = all(np.array_equal(baseline[name], variant[name]) for name in baseline)
            record.scores = dict(self._evaluation.score(baseline, variant))
        if pair == self._repeated:
            record.again = dict(self._evaluation.score(baseline, _read(self._again)))

    def _of(self, arm: Arm) -> Path:
        return self._scratch / f"outputs-{arm}.npz"

    @property
    def _again(self) -> Path:
        return self._scratch / "outputs-again.npz"


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Answers by name."""
    return dict(np.load(path, allow_pickle=False))
