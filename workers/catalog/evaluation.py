"""What one evaluation declares and does: outputs of an arm are kept, then compared item by item with the baseline's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from workers.catalog.declared import Declared
from workers.catalog.metrics import Metric
from workers.catalog.workload import Bench

if TYPE_CHECKING:
    import numpy as np


class Evaluation(Declared):
    """How quality is scored."""

    metrics: ClassVar[tuple[Metric, ...]]
    """What it scores, in the order of ``score``."""

    @abstractmethod
    def outputs(self, bench: Bench) -> np.ndarray:
        """What an arm answers to the evaluation's fixed inputs: log-probabilities [N, V] in float32."""

    @abstractmethod
    def score(self, baseline: np.ndarray, candidate: np.ndarray) -> Mapping[str, np.ndarray]:
        """Scores per item, by metric name; each array is [N] and its mean is the metric's value."""
