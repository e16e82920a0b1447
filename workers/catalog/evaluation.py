"""What one evaluation declares and does: outputs of an arm are kept, then scored item by item beside the baseline's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workers.catalog.declared import Declared
from workers.catalog.metrics import Metric
from workers.catalog.model import Model
from workers.catalog.report import Arm
from workers.catalog.technique import ANY_MODEL, ModelKind
from workers.catalog.workload import Bench, Workload

if TYPE_CHECKING:
    import numpy as np

Scale = Literal["log", "share", "agreement", "divergence", "deviation"]
"""What the scores of items are, and so how they become a value and a comparison.

=============  ==============================================  =================  =========================================
scale          an item's score                                 value of an arm    variant over baseline
=============  ==============================================  =================  =========================================
``log``        a logarithm, of each arm                        exp of the mean    exp of the mean difference
``share``      1 or 0, of each arm                             mean               ratio of means; judged by the difference
``agreement``  1 where the variant answers as the baseline     mean               the value itself: the baseline's is 1
``divergence`` nats from the baseline, not negative            mean               exp of the mean: the baseline's is 1
``deviation``  relative distance from the baseline             mean               1 + mean: the baseline's is 1
=============  ==============================================  =================  =========================================
"""
Outputs = Mapping[str, "np.ndarray"]
"""What an arm answered, by name; the first axis of an array is not always the item."""


class Scoring(NamedTuple):
    """How scores of items become one metric."""

    metric: Metric
    scale: Scale
    margin: float
    """Arms this near to each other are called the same: a share of the value, for ``share`` and ``agreement`` points."""
    because: str
    """Why this margin."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One metric, item by item; the same items in the same order in both arms."""

    variant: np.ndarray
    """[N], float64."""
    baseline: np.ndarray | None = None
    """[N], float64; None where a score is itself a comparison with the baseline."""
    clusters: np.ndarray | None = None
    """[N], integers; items with the same number share a text or a start and are not independent."""

    def of_arms(self) -> Iterator[tuple[Arm, np.ndarray]]:
        """The scores of each arm that has its own."""
        if self.baseline is not None:
            yield "baseline", self.baseline
        yield "variant", self.variant


class Evaluation(Declared):
    """How quality is scored."""

    scorings: ClassVar[tuple[Scoring, ...]]
    """What it scores."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """The metrics of ``scorings``."""
    kinds: ClassVar[frozenset[ModelKind]] = ANY_MODEL
    packages: ClassVar[tuple[str, ...]] = ()
    """Import names the measuring program needs besides torch; a missing one ends the run ``unsupported``."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.metrics = tuple(scoring.metric for scoring in getattr(cls, "scorings", ()))

    @property
    def reach(self) -> int | None:
        """Tokens it has a decoder read at once, through the stack's KV cache where that loses something.

        None where it never reads through a cache.
        """
        return None

    def label(self) -> str:
        """A few words for a table cell, for example "divergence, items 256"; scores of one label are of the same items."""
        given = (
            f"{name.replace('_', ' ')} {value}" for name, value in self.parameters.items() if value not in ("", None)
        )
        return ", ".join((self.word, *given))

    def misfit(self, model: Model, workload: Workload) -> str | None:
        """Why this model or workload cannot be evaluated so, beyond its kind; None when it can."""
        return None

    @abstractmethod
    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """What an arm answers to the evaluation's fixed inputs; leaves the model as it was.

        Raises:
            Unsupported: this model or machine cannot be evaluated so; the message says why.
        """

    @abstractmethod
    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        """Scores per item, by metric name."""


def has_data(model: Model) -> bool:
    """Whether a model may have real data to be scored on; whether it has, its ``labelled`` says where numpy is."""
    return type(model).labelled is not Model.labelled


def reads_text(model: Model) -> bool:
    """Whether a model may have a tokenizer of its own."""
    return type(model).encode is not Model.encode
