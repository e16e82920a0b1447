"""Attention backend: which kernel computes softmax(QK^T)V."""

from contextlib import AbstractContextManager
from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import (
    DeviceFacts,
    DeviceKind,
    Evidence,
    Expectation,
    LoadOptions,
    Requires,
    Technique,
    Verified,
    told,
)

FLASH = Reference("Dao 2023, FlashAttention-2", "https://arxiv.org/abs/2307.08691")

BACKENDS = {
    "math": ("MATH", "_scaled_dot_product_attention_math"),
    "flash": ("FLASH_ATTENTION", "_scaled_dot_product_flash_attention"),
    "memory_efficient": ("EFFICIENT_ATTENTION", "_scaled_dot_product_efficient_attention"),
    "cudnn": ("CUDNN_ATTENTION", "_scaled_dot_product_cudnn_attention"),
}
"""torch's SDPBackend member, and how the operator that runs is called."""


class Attention(Technique):
    technique: Literal["attention"] = "attention"
    title = "Attention backend"
    summary = "Chooses the attention kernel. Flash never writes the S x S score matrix, so it wins as sequences grow."
    family = "attention"
    order = 20
    requires = Requires(models=frozenset({"decoder", "image"}), attention=True)
    expected = (Expectation(LATENCY, 0.25, 0.5, FLASH),)

    backend: Literal["eager", "math", "flash", "memory_efficient", "cudnn"] = Field(
        "flash",
        description="eager is the model's own matrix products; the others are torch's scaled_dot_product_attention kernels.",
    )

    def refuses(self, device: DeviceFacts) -> str | None:
        if device.kind == "cpu" and self.backend in ("memory_efficient", "cudnn"):
            return f"torch has no {self.backend} attention kernel for CPUs; eager, math and flash run there."
        return None

    def load_options(self, options: LoadOptions) -> LoadOptions:
        import dataclasses

        return dataclasses.replace(options, attention="eager" if self.backend == "eager" else "sdpa")

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        if self.backend == "eager":
            return super().step_context(device)
        from torch.nn.attention import SDPBackend, sdpa_kernel

        return sdpa_kernel(getattr(SDPBackend, BACKENDS[self.backend][0]))

    def product_dtypes(self) -> frozenset[str]:
        # torch's math kernel computes 16-bit inputs in fp32.
        return frozenset({"float32"}) if self.backend == "math" else frozenset()

    def proof(self, evidence: Evidence) -> Verified:
        seen = {name: calls for name, calls in evidence.operators.items() if "scaled_dot_product" in name}
        if self.backend == "eager":
            if seen:
                return Verified(
                    "fell_back", f"Scaled-dot-product operators ran although eager was asked: {told(seen)}."
                )
            return Verified("as_asked", "No scaled-dot-product operator ran; attention is the model's own products.")
        operator = BACKENDS[self.backend][1]
        others = [name for _, name in BACKENDS.values() if name != operator]
        if strays := {name: calls for name, calls in seen.items() if any(other in name for other in others)}:
            return Verified(
                "fell_back", f"Another kernel ran than {operator}: {told(strays)}; seen in one step: {told(seen)}."
            )
        if any(operator in name for name in seen):
            return Verified("as_asked", f"Operators seen in one step: {told(seen)}.")
        if self.backend == "math" and evidence.graphs and not seen:
            return Verified("as_asked", "Compiled into plain products; no fused attention operator ran.")
        return Verified("fell_back", f"{operator} did not run; seen: {seen or 'no attention operator'}.")
