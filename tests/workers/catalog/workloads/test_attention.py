"""Attention: every kernel computes the same, in the shape of the model's layers."""

import pytest
import torch
from torch.nn import functional

from tests.workers.catalog.observed import bench, steps
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.attention import AttentionKernel, _eager


@pytest.mark.parametrize("causal", [True, False])
def test_written_out_it_is_the_same(causal: bool) -> None:
    query, key, value = torch.randn(3, 2, 4, 17, 8).unbind(0)
    torch.testing.assert_close(
        _eager(query, key, value, causal), functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    )


def test_it_has_the_shape_of_the_models_layers() -> None:
    session = AttentionKernel(batch_size=2, sequence_length=16).prepare(bench(Llama()))
    assert steps(session) == []
    assert session.facts() == {"attention": "sdpa", "query": [2, 8, 16, 32]}
    eager = AttentionKernel(sequence_length=16, causal=False).prepare(bench(Vit(), (Attention(backend="eager"),)))
    steps(eager)
    assert eager.facts() == {"attention": "eager", "query": [1, 3, 16, 64]}


def test_it_follows_the_precision() -> None:
    session = AttentionKernel(sequence_length=16).prepare(bench(Llama(), (Precision(dtype="bf16"),)))
    assert session.query.dtype == torch.bfloat16  # type: ignore[attr-defined]


def test_a_model_without_attention_does_not_fit() -> None:
    workload = AttentionKernel()
    assert workload.misfit(Llama()) is None
    assert "no attention" in str(workload.misfit(Resnet()))
    with pytest.raises(Unsupported):
        workload.prepare(bench(Mlp(width=64)))
