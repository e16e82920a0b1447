"""Llama-style decoder trained on three books that ship with it; for real perplexity with nothing to download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.catalog.model import Labelled, Model, Split
from workers.catalog.models import decoder, trained
from workers.catalog.reference import corpus
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

WINDOW = 256
"""Tokens of one training window."""
POSITIONS = 2_048
"""Tokens that fit, so that speed can be swept over; text longer than ``WINDOW`` is read badly."""
SHAPE: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": corpus.VOCABULARY,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": True,
}
"""Fields of its config.json."""


class ReferenceDecoder(Model):
    name: Literal["reference_decoder"] = "reference_decoder"
    title = "Reference decoder (trained)"
    summary = "Llama-style decoder over bytes, 1.8 million parameters, trained on three books; ships with its weights."
    kinds = frozenset({"decoder"})
    attends = True
    modules = ("accelerate", "safetensors.torch", "transformers.models.llama.modeling_llama")

    @property
    def kind(self) -> ModelKind:
        return "decoder"

    @property
    def label(self) -> str:
        return "reference decoder"

    def architecture(self, attention: str | None = None) -> nn.Module:
        """The architecture, its weights as transformers initialises them."""
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(**SHAPE, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        if attention:
            config._attn_implementation = attention
        return LlamaForCausalLM(config)

    def build(self, options: LoadOptions) -> nn.Module:
        return trained.build(lambda: self.architecture(options.attention), self.name, options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        """Windows of the text it was trained on, from places that the seed decides. Returns ``input_ids`` [B, S].

        Raises:
            Unsupported: the windows are longer than the model's positions reach.
        """
        import torch

        size = length or 1
        decoder.check_length(model, size)
        text = torch.from_numpy(corpus.tokens("train"))
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(0, len(text) - size + 1, (batch_size, 1), generator=generator)
        return {"input_ids": text[starts + torch.arange(size)].to(next(model.parameters()).device)}

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.loss(model, batch)

    def labelled(self, split: Split) -> Labelled:
        """The bytes of the books' beginnings (train) or ends (test)."""
        return Labelled(corpus.tokens(split), None, WINDOW)

    def encode(self, text: str) -> np.ndarray:
        return corpus.encode(text)

    def decode(self, tokens: np.ndarray) -> str:
        return corpus.decode(tokens)
