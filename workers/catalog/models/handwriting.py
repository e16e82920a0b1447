"""How models of handwritten digits are fed: images of the split they were trained on, with what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.catalog.reference import digits

if TYPE_CHECKING:
    import torch
    from torch import nn


def inputs(model: nn.Module, *, batch_size: int, seed: int) -> dict[str, torch.Tensor]:
    """Images that the seed decides. Returns ``pixel_values`` [B, 1, 8, 8] in the model's format and ``labels`` [B]."""
    import torch

    # Quantised weights are integers; those left alone tell the format of activations.
    weight = next(weight for weight in model.parameters() if weight.is_floating_point())
    known = digits.labelled("train")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, len(known.inputs), (batch_size,), generator=generator)
    return {
        "pixel_values": torch.from_numpy(known.inputs)[drawn].to(device=weight.device, dtype=weight.dtype),
        "labels": torch.from_numpy(known.labels)[drawn].to(weight.device),
    }
