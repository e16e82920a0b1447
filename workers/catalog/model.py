"""What one model declares and does: how it is built from a seed or a folder, fed, and read."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from workers.catalog.declared import Declared
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class AttentionShape(NamedTuple):
    """Sizes of one attention layer."""

    heads: int
    kv_heads: int
    """Heads of keys and values; fewer than ``heads`` in grouped-query attention."""
    head_dim: int


class Model(Declared):
    """One architecture with its sizes. ``kind`` decides which workloads and techniques fit."""

    kinds: ClassVar[frozenset[ModelKind]]
    """The kinds the entry can be; most are one, a folder can hold either."""
    attends: ClassVar[bool] = False
    """Whether its layers have attention, so that the attention kernel can be measured in their shape."""
    modules: ClassVar[tuple[str, ...]] = ("accelerate",)
    """What ``build`` imports; imported beforehand, so that the time to load a model is not that of a library."""

    @property
    @abstractmethod
    def kind(self) -> ModelKind:
        """What this instance is: a decoder over tokens, a classifier of images, or of vectors."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A few words for a table cell, for example "llama tiny"."""

    @abstractmethod
    def build(self, options: LoadOptions) -> nn.Module:
        """The model with its weights, on the device, in the dtype asked for.

        Raises:
            Unsupported: the options or the machine do not allow it; the message says why.
        """

    @abstractmethod
    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        """One batch, unique for its seed, on the model's device.

        Decoders get ``input_ids`` [B, S]; images ``pixel_values`` [B, C, H, W] and vectors ``features`` [B, D], both
        with ``labels`` [B]. ``length`` is S and is ignored by the others.
        """

    @abstractmethod
    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scores over the vocabulary [B, S, V] or the classes [B, C]."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Cross-entropy of one training batch, a scalar: next token for decoders, the labels otherwise."""

    def attention_shape(self, model: nn.Module) -> AttentionShape | None:
        """Sizes of one attention layer of the built model; None when there is none."""
        config: Any = getattr(model, "config", None)
        heads = getattr(config, "num_attention_heads", None)
        if not isinstance(heads, int):
            return None
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        return AttentionShape(heads, getattr(config, "num_key_value_heads", None) or heads, head_dim)


class Unsupported(Exception):
    """This machine cannot run what was asked; the message is shown on the run."""
