"""Counts a model's parameters after conversion: those that training changes, and those that are not zero."""

from __future__ import annotations

import torch
from torch import nn

from workers.catalog.metrics import MODEL_NONZERO, MODEL_TRAINABLE
from workers.catalog.technique import Phase
from workers.measurement.messages import Reading


def readings(model: nn.Module, phase: Phase) -> list[Reading]:
    """What can be counted: trainable ones in training alone, those that are not zero where none is packed or quantised."""
    found: list[Reading] = []
    weights = list(model.parameters())
    if phase == "training":
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        found.append(Reading.of(MODEL_TRAINABLE, "load", trained))
    if all(_plain(weight) for weight in weights):
        found.append(Reading.of(MODEL_NONZERO, "load", sum(int(weight.count_nonzero()) for weight in weights)))
    return found


def _plain(weight: torch.Tensor) -> bool:
    return type(weight) is nn.Parameter and type(weight.data) is torch.Tensor and weight.is_floating_point()
