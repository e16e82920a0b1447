"""What one model declares and does: how it is built from a seed or a folder, fed, and read."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workers.catalog.declared import Declared
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

Split = Literal["train", "test"]
"""Which part of a model's data: what it was trained on, or what was held out from training."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Real data a model can be scored on."""

    inputs: np.ndarray
    """Token ids [T], int64, of one running text (decoders); samples [N, ...], float32 (classifiers)."""
    labels: np.ndarray | None
    """The right classes [N], int64; None for decoders, whose labels are the tokens that follow."""
    window: int | None = None
    """Most tokens the model saw at once in training; scores over longer windows say nothing about it. None: no text."""


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

    def labelled(self, split: Split) -> Labelled | None:
        """Real data of the kind the model was trained on; None where the model answers to nothing real.

        Samples have the axes and the scale that ``pixel_values`` and ``features`` have in a batch of ``inputs``.
        """
        return None

    def encode(self, text: str) -> np.ndarray:
        """Token ids [T], int64, of a text, as the model was trained to read it.

        Raises:
            Unsupported: the model has no tokenizer.
        """
        raise Unsupported(f"{self.title} has no tokenizer.")

    def decode(self, tokens: np.ndarray) -> str:
        """The text of token ids [T].

        Raises:
            Unsupported: the model has no tokenizer.
        """
        raise Unsupported(f"{self.title} has no tokenizer.")

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
