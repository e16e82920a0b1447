"""SmoothQuant: int8 weights and activations, after outlying channels of activations were scaled down and their weights up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.quantizing.modelopt import INT8, INT8_ROWS, Format, Rounded
from workers.catalog.technique import Expectation

SMOOTHQUANT = Reference("Xiao et al. 2022, SmoothQuant", "https://arxiv.org/abs/2211.10438")


class SmoothQuant(Rounded):
    technique: Literal["smoothquant"] = "smoothquant"
    title = "SmoothQuant"
    summary = "Int8 weights and activations with outliers of activations moved into the weights beforehand; emulated, so that it shows quality alone."
    # Up to 1.56 times as fast as fp16.
    expected = (Expectation(LATENCY, 0.64, 1.0, SMOOTHQUANT),)

    alpha: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much of the outliers goes into the weights: 0 leaves them all in the activations, 1 moves them all.",
    )

    def formats(self) -> tuple[list[Format], list[Format]]:
        return [INT8_ROWS], [INT8]

    def algorithm(self) -> dict[str, Any]:
        return {"method": "smoothquant", "alpha": self.alpha}
