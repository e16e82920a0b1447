"""How any transformers image classifier is fed and read; shared by the presets and by models from a folder or hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.catalog.models import classifier

if TYPE_CHECKING:
    import torch
    from torch import nn

DEFAULT_SIZE = 224
"""Pixels of a side where a model's configuration names none."""
COARSE = 4
"""Patches of one colour along a side of an image."""


def inputs(model: nn.Module, *, batch_size: int, seed: int, size: int | None = None) -> dict[str, torch.Tensor]:
    """Random images with labels. Returns ``pixel_values`` [B, C, H, W] and ``labels`` [B].

    Each image is a coarse random pattern, magnified: white noise would average out, and all images score alike.
    """
    from torch.nn import functional

    config: Any = model.config
    configured = getattr(config, "image_size", None) or DEFAULT_SIZE
    height, width = configured if isinstance(configured, (list, tuple)) else (configured, configured)
    coarse = classifier.noise(model, (batch_size, config.num_channels, COARSE, COARSE), seed)
    return {
        "pixel_values": functional.interpolate(coarse, size=(size or height, size or width), mode="nearest"),
        "labels": classifier.labels(model, batch_size, config.num_labels),
    }


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scores over the classes [B, C]."""
    scores: torch.Tensor = model(pixel_values=batch["pixel_values"]).logits
    return scores


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy against the batch's labels, a scalar."""
    return classifier.loss(logits(model, batch), batch["labels"])
