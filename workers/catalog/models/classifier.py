"""Inputs and loss shared by models that answer with one class per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def noise(model: nn.Module, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Standard normal samples of the shape, unique for the seed, in the model's dtype on its device."""
    import torch

    weight = next(model.parameters())
    dtype = weight.dtype if weight.is_floating_point() else torch.float32
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(device=weight.device, dtype=dtype)


def loss(scores: torch.Tensor) -> torch.Tensor:
    """Cross-entropy against labels that cycle through the classes, a scalar. ``scores`` is [B, C]."""
    import torch
    from torch.nn import functional

    labels = torch.arange(scores.shape[0], device=scores.device) % scores.shape[1]
    return functional.cross_entropy(scores.float(), labels)
