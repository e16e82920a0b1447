"""Convolutional network trained on handwritten digits that ship with it; for real accuracy with nothing to download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.catalog.model import Labelled, Model, Split
from workers.catalog.models import classifier, handwriting, trained
from workers.catalog.reference import digits
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn

WIDTHS = (32, 64, 128)
"""Channels after each convolution."""
HIDDEN = 128
"""Units of the hidden linear layer, the one that quantisations act on."""


class ReferenceCnn(Model):
    name: Literal["reference_cnn"] = "reference_cnn"
    title = "Reference CNN (trained)"
    summary = (
        "Convolutions, batch norm and two linear layers over 8 x 8 pixels, trained on digits; ships with its weights."
    )
    kinds = frozenset({"image"})
    modules = ("accelerate", "safetensors.torch")

    @property
    def kind(self) -> ModelKind:
        return "image"

    @property
    def label(self) -> str:
        return "reference cnn"

    def architecture(self) -> nn.Module:
        """The architecture, its weights as torch initialises them."""
        from torch import nn

        class Network(nn.Module):
            """A module of its own: torch.compile passes over a bare nn.Sequential."""

            def __init__(self) -> None:
                super().__init__()
                self.blocks = nn.ModuleList(
                    nn.Sequential(
                        nn.Conv2d(before, after, 3, padding=1, bias=False),
                        nn.BatchNorm2d(after),
                        nn.ReLU(),
                        nn.MaxPool2d(2) if halved else nn.Identity(),
                    )
                    for before, after, halved in zip((1, *WIDTHS[:-1]), WIDTHS, (False, True, True), strict=True)
                )
                self.hidden = nn.Linear(WIDTHS[-1] * (digits.SIDE // 4) ** 2, HIDDEN)
                self.head = nn.Linear(HIDDEN, digits.CLASSES)

            def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
                """Scores [B, 10] of images [B, 1, 8, 8]."""
                values = pixel_values
                for block in self.blocks:
                    values = block(values)
                scores: torch.Tensor = self.head(self.hidden(values.flatten(1)).relu())
                return scores

        return Network()

    def build(self, options: LoadOptions) -> nn.Module:
        return trained.build(self.architecture, self.name, options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return handwriting.inputs(model, batch_size=batch_size, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        scores: torch.Tensor = model(batch["pixel_values"])
        return scores

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return classifier.loss(self.logits(model, batch), batch["labels"])

    def labelled(self, split: Split) -> Labelled:
        """Digits: 1,198 to train on, 599 held out."""
        return digits.labelled(split)
