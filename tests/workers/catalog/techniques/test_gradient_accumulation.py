"""Gradient accumulation: the micro-batches add up to the gradient of the whole batch."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven
from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.technique import Technique
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=5, sequence_length=8)


def gradients_at_update(model: Model, monkeypatch: pytest.MonkeyPatch, *stack: Technique) -> list[torch.Tensor]:
    ready = bench(model, stack)
    found: list[torch.Tensor] = []

    def update(optimizer: torch.optim.Optimizer) -> None:
        found.extend(weight.grad.clone() for group in optimizer.param_groups for weight in group["params"])

    session = WORKLOAD.prepare(ready)
    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", update)
        session.step(lambda _: None)
    return found


@pytest.mark.parametrize("model", [Llama(), Mlp(width=64)], ids=lambda model: model.word)
def test_the_gradient_is_that_of_the_whole_batch(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients_at_update(model, monkeypatch)
    pieces = gradients_at_update(model, monkeypatch, GradientAccumulation(steps=2))
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


def test_it_runs_as_asked() -> None:
    assert proven(GradientAccumulation(steps=5), WORKLOAD, Mlp(width=64)).ran == "as_asked"


def test_batch_norm_is_told() -> None:
    verified = proven(GradientAccumulation(steps=2), WORKLOAD, Resnet(preset="tiny", image_size=32))
    assert "Batch norm" in verified.detail


def test_one_batch_at_once_is_a_fall_back() -> None:
    seen = evidence(WORKLOAD, bench(Mlp(width=64)))
    assert GradientAccumulation(steps=2).proof(seen).ran == "fell_back"


def test_more_micro_batches_than_samples_do_not_fit() -> None:
    assert "5" in str(GradientAccumulation(steps=6).misfit(WORKLOAD))
    assert GradientAccumulation(steps=5).misfit(WORKLOAD) is None
