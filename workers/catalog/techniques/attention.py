"""Attention backend: which kernel computes softmax(QK^T)V."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.model import Unsupported
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
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workload import Workload
from workers.catalog.workloads.attention import PACKAGES

if TYPE_CHECKING:
    from torch import nn

FLASH = Reference("Dao 2023, FlashAttention-2", "https://arxiv.org/abs/2307.08691")

BACKENDS = {
    "math": ("MATH", "_scaled_dot_product_attention_math"),
    "flash": ("FLASH_ATTENTION", "_scaled_dot_product_flash_attention"),
    "memory_efficient": ("EFFICIENT_ATTENTION", "_scaled_dot_product_efficient_attention"),
    "cudnn": ("CUDNN_ATTENTION", "_scaled_dot_product_cudnn_attention"),
}
"""torch's SDPBackend member, and how the operator that runs is called."""
IMPLEMENTATIONS = {
    "eager": "eager",
    "flex": "flex_attention",
    "flash_attention_2": "flash_attention_2",
    "flash_attention_3": "flash_attention_3",
}
"""How transformers calls it; the others are chosen within its sdpa."""
OPERATORS = {"flash_attention_2": "flash_attn::", "flash_attention_3": "flash_attn_3::"}
"""How the operators of such a package begin."""
GENERATIONS = {"flash_attention_2": ((8, 0), None), "flash_attention_3": ((9, 0), (10, 0))}
"""First compute capability that its kernels are for, and the first they are not for any more."""


class Attention(Technique):
    technique: Literal["attention"] = "attention"
    title = "Attention backend"
    summary = "Chooses the attention kernel. Flash never writes the S x S score matrix, so it wins as sequences grow."
    family = "attention"
    order = 20
    requires = Requires(models=frozenset({"decoder", "image"}), attention=True)
    expected = (Expectation(LATENCY, 0.25, 0.5, FLASH),)

    backend: Literal[
        "eager", "math", "flash", "memory_efficient", "cudnn", "flex", "flash_attention_2", "flash_attention_3"
    ] = Field(
        "flash",
        description="eager is the model's own matrix products; math, flash, memory_efficient and cudnn are kernels of torch's "
        "scaled_dot_product_attention; flex is compiled for the mask at the first call; flash_attention_2 and 3 are the "
        "packages of that name, for GPUs and 16-bit formats.",
    )

    @property
    def packages(self) -> tuple[str, ...]:
        return (PACKAGES[self.backend],) if self.backend in PACKAGES else ()

    def misfit(self, workload: Workload) -> str | None:
        if self.backend == "flex" and workload.phase == "training":
            return "Flex attention has a backward pass on GPUs only, so it is measured in inference."
        return None

    def refuses(self, device: DeviceFacts) -> str | None:
        if self.backend == "flex":
            return TorchCompile().refuses(device)
        if device.kind == "cpu" and self.backend in (*PACKAGES, "memory_efficient", "cudnn"):
            return f"There is no {self.backend} attention kernel for CPUs; eager, math, flash and flex run there."
        if self.backend in GENERATIONS and device.capability is not None:
            first, above = GENERATIONS[self.backend]
            if device.capability < first or (above is not None and device.capability >= above):
                said = f"{first[0]}.x" if above else f"{first[0]}.{first[1]} and later"
                own = ".".join(map(str, device.capability))
                return f"{self.backend} is for compute capability {said}; {device.name} has {own}."
        return None

    def load_options(self, options: LoadOptions) -> LoadOptions:
        import dataclasses

        if self.backend in PACKAGES and options.dtype not in ("float16", "bfloat16"):
            raise Unsupported(
                f"{self.backend} computes in 16 bits only, and the model is in {options.dtype}; add a precision."
            )
        return dataclasses.replace(options, attention=IMPLEMENTATIONS.get(self.backend, "sdpa"))

    def compile(self, model: nn.Module) -> nn.Module:
        if self.backend == "flex":
            import torch._dynamo.config

            # Past the limit of sizes torch would run flex attention unfused with no more than a warning.
            torch._dynamo.config.fail_on_recompile_limit_hit = True
        return model

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return {"attention": getattr(getattr(model, "config", None), "_attn_implementation", None)}

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        if self.backend in IMPLEMENTATIONS:
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
        if self.backend in IMPLEMENTATIONS:
            return self._outside(evidence, seen)
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

    def _outside(self, evidence: Evidence, seen: Mapping[str, int]) -> Verified:
        """The proof of a kernel that is none of scaled_dot_product_attention's."""
        if seen:
            return Verified("fell_back", f"Scaled-dot-product operators ran instead: {told(seen)}.")
        used = evidence.facts.get("attention")
        if used != IMPLEMENTATIONS[self.backend]:
            return Verified("fell_back", f"The model's attention is {used}, not {self.backend}.")
        if self.backend == "flex":
            if evidence.graph_calls == 0:
                return Verified("fell_back", "No compiled kernel was called; flex attention ran unfused.")
            return Verified("as_asked", f"Compiled kernels were called {evidence.graph_calls} times in one step.")
        begin = OPERATORS[self.backend]
        own = {name: calls for name, calls in evidence.operators.items() if name.startswith(begin)}
        if not own:
            return Verified("fell_back", f"No operator of {PACKAGES[self.backend]} ran.")
        return Verified("as_asked", f"Operators seen in one step: {told(own)}.")
