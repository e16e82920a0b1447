"""Inputs and loss shared by models that answer with one class per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def noise(model: nn.Module, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Standard normal samples of the shape, unique for the seed, in the model's dtype on its device."""
    import torch

    # Quantised weights are integers; those left alone tell the format of activations.
    weight = next(weight for weight in model.parameters() if weight.is_floating_point())
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(device=weight.device, dtype=weight.dtype)


def labels(model: nn.Module, batch_size: int, classes: int) -> torch.Tensor:
    """Labels [B] that cycle through the classes, on the model's device."""
    import torch

    return torch.arange(batch_size, device=next(model.parameters()).device) % classes


def loss(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, a scalar. ``scores`` is [B, C], ``wanted`` the labels [B]."""
    from torch.nn import functional

    return functional.cross_entropy(scores.float(), wanted)
