"""Vision transformer trained on handwritten digits that ship with it; for real accuracy with nothing to download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.catalog.model import Labelled, Model, Split
from workers.catalog.models import handwriting, images, trained
from workers.catalog.reference import digits
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class ReferenceVit(Model):
    name: Literal["reference_vit"] = "reference_vit"
    title = "Reference ViT (trained)"
    summary = (
        "Vision transformer over 8 x 8 pixels, half a million parameters, trained on digits; ships with its weights."
    )
    kinds = frozenset({"image"})
    attends = True
    modules = ("accelerate", "safetensors.torch", "transformers.models.vit.modeling_vit")

    @property
    def kind(self) -> ModelKind:
        return "image"

    @property
    def label(self) -> str:
        return "reference vit"

    def architecture(self, attention: str | None = None) -> nn.Module:
        """The architecture, its weights as transformers initialises them."""
        from transformers import ViTConfig, ViTForImageClassification

        config = ViTConfig(
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=256,
            image_size=digits.SIDE,
            patch_size=2,
            num_channels=1,
        )
        config.num_labels = digits.CLASSES
        if attention:
            config._attn_implementation = attention
        return ViTForImageClassification(config)

    def build(self, options: LoadOptions) -> nn.Module:
        return trained.build(lambda: self.architecture(options.attention), self.name, options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return handwriting.inputs(model, batch_size=batch_size, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.loss(model, batch)

    def labelled(self, split: Split) -> Labelled:
        """Digits: 1,198 to train on, 599 held out."""
        return digits.labelled(split)
