"""Decoders of other families than Llama, built from the published configuration with seeded weights; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models import decoder, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn

TINY: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "vocab_size": 4_096,
    "max_position_embeddings": 32_768,
}
GROUPED_7B: dict[str, Any] = {
    "hidden_size": 4_096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32_000,
    "max_position_embeddings": 32_768,
}
"""What Mistral 7B and Mixtral 8x7B have in common."""
WITHOUT_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}

PRESETS: dict[str, dict[str, Any]] = {
    # config.json of the published models; the tiny ones are cut in every size.
    "gpt2_tiny": {
        "model_type": "gpt2",
        "n_embd": 256,
        "n_layer": 4,
        "n_head": 8,
        "vocab_size": 4_096,
        **WITHOUT_DROPOUT,
    },
    "gpt2": {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50_257, **WITHOUT_DROPOUT},
    "qwen3_tiny": {"model_type": "qwen3", **TINY, "tie_word_embeddings": True},
    "qwen3_0.6b": {
        "model_type": "qwen3",
        "hidden_size": 1_024,
        "intermediate_size": 3_072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "max_position_embeddings": 40_960,
        "tie_word_embeddings": True,
    },
    "qwen3_8b": {
        "model_type": "qwen3",
        "hidden_size": 4_096,
        "intermediate_size": 12_288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "max_position_embeddings": 40_960,
        "tie_word_embeddings": False,
    },
    "mistral_tiny": {"model_type": "mistral", **TINY, "sliding_window": 4_096},
    "mistral_7b": {"model_type": "mistral", **GROUPED_7B, "sliding_window": 4_096},
    "gemma_tiny": {"model_type": "gemma", **TINY},
    "gemma_2b": {
        "model_type": "gemma",
        "hidden_size": 2_048,
        "intermediate_size": 16_384,
        "num_hidden_layers": 18,
        "num_attention_heads": 8,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "vocab_size": 256_000,
        "max_position_embeddings": 8_192,
    },
    "mixtral_tiny": {"model_type": "mixtral", **TINY, "num_local_experts": 4, "num_experts_per_tok": 2},
    "mixtral_8x7b": {"model_type": "mixtral", **GROUPED_7B, "num_local_experts": 8, "num_experts_per_tok": 2},
}


class Architecture(Model):
    name: Literal["architecture"] = "architecture"
    title = "Decoder of another family"
    summary = "GPT-2, Qwen, Mistral, Gemma, or a mixture of experts in the published shape; weights from a seed."
    kinds = frozenset({"decoder"})
    attends = True
    modules = ("accelerate", "transformers.models.auto.modeling_auto")

    preset: Literal[
        "gpt2_tiny",
        "gpt2",
        "qwen3_tiny",
        "qwen3_0.6b",
        "qwen3_8b",
        "mistral_tiny",
        "mistral_7b",
        "gemma_tiny",
        "gemma_2b",
        "mixtral_tiny",
        "mixtral_8x7b",
    ] = Field("gpt2_tiny", description="Family and size; tiny ones have 3 to 10 million parameters.")

    @property
    def kind(self) -> ModelKind:
        return "decoder"

    @property
    def label(self) -> str:
        return self.preset.replace("_", " ")

    @property
    def config(self) -> dict[str, Any]:
        """Fields of its config.json."""
        return PRESETS[self.preset]

    def build(self, options: LoadOptions) -> nn.Module:
        from transformers import AutoConfig, AutoModelForCausalLM

        config = AutoConfig.for_model(**self.config, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        if options.attention:
            config._attn_implementation = options.attention
        of_config: Any = AutoModelForCausalLM.from_config
        return seeded.build(lambda: of_config(config), options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return decoder.inputs(model, batch_size=batch_size, length=length, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.loss(model, batch)
