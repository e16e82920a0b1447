"""Data that ranges are calibrated on: the model's own training data where it has some, inputs from the seed otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from workers.catalog.evaluations import data
from workers.catalog.technique import Technique
from workers.catalog.workload import Bench

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.catalog.model import Model

BATCH = 8
"""Samples that go through the model at once."""
WINDOW = 256
"""Tokens of one sample of text, where the model reaches that far."""
SOURCE = "calibrated_on"
"""Attribute of the model that says what it was calibrated on."""


class Calibrated(Technique):
    """A quantisation that looks at what runs through the model before it rounds."""

    on_fake_tensors = False

    calibration_data: Literal["own", "seeded"] = Field(
        "own",
        description="own takes samples of the data the model was trained on, or seeded inputs where it comes with none; seeded "
        "takes inputs of the right shape from the seed, which say little about real ones.",
    )
    calibration_samples: int = Field(
        32, ge=1, le=4_096, description="Samples to calibrate on: windows of 256 tokens, images, or vectors."
    )

    def drawn(self, declared: Model, model: nn.Module, seed: int) -> list[dict[str, torch.Tensor]]:
        """The batches to calibrate on; notes on the model what they are."""
        found = draw(declared, model, self.calibration_data == "own", self.calibration_samples, seed)
        setattr(model, SOURCE, found.source)
        return found.batches

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return {SOURCE: getattr(model, SOURCE, "nothing")}


class Drawn(NamedTuple):
    """Batches as the model takes them, and what they are in words."""

    batches: list[dict[str, torch.Tensor]]
    source: str


def draw(declared: Model, model: nn.Module, own: bool, count: int, seed: int) -> Drawn:
    """So many samples, the same for a seed.

    Args:
        declared: what the catalogue knows of the model.
        model: the model, loaded.
        own: whether its own training data is wanted.
        count: how many samples.
        seed: which.
    """
    import numpy as np

    real = declared.labelled("train") if own else None
    sizes = [min(BATCH, count - first) for first in range(0, count, BATCH)]
    if real is None:
        length = min(WINDOW, getattr(getattr(model, "config", None), "max_position_embeddings", None) or WINDOW)
        batches = [
            declared.inputs(model, batch_size=size, length=length, seed=seed + number)
            for number, size in enumerate(sizes)
        ]
        return Drawn(batches, f"{count} inputs from the seed")
    bench = Bench(model, declared, (), "cpu", seed)
    random = np.random.default_rng(seed)
    if declared.kind == "decoder":
        length = min(WINDOW, real.window or WINDOW)
        starts = random.integers(0, len(real.inputs) - length + 1, count)
        windows = real.inputs[starts[:, None] + np.arange(length)]
        batches = [data.tokens(bench, part) for part in np.split(windows, np.cumsum(sizes)[:-1])]
        return Drawn(batches, f"{count} windows of {length} tokens of the model's training text")
    chosen = real.inputs[random.choice(len(real.inputs), count, replace=count > len(real.inputs))]
    batches = [data.samples(bench, part) for part in np.split(chosen, np.cumsum(sizes)[:-1])]
    return Drawn(batches, f"{count} samples of the model's training data")
