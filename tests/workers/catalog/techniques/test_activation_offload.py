"""Activation offload: large activations wait elsewhere, weights and small ones stay, and gradients are the same."""

from typing import Any
from unittest import mock

import pytest
import torch

from tests.workers.catalog.observed import CPU, bench
from workers.catalog.applicability import unfit
from workers.catalog.models.llama import Llama
from workers.catalog.technique import Evidence, Technique
from workers.catalog.techniques.activation_offload import ActivationOffload, moved
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=2, sequence_length=32)
LEAST = 2 * 32 * 256 * 4
"""Bytes of one residual stream of the tiny model."""


def gradients(*stack: Technique, offload: bool) -> tuple[list[torch.Tensor], list[int]]:
    """Gradients of a step, and how many bytes each tensor had that was moved."""
    ready = bench(Llama(), stack)
    ready.model.train()
    batch = ready.declared.inputs(ready.model, batch_size=2, length=32, seed=1)
    moves: list[int] = []
    copy = torch.Tensor.copy_

    def counted(waiting: torch.Tensor, tensor: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        moves.append(tensor.nbytes)
        return copy(waiting, tensor, non_blocking)

    with mock.patch.object(torch.Tensor, "copy_", counted), moved("cpu" if offload else "cuda", LEAST, pinned=False):
        torch.autograd.backward(ready.declared.loss(ready.model, batch))
    return [each.grad for each in ready.model.parameters() if each.grad is not None], moves


@pytest.mark.parametrize("stack", [(), (GradientCheckpointing(),)], ids=["plain", "checkpointed"])
def test_gradients_are_the_same_and_only_large_activations_are_moved(stack: tuple[Technique, ...]) -> None:
    stayed, none = gradients(*stack, offload=False)
    found, moves = gradients(*stack, offload=True)
    assert not none, "tensors of another device stay"
    assert len(moves) > 6
    assert min(moves) >= LEAST
    for one, other in zip(stayed, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0)


def test_weights_stay() -> None:
    weight = torch.nn.Parameter(torch.ones(64, 64))
    with moved("cpu", 1, pinned=False):
        result = (torch.ones(64, 64, requires_grad=True) @ weight.t()).sum()
    node: Any = result.grad_fn
    assert node.next_functions[0][0]._saved_mat2.data_ptr() == weight.data_ptr()


def test_copies_both_ways_are_the_proof() -> None:
    technique = ActivationOffload()
    out, back = "Memcpy DtoH (Device -> Pinned)", "Memcpy HtoD (Pinned -> Device)"
    assert technique.proof(Evidence(CPU, kernels={out: 8, back: 8})).ran == "as_asked"
    assert technique.proof(Evidence(CPU, kernels={out: 8})).ran == "fell_back"
    assert technique.proof(Evidence(CPU, kernels={"Memcpy DtoH (Device -> Pageable)": 8, back: 8})).ran == "fell_back"
    assert technique.proof(Evidence(CPU)).ran == "fell_back"


def test_a_cpu_is_refused_with_the_reason() -> None:
    assert "runs on cuda, not on cpu" in str(unfit(ActivationOffload, Llama(), WORKLOAD, "cpu"))
    assert unfit(ActivationOffload, Llama(), WORKLOAD, "cuda") is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU")
def test_it_frees_memory_on_a_gpu() -> None:
    peaks = []
    for least in (2**40, 2**16):
        model = torch.nn.Sequential(*(torch.nn.Linear(1_024, 1_024) for _ in range(16))).cuda()
        batch = torch.randn(4_096, 1_024, device="cuda")
        torch.cuda.reset_peak_memory_stats()
        with moved("cuda", least, pinned=True):
            model(batch).sum().backward()
        peaks.append(torch.cuda.max_memory_allocated())
    assert peaks[1] < 0.5 * peaks[0]
