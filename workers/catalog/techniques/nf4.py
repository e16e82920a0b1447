"""NF4: weights in 4 bits on a grid made for normally distributed values, products in the compute format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY_TPOT, MEMORY_PEAK_ALLOCATED
from workers.catalog.technique import (
    FORWARD_WORKLOADS,
    INFERENCE,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
    told,
)
from workers.catalog.techniques import linears
from workers.catalog.techniques.precision import DTYPES

if TYPE_CHECKING:
    from torch import nn

LITGPT = Reference(
    "LitGPT, Llama-2-7B on an A100",
    "https://github.com/Lightning-AI/litgpt/blob/main/tutorials/quantize.md",
)

PACKED_ROWS = 32
"""bitsandbytes' CPU kernel takes weights in groups of this many rows."""
BLOCK = 64
"""Weights that share one scale: bitsandbytes' default."""


class Nf4(Technique):
    technique: Literal["nf4"] = "nf4"
    title = "NF4"
    summary = (
        "Stores the weights of linear layers in 4 bits; a third of bf16's memory, at a price in speed and quality."
    )
    family = "quantization"
    order = 30
    on_fake_tensors = False
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("bitsandbytes",))
    expected = (
        # Against bf16: 4.57 (double quantisation 4.26) of 13.52 GB; 19.98 (17.3) of 30.97 tokens per second.
        Expectation(MEMORY_PEAK_ALLOCATED, 0.31, 0.34, LITGPT),
        Expectation(LATENCY_TPOT, 1.55, 1.79, LITGPT),
    )

    compute_dtype: Literal["bf16", "fp16", "fp32"] = Field("bf16", description="Format in which products are computed.")
    double_quantization: bool = Field(False, description="Quantise the scales too: 0.4 bits less per weight.")

    def transform(self, model: nn.Module) -> nn.Module:
        import torch

        for name, linear in linears.inner(model, self.title).items():
            weight = linear.weight
            layer = quantised(linear, self.compute_dtype, double=self.double_quantization)
            layer.support_avx512bf16_for_cpu &= self._fits_cpu_kernel(linear)
            layer = layer.to(weight.device).eval()
            with torch.inference_mode():
                # The CPU kernel repacks weights at the first call; here it counts as conversion, before any compiler looks.
                layer(torch.zeros(1, linear.in_features, dtype=weight.dtype, device=weight.device))
            model.set_submodule(name, layer)
        return model

    def _fits_cpu_kernel(self, linear: nn.Linear) -> bool:
        """Whether the packed CPU kernel does what is asked: it computes in bf16 and keeps plain scales."""
        shaped = linear.out_features % PACKED_ROWS == 0 and linear.in_features % BLOCK == 0
        return shaped and self.compute_dtype == "bf16" and not self.double_quantization

    def product_dtypes(self) -> frozenset[str]:
        return frozenset({DTYPES[self.compute_dtype]})

    def proof(self, evidence: Evidence) -> Verified:
        layers = evidence.modules.get("Linear4bit", 0)
        stored = evidence.weight_dtypes.get("uint8", 0)
        if layers == 0 or stored == 0:
            return Verified("fell_back", f"No weight is quantised; stored are {told(evidence.weight_dtypes)}.")
        seen = {name: calls for name, calls in evidence.foreign.items() if "4bit" in name}
        if sum(seen.values()) < layers:
            ran = f"only these operators ran: {told(seen)}" if seen else "no 4-bit operator ran"
            return Verified("fell_back", f"Linear layers with 4-bit weights: {layers}. In one step {ran}.")
        return Verified(
            "as_asked",
            f"Linear layers with 4-bit weights: {layers}, {stored:,} bytes. Operators seen in one step: {told(seen)}.",
        )


def quantised(linear: nn.Linear, compute_dtype: str, *, double: bool) -> Any:
    """The layer with its weights in NF4, which it is when it comes to its device.

    Args:
        linear: what it takes the place of.
        compute_dtype: the format of products, as ``Precision`` names it.
        double: whether scales are quantised too.
    """
    import bitsandbytes.nn
    import torch
    from torch import nn

    classes: Any = bitsandbytes.nn
    layer = classes.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        compute_dtype=getattr(torch, DTYPES[compute_dtype]),
        compress_statistics=double,
        quant_type="nf4",
        device="meta",
    )
    layer.weight = classes.Params4bit(
        linear.weight.detach().contiguous(),
        requires_grad=False,
        blocksize=BLOCK,
        compress_statistics=double,
        quant_type="nf4",
        module=layer,
    )
    layer.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)
    return layer
