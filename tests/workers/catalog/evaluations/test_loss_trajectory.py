"""Loss trajectory: trainings that really train, from one start on the same batches, and put everything back."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import nn

from tests.workers.catalog.observed import bench
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.metrics import QUALITY_FINAL_LOSS, QUALITY_LOSS, QUALITY_LOSS_DEVIATION
from workers.catalog.model import Model
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.technique import Family, Technique
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.optimizer import Optimizer
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement import quality

EVALUATION = LossTrajectory(steps=12, trainings=3, learning_rate=3e-3)
WORKLOAD = TrainStep(batch_size=8, sequence_length=16)
MODEL = Mlp(width=64)
MODELS = (MODEL, ReferenceVit(), ReferenceDecoder())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_the_same_training_gives_the_same_losses_and_leaves_the_model_as_it_was(model: Model) -> None:
    ready = bench(model)
    before = {name: value.clone() for name, value in ready.model.state_dict().items()}
    first = EVALUATION.outputs(ready, WORKLOAD)["losses"]
    again = EVALUATION.outputs(ready, WORKLOAD)["losses"]
    np.testing.assert_allclose(again, first, rtol=1e-5)
    for name, value in ready.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert first.shape == (3, 12)
    assert not ready.model.training


def test_losses_fall_and_trainings_differ() -> None:
    losses = EVALUATION.outputs(bench(MODEL), WORKLOAD)["losses"]
    assert (losses[:, -4:].mean(1) < 0.8 * losses[:, :4].mean(1)).all()
    assert len(np.unique(losses[:, 0])) == 3


def test_accumulation_is_the_same_training_and_another_rate_is_not() -> None:
    plain = EVALUATION.outputs(bench(MODEL), WORKLOAD)
    split = EVALUATION.outputs(bench(MODEL, (GradientAccumulation(steps=4),)), WORKLOAD)
    slow = LossTrajectory(steps=12, trainings=3, learning_rate=1e-4).outputs(bench(MODEL), WORKLOAD)
    verdicts = []
    for other in (split, slow):
        scores = EVALUATION.score(plain, other)
        found = [quality.compare(scoring, scores[scoring.metric.name], seed=0) for scoring in EVALUATION.scorings]
        verdicts.append([each.verdict for each in found if each is not None])
    assert verdicts == [["same", "same", "same"], ["worse", "worse", "worse"]]


class WrongScale(Technique):
    """Tells the right loss and has its gradient four times as large, as when micro-batches are added up and not averaged."""

    technique: Literal["wrong_scale"] = "wrong_scale"
    title = "Wrong scale"
    summary = "Scales gradients by mistake."
    family: ClassVar[Family] = "training"

    def loss(self, declared: Model, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = declared.loss(model, batch)
        return loss.detach() + 4 * (loss - loss.detach())


def verdicts(model: Model, baseline: Sequence[Technique], variant: Sequence[Technique]) -> set[str]:
    plain, other = (EVALUATION.outputs(bench(model, stack), WORKLOAD) for stack in (baseline, variant))
    scores = EVALUATION.score(plain, other)
    found = [quality.compare(scoring, scores[scoring.metric.name], seed=0) for scoring in EVALUATION.scorings]
    return {each.verdict for each in found if each is not None}


@pytest.mark.parametrize(
    "technique",
    [
        GradientAccumulation(steps=4),
        GradientCheckpointing(),
        GradientCheckpointing(selective=True),
        ChunkedLoss(tokens=16),
        Optimizer(algorithm="adamw", implementation="fused"),
        Optimizer(algorithm="adamw", in_backward=True),
    ],
    ids=lambda technique: technique.label(),
)
def test_what_only_orders_the_work_anew_is_the_same_training(technique: Technique) -> None:
    assert verdicts(ReferenceDecoder(), (), (technique,)) == {"same"}


def test_gradients_of_a_wrong_scale_are_found_out_where_they_matter() -> None:
    momentum = Optimizer(algorithm="sgd")
    assert "same" not in verdicts(MODEL, (momentum,), (momentum, WrongScale()))
    assert verdicts(MODEL, (momentum,), (momentum, GradientAccumulation(steps=4))) == {"same"}


def test_autocast_goes_through_the_techniques_own_step() -> None:
    plain, cast = (EVALUATION.outputs(bench(MODEL, stack), WORKLOAD) for stack in ((), (Autocast(dtype="bf16"),)))
    deviation = EVALUATION.score(plain, cast)[QUALITY_LOSS_DEVIATION.name].variant
    assert 0 < deviation.mean() < 0.05


def test_scores_are_logarithms_and_distances() -> None:
    old, new = np.full((3, 8), 2.0), np.full((3, 8), 2.2)
    scores = EVALUATION.score({"losses": old}, {"losses": new})
    loss, final, deviation = (
        scores[metric.name] for metric in (QUALITY_LOSS, QUALITY_FINAL_LOSS, QUALITY_LOSS_DEVIATION)
    )
    assert loss.baseline is not None
    assert final.baseline is not None
    np.testing.assert_allclose(loss.variant - loss.baseline, np.log(1.1))
    np.testing.assert_allclose(final.variant - final.baseline, np.log(1.1))
    np.testing.assert_allclose(deviation.variant, 0.1)
    assert len(final.variant) == 3
    assert loss.clusters is not None
    assert loss.clusters.tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_what_does_not_train_has_no_losses() -> None:
    assert "does not train" in str(EVALUATION.misfit(MODEL, Prefill()))
    assert EVALUATION.misfit(MODEL, WORKLOAD) is None
