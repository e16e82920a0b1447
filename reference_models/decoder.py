"""Trains the reference decoder: next byte of three books, fp32, AdamW."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from reference_models.training import adamw, follow, reproducible
from workers.catalog.models.reference_decoder import WINDOW, ReferenceDecoder
from workers.catalog.reference import corpus

STEPS = 1_200
BATCH = 8
WARMUP = 100
PEAK = 3e-3
DECAY = 0.1
CLIP = 1.0
"""Largest norm of a step's gradient."""
SMOOTHING = 0.03
"""Share of every target that is spread over all bytes. Four passes over so little text make a decoder too sure of itself, and
then any noise in its weights, which makes it less sure, would look like an improvement."""
SEED = 1


def train(steps: int = STEPS, say: Callable[[str], None] = lambda _: None) -> nn.Module:
    """The trained model, in fp32. Fewer ``steps`` are a shorter course, not its beginning."""
    with reproducible(SEED) as order:
        model = ReferenceDecoder().architecture().train()
        optimizer = adamw(model, peak=PEAK, decay=DECAY)
        text = torch.from_numpy(corpus.tokens("train"))
        for step in range(steps):
            follow(optimizer, peak=PEAK, step=step, warmup=min(WARMUP, max(1, steps // 10)), steps=steps)
            starts = torch.randint(0, len(text) - WINDOW, (BATCH, 1), generator=order)
            windows = text[starts + torch.arange(WINDOW + 1)]
            scores = model(input_ids=windows[:, :-1], use_cache=False).logits
            loss = functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten(), label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            if (step + 1) % 100 == 0:
                say(f"decoder step {step + 1:,} of {steps:,}: loss {loss.item():.3f} nats a byte, smoothed")
    return model.eval()
