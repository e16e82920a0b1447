"""Trains the reference ViT and CNN: handwritten digits, fp32, AdamW, images turned, magnified and shifted a little."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from reference_models.training import adamw, follow, reproducible
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.reference import digits

BACKGROUND = -1.0
"""A pixel without ink."""
TURN = 15.0
"""Degrees by which a training image is turned at most, to either side."""
SIZE = 0.1
"""Share by which it is magnified or shrunk at most."""
SHIFT = 1.0
"""Pixels by which it is shifted at most along each axis."""


class Course(NamedTuple):
    """How one network is trained."""

    epochs: int
    peak: float
    batch: int = 64
    decay: float = 0.05
    smoothing: float = 0.1
    """Share of a label that is spread over all classes."""
    seed: int = 1


VIT = Course(epochs=100, peak=1e-3)
CNN = Course(epochs=30, peak=2e-3)


def train_vit(course: Course = VIT, say: Callable[[str], None] = lambda _: None) -> nn.Module:
    """The trained vision transformer, in fp32."""
    declared = ReferenceVit()

    def scores(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return declared.logits(model, {"pixel_values": images})

    return _train(declared.architecture, scores, course, "vit", say)


def train_cnn(course: Course = CNN, say: Callable[[str], None] = lambda _: None) -> nn.Module:
    """The trained convolutional network, in fp32."""
    declared = ReferenceCnn()

    def scores(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return declared.logits(model, {"pixel_values": images})

    return _train(declared.architecture, scores, course, "cnn", say)


def _train(
    construct: Callable[[], nn.Module],
    scores: Callable[[nn.Module, torch.Tensor], torch.Tensor],
    course: Course,
    word: str,
    say: Callable[[str], None],
) -> nn.Module:
    known = digits.labelled("train")
    with reproducible(course.seed) as order:
        model = construct().train()
        optimizer = adamw(model, peak=course.peak, decay=course.decay)
        images, labels = torch.from_numpy(known.inputs), torch.from_numpy(known.labels)
        per_epoch = -(-len(images) // course.batch)
        steps = course.epochs * per_epoch
        for epoch in range(course.epochs):
            shuffled = torch.randperm(len(images), generator=order)
            for index, chosen in enumerate(torch.split(shuffled, course.batch)):
                step = epoch * per_epoch + index
                follow(optimizer, peak=course.peak, step=step, warmup=max(1, steps // 10), steps=steps)
                loss = functional.cross_entropy(
                    scores(model, _moved(images[chosen], order)), labels[chosen], label_smoothing=course.smoothing
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if (epoch + 1) % 10 == 0:
                say(f"{word} epoch {epoch + 1} of {course.epochs}: loss {loss.item():.3f}")
    return model.eval()


def _moved(images: torch.Tensor, order: torch.Generator) -> torch.Tensor:
    """Each image [B, 1, S, S] turned, magnified and shifted on its own, within the limits above; blanks are background."""
    count, _, side, _ = images.shape
    turn, size, right, down = (torch.rand(4, count, generator=order) * 2 - 1) * torch.tensor(
        [[math.radians(TURN)], [SIZE], [2 * SHIFT / side], [2 * SHIFT / side]]
    )
    cosine, sine = turn.cos() / (1 + size), turn.sin() / (1 + size)
    affine = torch.stack((cosine, -sine, right, sine, cosine, down), 1).view(count, 2, 3)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    # Outside of an image there are zeros, so the background has to be zero for a moment.
    return functional.grid_sample(images - BACKGROUND, grid, align_corners=False) + BACKGROUND
