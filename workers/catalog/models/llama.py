"""Llama-style decoder built from a preset with seeded weights; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models import decoder, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class Shape(NamedTuple):
    """Sizes of one preset."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool


PRESETS: dict[str, Shape] = {
    "tiny": Shape(256, 688, 6, 8, 4, 4_096, True),
    "30m": Shape(512, 1_376, 8, 8, 4, 8_192, False),
    "125m": Shape(768, 2_048, 12, 12, 12, 50_257, True),
    # Sizes of 1b to 70b are those of Llama 3.1 and 3.2 (config.json of the published models).
    "1b": Shape(2_048, 8_192, 16, 32, 8, 128_256, True),
    "3b": Shape(3_072, 8_192, 28, 24, 8, 128_256, True),
    "8b": Shape(4_096, 14_336, 32, 32, 8, 128_256, False),
    "70b": Shape(8_192, 28_672, 80, 64, 8, 128_256, False),
}


class Llama(Model):
    name: Literal["llama"] = "llama"
    title = "Llama decoder"
    summary = "Decoder with grouped-query attention, rotary positions and gated MLPs; weights from a seed."
    kinds = frozenset({"decoder"})
    attends = True
    modules = ("accelerate", "transformers.models.llama.modeling_llama")

    preset: Literal["tiny", "30m", "125m", "1b", "3b", "8b", "70b"] = Field(
        "tiny", description="Size; tiny has 5 million parameters, 1b to 70b have the shapes of Llama 3."
    )

    @property
    def kind(self) -> ModelKind:
        return "decoder"

    @property
    def label(self) -> str:
        return f"llama {self.preset}"

    def build(self, options: LoadOptions) -> nn.Module:
        from transformers import LlamaConfig, LlamaForCausalLM

        shape = PRESETS[self.preset]
        config = LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            max_position_embeddings=131_072,
            tie_word_embeddings=shape.tied,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )
        if options.attention:
            config._attn_implementation = options.attention
        return seeded.build(lambda: LlamaForCausalLM(config), options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return decoder.inputs(model, batch_size=batch_size, length=length, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.loss(model, batch)
