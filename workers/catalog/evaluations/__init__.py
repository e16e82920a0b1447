"""The menu of evaluations, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.evaluation import Evaluation
from workers.catalog.evaluations.accuracy import Accuracy
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.evaluations.lm_eval import LmEval
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.evaluations.perplexity import Perplexity

AnyEvaluation = Annotated[Divergence | Perplexity | Accuracy | LossTrajectory | LmEval, Field(discriminator="name")]
EVALUATIONS: tuple[type[Evaluation], ...] = (Divergence, Perplexity, Accuracy, LossTrajectory, LmEval)
BY_WORD: dict[str, type[Evaluation]] = {evaluation.word: evaluation for evaluation in EVALUATIONS}
