"""Precision: the number format of weights and activations."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_WEIGHTS
from workers.catalog.technique import DeviceFacts, Evidence, Expectation, LoadOptions, Technique, Verified, told

if TYPE_CHECKING:
    from workers.catalog.workload import Workload

BYTES_PER_WEIGHT = Reference(
    "Kalamkar et al. 2019, A Study of BFLOAT16 for Deep Learning Training", "https://arxiv.org/abs/1905.12322"
)
MIXED_PRECISION = Reference("Micikevicius et al. 2018, Mixed Precision Training", "https://arxiv.org/abs/1710.03740")

DTYPES = {"fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16"}
CPU_FLAGS = {"bf16": {"avx512_bf16", "amx_bf16", "bf16"}, "fp16": {"avx512_fp16", "amx_fp16", "fphp"}}
"""Kernel names of the instructions (x86, Arm) without which a CPU computes the format through fp32."""

STRAY = 0.05
"""Share of a step's multiply-adds that may run in a format nobody asked for: position embeddings and the like."""


class Precision(Technique):
    technique: Literal["precision"] = "precision"
    title = "Precision"
    summary = "Stores weights and activations in a shorter number format: half the bytes, and faster where the chip has units for it."
    family = "precision"
    order = 10
    expected = (
        Expectation(MEMORY_WEIGHTS, 0.50, 0.50, BYTES_PER_WEIGHT),
        Expectation(LATENCY, 0.33, 0.67, MIXED_PRECISION),
    )

    dtype: Literal["fp32", "tf32", "fp16", "bf16"] = Field(
        "bf16",
        description="Number format. tf32 keeps fp32 weights and rounds the inputs of matrix products on the GPU.",
    )

    def misfit(self, workload: Workload) -> str | None:
        if self.dtype == "fp16" and workload.phase == "training":
            return (
                "fp16 weights cannot be trained: AdamW's update divides by zero in that range. Use autocast, or bf16."
            )
        return None

    def refuses(self, device: DeviceFacts) -> str | None:
        if self.dtype == "tf32" and (device.capability is None or device.capability < (8, 0)):
            return f"tf32 needs an NVIDIA GPU of compute capability 8.0 or later; this is {device.name}."
        return None

    def load_options(self, options: LoadOptions) -> LoadOptions:
        import dataclasses

        import torch

        if self.dtype in ("fp32", "tf32"):
            torch.backends.cuda.matmul.fp32_precision = "tf32" if self.dtype == "tf32" else "ieee"
        return dataclasses.replace(options, dtype=DTYPES[self.dtype])

    def proof(self, evidence: Evidence) -> Verified:
        wanted = DTYPES[self.dtype]
        expected = {wanted}.union(*(technique.product_dtypes() for technique in evidence.stack))
        held = evidence.weight_dtypes.get(wanted, 0)
        if held == 0:
            return Verified("fell_back", f"No weight is stored in {wanted}; stored are {told(evidence.weight_dtypes)}.")
        if reason := strayed(evidence, expected):
            return Verified("fell_back", reason)
        detail = f"{held:,} bytes of weights in {wanted}; multiply-adds by input format: {shares(evidence)}."
        if self.dtype in CPU_FLAGS and not evidence.products.get(wanted):
            return Verified(
                "emulated", f"{detail} Another technique of the stack has all of them computed in its own format."
            )
        needed = CPU_FLAGS.get(self.dtype)
        if evidence.device.kind == "cpu" and needed and not needed & evidence.device.cpu_flags:
            return Verified(
                "emulated", f"{detail} This CPU has no {self.dtype} instructions; they are computed through fp32."
            )
        return Verified("as_asked", detail)


def strayed(evidence: Evidence, expected: Set[str]) -> str | None:
    """Why the products of a step are not what was asked for; None when they are.

    Args:
        evidence: What the step showed.
        expected: Formats in which products were asked for.
    """
    if not evidence.products:
        return "No matrix product was seen, so in which format they run is not shown."
    stray = sum(work for dtype, work in evidence.products.items() if dtype not in expected)
    if stray <= STRAY * sum(evidence.products.values()):
        return None
    return f"Matrix products ran in another format; multiply-adds by input format: {shares(evidence)}."


def shares(evidence: Evidence) -> str:
    """The step's multiply-adds by format, the largest first, for example "bfloat16 99.8 %, float32 0.2 %"."""
    total = sum(evidence.products.values())
    largest = sorted(evidence.products.items(), key=lambda each: -each[1])
    return ", ".join(f"{dtype} {work / total:.1%}" for dtype, work in largest)
