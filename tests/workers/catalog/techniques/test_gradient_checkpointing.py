"""Gradient checkpointing: blocks are computed again, gradients stay the same, fewer activations are kept."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.workers.catalog.observed import bench, evidence, proven, steps, verdicts, without
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.technique import Technique
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing, _blocks
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=2, sequence_length=16)
MODELS = (Llama(), Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=32))


def gradients(model: Model, *stack: Technique) -> dict[str, torch.Tensor]:
    ready = bench(model, stack)
    ready.model.train()
    batch = model.inputs(ready.model, batch_size=2, length=16, seed=3)
    torch.autograd.backward(model.loss(ready.model, batch))
    return {name: weight.grad for name, weight in ready.model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_blocks_are_computed_again_with_the_same_gradients(model: Model, reentrant: bool) -> None:
    technique = GradientCheckpointing(reentrant=reentrant)
    assert proven(technique, WORKLOAD, model).ran == "as_asked"
    plain, checkpointed = gradients(model), gradients(model, technique)
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, msg=name)


def test_every_second_block_is_half_of_them() -> None:
    calls = {
        every: evidence(WORKLOAD, bench(Llama(), (GradientCheckpointing(every=every),))).facts["recomputed_calls"]
        for every in (1, 2, 6)
    }
    assert calls == {1: 6, 2: 3, 6: 1}


def test_fewer_activations_are_kept() -> None:
    def kept(*stack: Technique) -> int:
        ready = bench(Llama(), stack)
        ready.model.train()
        batch = ready.declared.inputs(ready.model, batch_size=2, length=64, seed=1)
        held = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal held
            held += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            ready.declared.loss(ready.model, batch)
        return held

    assert kept(GradientCheckpointing(reentrant=True)) < kept() / 2


def test_it_keeps_the_kernels_of_the_forward_pass() -> None:
    stack = (GradientCheckpointing(), Attention(backend="math"), Autocast(dtype="bf16"), GradientAccumulation(steps=2))
    assert set(verdicts(WORKLOAD, Llama(), *stack).values()) == {"as_asked"}
    seen = evidence(WORKLOAD, bench(Llama(), stack))
    assert not any("flash" in name for name in seen.operators)


def test_a_step_without_recomputation_is_a_fall_back() -> None:
    seen = evidence(WORKLOAD, bench(Mlp(width=64)))
    assert GradientCheckpointing().proof(seen).ran == "fell_back"
    assert GradientCheckpointing().proof(without(seen, facts={})).ran == "fell_back"


def test_inference_through_the_model_is_left_alone() -> None:
    ready = bench(Mlp(width=64), (GradientCheckpointing(),))
    batch = ready.declared.inputs(ready.model, batch_size=2, length=None, seed=1)
    with torch.inference_mode():
        assert ready.declared.logits(ready.model, batch).shape == (2, 16)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_selective_keeps_products_and_computes_the_rest_again(model: Model) -> None:
    technique = GradientCheckpointing(selective=True)
    counts = {}
    for name, stack in {"plain": (), "whole": (GradientCheckpointing(),), "selective": (technique,)}.items():
        session = WORKLOAD.prepare(bench(model, stack))
        with FlopCounterMode(display=False) as counted:
            steps(session)
        counts[name] = counted.get_total_flops()
    assert counts["plain"] == counts["selective"]
    assert counts["whole"] > 1.1 * counts["plain"]
    assert proven(technique, WORKLOAD, model).ran == "as_asked"
    plain, selective = gradients(model), gradients(model, technique)
    for name, gradient in plain.items():
        torch.testing.assert_close(selective[name], gradient, msg=name)


def test_whole_blocks_are_no_selective_ones() -> None:
    whole, selective = GradientCheckpointing(), GradientCheckpointing(selective=True)
    seen = {each.selective: evidence(WORKLOAD, bench(Llama(), (each,))) for each in (whole, selective)}
    assert selective.proof(seen[False]).ran == "fell_back"
    assert whole.proof(seen[True]).ran == "fell_back"
    assert "other kind" in str(GradientCheckpointing(selective=True, reentrant=True).misfit(WORKLOAD))
    assert selective.misfit(WORKLOAD) is None


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(Unsupported, match="repeated blocks"):
        _blocks(torch.nn.Linear(2, 2), "Gradient checkpointing")


def test_loss_stays_the_same_over_steps() -> None:
    ready = bench(Mlp(width=64), (GradientCheckpointing(),))
    session = WORKLOAD.prepare(ready)
    losses = []
    for _ in range(3):
        steps(session)
        losses.append(session.facts()["loss"])
    assert len(set(losses)) == 1
