"""Attention: the kernel alone, softmax(QK^T)V in the shape of one of the model's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.model import Model, Unsupported
from workers.catalog.technique import ModelKind
from workers.catalog.workload import Bench, Mark, Session, Workload

if TYPE_CHECKING:
    import torch

PACKAGES = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
"""Import names of kernels that torch does not bring."""
ATTENDING: frozenset[ModelKind] = frozenset({"decoder", "image"})


class AttentionKernel(Workload):
    name: Literal["attention"] = "attention"
    title = "Attention"
    summary = "The attention kernel alone, with the heads of one of the model's layers, over any sequence length."
    phase = "inference"
    models = ATTENDING
    sweepable = ("batch_size", "sequence_length")
    logits = False

    batch_size: int = Field(1, ge=1, le=4_096, description="Sequences in one step.")
    sequence_length: int = Field(512, ge=1, le=131_072, description="Tokens of each sequence.")
    causal: bool = Field(True, description="Whether a token sees only those before it.")

    @property
    def main_phase(self) -> str:
        return "attention"

    @property
    def tokens(self) -> int:
        return self.batch_size * self.sequence_length

    @property
    def samples(self) -> int:
        return self.batch_size

    def misfit(self, model: Model) -> str | None:
        return None if model.attends else f"{model.title} has no attention layers."

    def prepare(self, bench: Bench) -> Session:
        return _Session(self, bench)


class _Session(Session):
    def __init__(self, workload: AttentionKernel, bench: Bench) -> None:
        import torch

        shape = bench.declared.attention_shape(bench.model)
        if shape is None:
            raise Unsupported(f"{bench.declared.label} does not say how many attention heads it has.")
        weight = next(bench.model.parameters())
        generator = torch.Generator().manual_seed(bench.seed)

        def noise(heads: int) -> torch.Tensor:
            size = (workload.batch_size, heads, workload.sequence_length, shape.head_dim)
            return torch.randn(size, generator=generator).to(device=weight.device, dtype=weight.dtype)

        self.bench = bench
        self.implementation = getattr(bench.model.config, "_attn_implementation", None) or "sdpa"
        self.query = noise(shape.heads)
        # Grouped heads are repeated beforehand, as transformers does, so that every kernel gets the same tensors.
        groups = shape.heads // shape.kv_heads
        self.key = noise(shape.kv_heads).repeat_interleave(groups, dim=1)
        self.value = noise(shape.kv_heads).repeat_interleave(groups, dim=1)
        self.kernel = _kernel(self.implementation, workload.causal, workload.sequence_length, str(weight.device))

    def step(self, mark: Mark) -> None:
        import torch

        with torch.inference_mode(), self.bench.step_context():
            self.kernel(self.query, self.key, self.value)

    def facts(self) -> Mapping[str, Any]:
        return {"attention": self.implementation, "query": list(self.query.shape)}


def _kernel(implementation: str, causal: bool, length: int, device: str) -> Callable[..., Any]:
    """What computes attention of queries, keys and values [B, H, S, D].

    Args:
        implementation: as transformers calls it.
        causal: whether a token sees only those before it.
        length: tokens, S.
        device: of the tensors.
    """
    if implementation == "eager":
        return partial(_eager, causal=causal)
    if implementation == "flex_attention":
        import torch
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        mask = create_block_mask(_earlier, None, None, length, length, device=device) if causal else None
        return partial(torch.compile(flex_attention), block_mask=mask)
    if implementation in PACKAGES:
        return partial(_packaged, import_module(PACKAGES[implementation]).flash_attn_func, causal=causal)
    from torch.nn import functional

    return partial(functional.scaled_dot_product_attention, is_causal=causal)


def _earlier(batch: Any, head: Any, query: Any, key: Any) -> Any:
    return query >= key


def _packaged(
    function: Callable[..., Any], query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool
) -> Any:
    """The packages have heads behind tokens, [B, S, H, D]; that order is only another view here."""
    return function(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), causal=causal)


def _eager(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool) -> torch.Tensor:
    """Attention written out, with the S x S scores in memory. All are [B, H, S, D]; softmax in fp32, as the models do."""
    import torch

    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    return torch.matmul(weights, value)
