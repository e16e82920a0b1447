"""Plain multilayer perceptron: the smallest real model, quick to start because it needs torch alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models import classifier, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class Mlp(Model):
    name: Literal["mlp"] = "mlp"
    title = "MLP"
    summary = "Fully connected layers with layer norm and GELU; weights from a seed."
    kinds = frozenset({"vector"})

    width: int = Field(256, ge=8, le=65_536, description="Units of every hidden layer, and features of one sample.")
    layers: int = Field(4, ge=1, le=256, description="Hidden layers.")
    classes: int = Field(16, ge=2, le=100_000, description="Outputs.")

    @property
    def kind(self) -> ModelKind:
        return "vector"

    @property
    def label(self) -> str:
        return f"mlp {self.layers} x {self.width}"

    def build(self, options: LoadOptions) -> nn.Module:
        return seeded.build(self._construct, options)

    def _construct(self) -> nn.Module:
        from torch import nn

        width, layers, classes = self.width, self.layers, self.classes

        class Perceptron(nn.Module):
            """A module of its own: torch.compile passes over a bare nn.Sequential."""

            def __init__(self) -> None:
                super().__init__()
                self.blocks = nn.ModuleList(
                    nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()) for _ in range(layers)
                )
                self.head = nn.Linear(width, classes)

            def forward(self, features: torch.Tensor) -> torch.Tensor:
                for block in self.blocks:
                    features = block(features)
                scores: torch.Tensor = self.head(features)
                return scores

        return Perceptron()

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return {
            "features": classifier.noise(model, (batch_size, self.width), seed),
            "labels": classifier.labels(model, batch_size, self.classes),
        }

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        scores: torch.Tensor = model(batch["features"])
        return scores

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return classifier.loss(self.logits(model, batch), batch["labels"])
