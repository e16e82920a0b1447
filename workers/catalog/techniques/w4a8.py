"""W4A8: weights in int4 and then FP8, activations in FP8, with AWQ's factors for channels."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workers.catalog.metrics import LATENCY, QUALITY_TASK
from workers.catalog.quantizing.modelopt import FP8, Format, Rounded, int4
from workers.catalog.technique import Expectation
from workers.catalog.techniques.awq import NVIDIA


class W4a8(Rounded):
    technique: Literal["w4a8"] = "w4a8"
    title = "W4A8 (int4 weights, FP8 activations)"
    summary = (
        "4-bit weights that FP8 units can multiply with FP8 activations; emulated, so that it shows quality alone."
    )
    expected = (
        # Against bf16 in TensorRT-LLM, 8B: 1.38, 1.00 and 1.15 times the tokens per second at batch 1, 8 and 64; MMLU 6 % lower
        # (70B: 1.2).
        Expectation(LATENCY, 0.72, 1.0, NVIDIA),
        Expectation(QUALITY_TASK, 0.94, 0.988, NVIDIA),
    )

    group: Literal[32, 64, 128] = Field(64, description="How many weights of a row share one scale.")

    def formats(self) -> tuple[list[Format], list[Format]]:
        return [int4(self.group), FP8], [FP8]

    def algorithm(self) -> dict[str, Any]:
        return {"method": "awq_lite"}
