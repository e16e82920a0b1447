"""Autocast: weights stay in fp32, matrix products run in a shorter format; fp16 training scales its gradients."""

from contextlib import AbstractContextManager
from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import DeviceFacts, DeviceKind, Evidence, Expectation, Technique, Verified, told
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.precision import CPU_FLAGS, DTYPES, Precision, shares, strayed

ROUNDING = 1e-3
"""Relative error of a norm that was computed before and after gradients were multiplied."""
MIXED_PRECISION = Reference("Micikevicius et al. 2018, Mixed Precision Training", "https://arxiv.org/abs/1710.03740")


class Autocast(Technique):
    technique: Literal["autocast"] = "autocast"
    title = "Autocast"
    summary = "Keeps fp32 weights and computes matrix products in a shorter format; the usual mixed-precision training."
    family = "precision"
    order = 15
    conflicts = frozenset({"llm_int8", "nf4"})
    # On a Volta GPU, operations bound by memory or arithmetic run 2 to 6 times faster (the paper's conclusions).
    expected = (Expectation(LATENCY, 0.17, 0.50, MIXED_PRECISION),)

    dtype: Literal["bf16", "fp16"] = Field(
        "bf16",
        description="Format of matrix products. In training, fp16 comes with a gradient scaler, which leaves out steps "
        "whose gradients overflow.",
    )
    clip: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Training: the norm of all gradients, unscaled, is cut down to this before an update; none leaves them.",
    )

    def clashes(self, other: Technique) -> str | None:
        if isinstance(other, Precision) and other.dtype not in ("fp32", "tf32"):
            return (
                f"Autocast keeps fp32 weights and computes in {self.dtype}; with {other.dtype} weights it has nothing "
                "to cast."
            )
        if isinstance(other, KvCache) and other.implementation == "static":
            return "A static cache holds keys and values in one format; under autocast they come in two."
        return None

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast(device, dtype=getattr(torch, DTYPES[self.dtype]))

    def training_options(self) -> dict[str, Any]:
        scaled = {"scaler": True} if self.dtype == "fp16" else {}
        return scaled if self.clip is None else scaled | {"clip": self.clip}

    def product_dtypes(self) -> frozenset[str]:
        return frozenset({DTYPES[self.dtype]})

    def proof(self, evidence: Evidence) -> Verified:
        wanted = DTYPES[self.dtype]
        expected = {wanted}.union(*(other.product_dtypes() for other in evidence.stack))
        if reason := strayed(evidence, expected):
            return Verified("fell_back", reason)
        if not evidence.products.get(wanted):
            return Verified("fell_back", f"No matrix product ran in {wanted}: {shares(evidence)}.")
        if not evidence.weight_dtypes.get("float32"):
            return Verified("fell_back", f"No weight is kept in fp32; stored are {told(evidence.weight_dtypes)}.")
        detail = f"Multiply-adds by input format: {shares(evidence)}."
        if self.dtype == "fp16" and "scaler" in evidence.facts:
            if not evidence.facts["scaler"]:
                return Verified("fell_back", f"{detail} Gradients were not scaled.")
            detail += f" Gradients were scaled; {evidence.facts.get('skipped_updates', 0)} updates left out."
        if self.clip is not None and "scaler" in evidence.facts:
            norm = evidence.facts.get("clipped_norm")
            if norm is None or not norm <= self.clip * (1 + ROUNDING):
                return Verified(
                    "fell_back", f"{detail} The norm of the gradients was {norm} at the update, above {self.clip:g}."
                )
            detail += f" The gradients' norm was {norm:.3g} at the update, at most {self.clip:g}."
        return _native(evidence.device, self.dtype, detail)


def _native(device: DeviceFacts, dtype: str, detail: str) -> Verified:
    if device.kind == "cpu" and not CPU_FLAGS[dtype] & device.cpu_flags:
        return Verified("emulated", f"{detail} This CPU has no {dtype} instructions; they are computed through fp32.")
    return Verified("as_asked", detail)
