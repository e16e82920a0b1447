"""Chunked loss: the same loss and gradients as of all logits at once, which are never there."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, steps, verdicts, without
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.technique import Technique
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement.probes import anatomy

WORKLOAD = TrainStep(batch_size=4, sequence_length=32)
MODELS = (Llama(), ReferenceDecoder())


def trained(model: Model, *stack: Technique) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one batch."""
    ready = bench(model, stack)
    ready.model.train()
    batch = model.inputs(ready.model, batch_size=4, length=32, seed=3)
    with ready.step_context():
        loss = ready.loss(batch)
    torch.autograd.backward(loss)
    return float(loss.detach()), {
        name: each.grad for name, each in ready.model.named_parameters() if each.grad is not None
    }


@pytest.mark.parametrize("tokens", [None, 7, 1_000])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_loss_and_gradients_are_those_of_all_logits(model: Model, tokens: int | None) -> None:
    loss, gradients = trained(model)
    chunked, found = trained(model, ChunkedLoss(tokens=tokens))
    assert chunked == pytest.approx(loss, rel=1e-5)
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("short", [Precision(dtype="bf16"), Autocast(dtype="bf16")], ids=lambda each: each.word)
def test_in_16_bits_the_loss_is_as_near(short: Technique) -> None:
    loss, gradients = trained(ReferenceDecoder(), short)
    chunked, found = trained(ReferenceDecoder(), short, ChunkedLoss())
    assert chunked == pytest.approx(loss, rel=2e-3)
    for name, gradient in gradients.items():
        distance = float((found[name].float() - gradient.float()).norm() / gradient.float().norm())
        assert distance < 0.05, name


def test_a_training_has_the_same_losses() -> None:
    evaluation = LossTrajectory(steps=8, trainings=3, learning_rate=3e-3)
    plain, chunked = (
        evaluation.outputs(bench(ReferenceDecoder(), stack), WORKLOAD)["losses"] for stack in ((), (ChunkedLoss(),))
    )
    np.testing.assert_allclose(chunked, plain, rtol=1e-4)


def test_it_runs_as_asked_beside_others() -> None:
    assert proven(ChunkedLoss(), WORKLOAD, Llama()).ran == "as_asked"
    stack = (ChunkedLoss(tokens=16), GradientCheckpointing(), GradientAccumulation(steps=2), Autocast(dtype="fp16"))
    assert set(verdicts(WORKLOAD, Llama(), *stack).values()) == {"as_asked"}
    uncast = evidence(WORKLOAD, bench(Llama(), (ChunkedLoss(),)))
    assert Autocast().proof(without(uncast, stack=(ChunkedLoss(), Autocast()))).ran == "fell_back"


def test_all_logits_at_once_are_a_fall_back() -> None:
    technique = ChunkedLoss(tokens=16)
    plain, seen = (evidence(WORKLOAD, bench(Llama(), stack)) for stack in ((), (technique,)))
    assert technique.proof(plain).ran == "fell_back"
    assert technique.proof(without(seen, largest=plain.largest)).ran == "fell_back"
    assert technique.proof(without(seen, largest={})).ran == "fell_back"
    assert ChunkedLoss(tokens=8).proof(seen).ran == "fell_back", "chunks of other sizes"


def test_the_peak_holds_fewer_logits() -> None:
    peaks: list[Any] = []
    for stack in ((), (ChunkedLoss(),)):
        ready = bench(Llama(), stack)
        session = TrainStep(batch_size=4, sequence_length=128).prepare(ready)
        steps(session)
        found = anatomy.of_step(ready.model, session, torch.device("cpu"), "step")
        peaks.append(next(peak.allocated for peak in found.peaks if peak.phase == "forward"))
    whole = 4 * 127 * 4_096 * 4
    assert peaks[0] - peaks[1] > whole


def test_outputs_are_left_alone() -> None:
    ready = bench(Llama(), (ChunkedLoss(),))
    batch = ready.declared.inputs(ready.model, batch_size=1, length=4, seed=1)
    assert ready.declared.logits(ready.model, batch).shape == (1, 4, 4_096)


def test_logits_that_are_changed_after_the_head_are_refused() -> None:
    ready = bench(Llama())
    ready.model.config.final_logit_softcapping = 30.0  # type: ignore[union-attr]
    with pytest.raises(Unsupported, match="softcapping"):
        ChunkedLoss().transform(ready.model)
    with pytest.raises(Unsupported, match="linear head"):
        ChunkedLoss().transform(torch.nn.Linear(2, 2))
