"""Decoders of any size for benchmarks: the catalogue's Llama with other numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from workers.catalog.models import seeded
from workers.catalog.models.llama import Llama
from workers.catalog.technique import LoadOptions


class Sized(Llama):
    """A Llama whose shape is given instead of a preset."""

    shape: ClassVar[dict[str, int]] = {}

    def build(self, options: LoadOptions) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(**self.shape, bos_token_id=None, eos_token_id=None, pad_token_id=None)
        return seeded.build(lambda: LlamaForCausalLM(config), options)


def sized(
    hidden: int,
    layers: int,
    *,
    ffn: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    vocabulary: int = 4_096,
) -> Sized:
    """A decoder of such a shape; heads are 64 wide unless said otherwise."""
    heads = heads or max(1, hidden // 64)
    shape = {
        "hidden_size": hidden, "intermediate_size": ffn or hidden * 8 // 3 // 32 * 32, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads or heads, "vocab_size": vocabulary,
        "max_position_embeddings": 32_768,
    }  # fmt: skip
    kind = type("Sized", (Sized,), {"shape": shape, "__module__": __name__})
    found: Sized = kind()
    return found
