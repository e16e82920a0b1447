"""GPTQ: 4-bit weights, rounded column by column; what a column loses, those not yet rounded make up for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import QUALITY_TASK
from workers.catalog.quantizing.modelopt import Format, Rounded, int4
from workers.catalog.technique import Expectation

MARLIN = Reference("Marlin, Llama-2-70B quantised with GPTQ", "https://github.com/IST-DASLab/marlin")


class Gptq(Rounded):
    technique: Literal["gptq"] = "gptq"
    title = "GPTQ (int4)"
    summary = "4-bit weights, rounded one column after the other so that layers answer alike on the samples; emulated, so that it shows quality alone."
    # MMLU 64.81 instead of 65.43 %, groups of 128.
    expected = (Expectation(QUALITY_TASK, 0.99, 0.991, MARLIN),)

    group: Literal[32, 64, 128] = Field(64, description="How many weights of a row share one scale.")
    damping: float = Field(
        0.01,
        gt=0,
        le=1,
        description="Share of the mean curvature that is added to every channel's, so that it can be inverted.",
    )

    def formats(self) -> tuple[list[Format], list[Format]]:
        return [int4(self.group)], []

    def algorithm(self) -> dict[str, Any]:
        return {"method": "gptq", "block_size": 128, "perc_damp": self.damping}
