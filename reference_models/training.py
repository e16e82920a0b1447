"""What both trainings share: the same random numbers, threads and kernels every time, and the learning rate's course."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

THREADS = 2
"""Sums are split by thread, so another number would round in another order."""


@contextmanager
def reproducible(seed: int) -> Iterator[torch.Generator]:
    """Inside, two trainings on one machine end in the same bits; afterwards torch is set as before.

    Yields:
        A generator on the CPU for the order of the data; initial weights come from torch's own, equally seeded.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        torch.use_deterministic_algorithms(True)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)


def adamw(model: nn.Module, *, peak: float, decay: float) -> torch.optim.AdamW:
    """AdamW that pulls matrices towards zero, but neither biases nor the scales of norms."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": decay},
            {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
        ],
        lr=peak,
        betas=(0.9, 0.95),
    )


def follow(optimizer: torch.optim.Optimizer, *, peak: float, step: int, warmup: int, steps: int) -> None:
    """Set the rate of a step (from 0): up in a line to ``peak``, then down in half a cosine to nothing."""
    rate = (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
    for group in optimizer.param_groups:
        group["lr"] = peak * rate
