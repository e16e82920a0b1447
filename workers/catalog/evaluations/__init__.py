"""The menu of evaluations, in the order in which pages show them."""

from workers.catalog.evaluation import Evaluation
from workers.catalog.evaluations.divergence import Divergence

AnyEvaluation = Divergence
EVALUATIONS: tuple[type[Evaluation], ...] = (Divergence,)
BY_WORD: dict[str, type[Evaluation]] = {evaluation.word: evaluation for evaluation in EVALUATIONS}
