"""Vision transformer built from a preset with seeded weights; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models import images, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn

PATCH = 16


class Shape(NamedTuple):
    """Sizes of one preset."""

    hidden: int
    layers: int
    heads: int


# Touvron et al. 2021 (DeiT-Ti, DeiT-S), https://arxiv.org/abs/2012.12877; Dosovitskiy et al. 2021 (ViT-B/16).
PRESETS: dict[str, Shape] = {"tiny": Shape(192, 12, 3), "small": Shape(384, 12, 6), "b16": Shape(768, 12, 12)}


class Vit(Model):
    name: Literal["vit"] = "vit"
    title = "ViT"
    summary = "Vision transformer over patches of 16 x 16 pixels; weights from a seed."
    kinds = frozenset({"image"})
    attends = True
    modules = ("accelerate", "transformers.models.vit.modeling_vit")

    preset: Literal["tiny", "small", "b16"] = Field(
        "tiny", description="Size; tiny, small and b16 have 6, 22 and 86 million parameters."
    )
    image_size: int = Field(
        224, ge=PATCH, le=2_048, multiple_of=PATCH, description="Pixels of an image's side, a multiple of 16."
    )
    classes: int = Field(1_000, ge=2, le=100_000, description="Outputs.")

    @property
    def kind(self) -> ModelKind:
        return "image"

    @property
    def label(self) -> str:
        return f"vit {self.preset} {self.image_size}px"

    def build(self, options: LoadOptions) -> nn.Module:
        from transformers import ViTConfig, ViTForImageClassification

        shape = PRESETS[self.preset]
        config = ViTConfig(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.hidden,
            image_size=self.image_size,
            patch_size=PATCH,
        )
        config.num_labels = self.classes
        if options.attention:
            config._attn_implementation = options.attention
        return seeded.build(lambda: ViTForImageClassification(config), options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return images.inputs(model, batch_size=batch_size, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.loss(model, batch)
