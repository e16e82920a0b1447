"""The images that the reference ViT and CNN were trained on and are scored on: scikit-learn's handwritten digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.catalog.reference import FOLDER as REFERENCE

if TYPE_CHECKING:
    from workers.catalog.model import Labelled, Split

FILE = REFERENCE / "digits.npz"
SIDE = 8
"""Pixels of an image's side."""
CLASSES = 10
BRIGHTEST = 16
"""Pixels are counts of ink from 0 to this."""
EVERY = 3
"""Every third image is held out. Neighbours come from one writer, so each writer is in both splits."""


def labelled(split: Split) -> Labelled:
    """Images [N, 1, 8, 8] from -1 to 1 in float32 and their digits [N] in int64; 1,198 to train on, 599 held out."""
    import numpy as np

    from workers.catalog.model import Labelled

    with np.load(FILE) as stored:
        images, labels = stored["images"], stored["labels"]
    held_out = np.arange(len(labels)) % EVERY == EVERY - 1
    chosen = held_out if split == "test" else ~held_out
    return Labelled(
        inputs=(images[chosen][:, None] / np.float32(BRIGHTEST / 2) - 1).astype(np.float32),
        labels=labels[chosen].astype(np.int64),
    )
