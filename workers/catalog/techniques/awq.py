"""AWQ: 4-bit weights, with the channels that matter to activations scaled up before they are rounded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, QUALITY_TASK
from workers.catalog.quantizing.modelopt import Format, Rounded, int4
from workers.catalog.technique import Expectation

NVIDIA = Reference(
    "NVIDIA Model Optimizer, Llama-3.1 on an H200",
    "https://github.com/NVIDIA/Model-Optimizer/blob/main/examples/benchmark.md",
)

METHODS = {"scale": "awq_lite", "clip": "awq_clip", "scale and clip": "awq_full"}
"""Model Optimizer's names."""


class Awq(Rounded):
    technique: Literal["awq"] = "awq"
    title = "AWQ (int4)"
    summary = "4-bit weights, rounded so that the channels that matter most to activations lose least; emulated, so that it shows quality alone."
    expected = (
        # Against bf16 in TensorRT-LLM, 8B: 1.33 times the tokens per second at batch 1, 0.75 at batch 8; MMLU 5.66 % lower (70B: 1.07).
        Expectation(LATENCY, 0.75, 1.34, NVIDIA),
        Expectation(QUALITY_TASK, 0.943, 0.99, NVIDIA),
    )

    group: Literal[32, 64, 128] = Field(64, description="How many weights of a row share one scale.")
    search: Literal["scale and clip", "scale", "clip"] = Field(
        "scale and clip",
        description="What is searched for on the samples: factors for the channels, limits beyond which weights are cut, or one "
        "after the other, as in the paper.",
    )

    def formats(self) -> tuple[list[Format], list[Format]]:
        return [int4(self.group)], []

    def algorithm(self) -> dict[str, Any]:
        return {"method": METHODS[self.search]}
