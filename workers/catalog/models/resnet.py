"""Residual network built from a preset with seeded weights; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models import images, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class Shape(NamedTuple):
    """Sizes of one preset."""

    block: Literal["basic", "bottleneck"]
    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


SETTLING = 8
"""Images that give batch norm its statistics."""

PRESETS: dict[str, Shape] = {
    "tiny": Shape("basic", 16, (16, 32, 64, 128), (1, 1, 1, 1)),
    # He et al. 2016, https://arxiv.org/abs/1512.03385, table 1.
    "18": Shape("basic", 64, (64, 128, 256, 512), (2, 2, 2, 2)),
    "50": Shape("bottleneck", 64, (256, 512, 1_024, 2_048), (3, 4, 6, 3)),
}


class Resnet(Model):
    name: Literal["resnet"] = "resnet"
    title = "ResNet"
    summary = "Convolutions with residual connections and batch norm; weights from a seed."
    kinds = frozenset({"image"})
    modules = ("accelerate", "transformers.models.resnet.modeling_resnet")

    preset: Literal["tiny", "18", "50"] = Field(
        "18", description="Size; 18 and 50 are the layers of the published networks, tiny has 0.4 million parameters."
    )
    image_size: int = Field(224, ge=32, le=2_048, description="Pixels of an image's side.")
    classes: int = Field(1_000, ge=2, le=100_000, description="Outputs.")

    @property
    def kind(self) -> ModelKind:
        return "image"

    @property
    def label(self) -> str:
        return f"resnet {self.preset} {self.image_size}px"

    def build(self, options: LoadOptions) -> nn.Module:
        import dataclasses

        import torch
        from transformers import ResNetConfig, ResNetForImageClassification

        shape = PRESETS[self.preset]
        config = ResNetConfig(
            embedding_size=shape.stem,
            hidden_sizes=list(shape.widths),
            depths=list(shape.depths),
            layer_type=shape.block,
        )
        config.num_labels = self.classes
        if options.shapes_only:
            return seeded.build(lambda: ResNetForImageClassification(config), options)
        # In fp32 first: batch norm's statistics must not hang on the format the model ends up in.
        model = seeded.build(
            lambda: ResNetForImageClassification(config), dataclasses.replace(options, dtype="float32")
        )
        self._settle(model, options.seed)
        return model.to(getattr(torch, options.dtype))

    def _settle(self, model: nn.Module, seed: int) -> None:
        """Give batch norm the statistics of one batch, as training would; without them all images score alike."""
        import torch
        from torch import nn

        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            self.logits(model.train(), self.inputs(model, batch_size=SETTLING, length=None, seed=seed))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.eval()

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return images.inputs(model, batch_size=batch_size, seed=seed, size=self.image_size)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return images.loss(model, batch)
