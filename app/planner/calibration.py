"""What decoding takes on one device, learnt from steps that were measured there: what a layer costs, and the bandwidth reached.

A decoding step reads all weights and caches once, and each layer costs the calling of its operators: t = layers × c + bytes / B
(the form that fits the published tables of meta-pytorch/gpt-fast, pytorch/ao and llama.cpp too). Two measured steps
decide c and B; more of them by least squares of the relative error.
"""

from collections.abc import Sequence

import numpy as np

from app.frozen import Frozen

FEWEST = 2
LEAST_ERROR = 0.1
"""Steps that two others foretell are mostly within this (``make bench-planner`` measures it)."""
WORST_CONDITION = 1e3
"""Of the equations; beyond, the steps are too much alike to tell a layer's cost from a byte's."""


class Decoded(Frozen):
    """One decoding step that was measured."""

    layers: int
    bytes: float
    """Of weights and caches that it reads."""
    seconds: float


class Calibration(Frozen):
    """What was learnt of a device."""

    layer_s: float
    """Seconds that a layer costs whatever its size."""
    bandwidth: float
    """Bytes per second at which weights and caches are read."""
    error: float
    """Largest relative error of the steps it was learnt from, and at least that of steps it was not (``LEAST_ERROR``)."""
    points: int

    def seconds(self, layers: int, size: float) -> float:
        """Of a decoding step.

        Args:
            layers: of the model.
            size: bytes of weights and caches that it reads.
        """
        return layers * self.layer_s + size / self.bandwidth


def calibrated(points: Sequence[Decoded]) -> Calibration | None:
    """The line through measured steps; None where they do not decide one.

    Args:
        points: steps of one device and one way of computing; at least two, which differ in bytes a layer.
    """
    if len(points) < FEWEST:
        return None
    # Relative errors count alike, so that a small model's step weighs as much as a large one's.
    factors = np.array([[each.layers / each.seconds, each.bytes / each.seconds] for each in points])
    scaled = factors / np.linalg.norm(factors, axis=0)
    if np.linalg.cond(scaled) > WORST_CONDITION:
        return None
    (layer_s, per_byte), *_ = np.linalg.lstsq(factors, np.ones(len(points)), rcond=None)
    if per_byte <= 0:
        return None
    if layer_s < 0:
        # Steps so long that what a layer costs is lost in them.
        layer_s, per_byte = 0.0, float(np.mean([each.seconds / each.bytes for each in points]))
    found = Calibration(layer_s=float(layer_s), bandwidth=float(1 / per_byte), error=LEAST_ERROR, points=len(points))
    worst = max(abs(found.seconds(each.layers, each.bytes) / each.seconds - 1) for each in points)
    return found.model_copy(update={"error": max(worst, LEAST_ERROR)})
