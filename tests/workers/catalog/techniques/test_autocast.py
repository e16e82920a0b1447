"""Autocast: fp32 weights, shorter products, scaled gradients in fp16 training."""

from typing import Any, Literal

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, steps, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.technique import DeviceFacts
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=8)


def moments(session: Any) -> list[torch.Tensor]:
    """First moments of AdamW: a tenth of the first gradients."""
    return [state["exp_avg"] for optimizer in session.optimizers for state in optimizer.state.values()]


def test_products_are_bf16_and_weights_fp32() -> None:
    technique = Autocast(dtype="bf16")
    seen = evidence(Prefill(sequence_length=8), bench(Llama(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert max(seen.products, key=lambda dtype: seen.products[dtype]) == "bfloat16"
    assert set(seen.weight_dtypes) == {"float32"}


def test_fp16_training_scales_gradients() -> None:
    technique = Autocast(dtype="fp16")
    seen = evidence(TrainStep(batch_size=8), bench(Mlp(width=64), (technique,)))
    assert seen.facts["scaler"] is True
    assert technique.proof(seen).ran == "as_asked"
    assert technique.proof(without(seen, facts={"scaler": False})).ran == "fell_back"


def test_bf16_training_needs_no_scaler() -> None:
    seen = evidence(TrainStep(batch_size=8), bench(Mlp(width=64), (Autocast(dtype="bf16"),)))
    assert seen.facts["scaler"] is False


def test_products_left_in_fp32_are_a_fall_back() -> None:
    technique = Autocast(dtype="bf16")
    seen = evidence(Classify(), bench(Mlp(width=64), ()))
    assert technique.proof(seen).ran == "fell_back"
    assert technique.proof(without(seen, products={})).ran == "fell_back"


def test_a_cpu_without_the_instructions_emulates() -> None:
    technique = Autocast(dtype="fp16")
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, device=DeviceFacts("cpu", "an old CPU"))).ran == "emulated"


def test_it_acts_on_the_attention_kernel() -> None:
    assert proven(Autocast(), AttentionKernel(sequence_length=16), Llama()).ran == "as_asked"


def test_it_goes_with_fp32_weights_alone() -> None:
    assert Autocast().clashes(Precision(dtype="fp32")) is None
    assert "bf16" in str(Autocast().clashes(Precision(dtype="bf16")))
    stack = (Precision(dtype="fp32"), Autocast(dtype="bf16"))
    assert verdicts(Classify(), Mlp(width=64), *stack) == {"precision": "as_asked", "autocast": "as_asked"}


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_gradients_are_clipped_after_they_are_unscaled(dtype: Literal["bf16", "fp16"]) -> None:
    technique = Autocast(dtype=dtype, clip=0.01)
    seen = evidence(TrainStep(batch_size=8), bench(Mlp(width=64), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert seen.facts["clipped_norm"] == pytest.approx(0.01, rel=1e-3)
    assert technique.proof(without(seen, facts={**seen.facts, "clipped_norm": 0.5})).ran == "fell_back"
    missing = {name: value for name, value in seen.facts.items() if name != "clipped_norm"}
    assert technique.proof(without(seen, facts=missing)).ran == "fell_back"
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64), (technique,)))).ran == "as_asked", "no training"


def test_short_gradients_are_left_as_they_are() -> None:
    plain, clipped = (
        WORKLOAD.prepare(bench(Mlp(width=64), (Autocast(dtype="fp16", clip=clip),))) for clip in (None, 1e6)
    )
    for session in (plain, clipped):
        steps(session)
    for one, other in zip(moments(plain), moments(clipped), strict=True):
        torch.testing.assert_close(one, other)
