"""Int4 weight-only: weights in 4 bits with a scale for each group, products in bf16."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY_TPOT, MEMORY_PEAK_ALLOCATED, QUALITY_PERPLEXITY
from workers.catalog.quantizing import layers
from workers.catalog.technique import (
    FORWARD_WORKLOADS,
    INFERENCE,
    DeviceFacts,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
    told,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

LLAMA_2 = Reference("torchao, quantization of Llama-2-7B on an A100", "https://github.com/pytorch/ao")
GPT_FAST = Reference("gpt-fast, Llama-2-7B on an A100", "https://github.com/meta-pytorch/gpt-fast")

CLASSES = {"cpu": "Int4OpaqueTensor", "cuda": "Int4TilePackedTo4dTensor"}
"""torchao's tensors, in the layouts of torch's own 4-bit kernels."""
PRODUCT = re.compile(r"int4(pack_)?mm")


class Int4WeightOnly(Technique):
    technique: Literal["int4_weight_only"] = "int4_weight_only"
    title = "Int4 weight-only"
    summary = "Stores the weights of linear layers in 4 bits, rounded to the nearest; speeds up decoding that waits for memory, at a price in quality."
    family = "quantization"
    order = 30
    on_fake_tensors = False
    requires = Requires(
        phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao.prototype.quantization.int4",)
    )
    expected = (
        # Groups of 64 against bf16, both compiled, batch 1. Llama-2-7B: 0.351 of the memory, 1.87 times the tokens per second,
        # perplexity 12.843 instead of 12.212; Llama-3-8B: 0.419, 1.89 times, 8.316 instead of 7.441.
        Expectation(MEMORY_PEAK_ALLOCATED, 0.35, 0.42, LLAMA_2),
        Expectation(LATENCY_TPOT, 0.53, 0.54, LLAMA_2),
        Expectation(QUALITY_PERPLEXITY, 1.05, 1.12, LLAMA_2),
        Expectation(LATENCY_TPOT, 0.53, 0.54, GPT_FAST),
    )

    group: Literal[32, 64, 128] = Field(64, description="How many weights of a row share one scale and zero point.")
    scheme: Literal["range", "hqq"] = Field(
        "range",
        description="How scale and zero point are chosen: from the smallest to the largest weight, or so that the error is small "
        "where outliers are let go (half-quadratic quantisation).",
    )

    def refuses(self, device: DeviceFacts) -> str | None:
        if device.capability is not None and device.capability < (8, 0):
            return f"torch's 4-bit kernel needs compute capability 8.0 or later; this is {device.name}."
        return None

    def transform(self, model: nn.Module) -> nn.Module:
        import torch
        from torch import nn
        from torchao.prototype.quantization.int4.inference_workflow import PrototypeInt4WeightOnlyConfig
        from torchao.quantization import Int4WeightOnlyConfig, quantize_

        chosen = layers.in_groups(model, self.title, self.group)
        weight = next(iter(chosen.values())).weight
        config: Any
        scheme: Any = "tinygemm" if self.scheme == "range" else "hqq"
        # torchao would also set the compiler's options and the fp32 product format, for this arm alone.
        shared = {"group_size": self.group, "int4_choose_qparams_algorithm": scheme, "set_inductor_config": False}
        if weight.device.type == "cpu":
            config = PrototypeInt4WeightOnlyConfig(**shared)
        else:
            config = Int4WeightOnlyConfig(int4_packing_format="tile_packed_to_4d", **shared)
        if weight.dtype != torch.bfloat16:
            # The kernel of GPUs takes nothing else, and that of CPUs does fp32 number by number, a hundred times slower.
            for linear in chosen.values():
                linear.weight = nn.Parameter(linear.weight.detach().bfloat16(), requires_grad=False)
                linear.forward = partial(_multiply, linear)  # type: ignore[method-assign]
        quantize_(model, config, filter_fn=lambda _, name: name in chosen)
        return model

    def product_dtypes(self) -> frozenset[str]:
        return frozenset({"bfloat16"})

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return layers.counted(model, self.title, self.group)

    def proof(self, evidence: Evidence) -> Verified:
        tensor_class = CLASSES[evidence.device.kind]
        if said := layers.missing(evidence, tensor_class):
            return said
        due = int(evidence.facts[layers.DUE])
        seen = {name: calls for name, calls in evidence.operators.items() if PRODUCT.search(name)}
        # One product may show under two names, of which one calls the other.
        if max(seen.values(), default=0) < due:
            return Verified("fell_back", f"{due} layers hold 4-bit weights; of 4-bit products there ran {told(seen)}.")
        stored = evidence.weight_dtypes.get("uint8", 0) + evidence.weight_dtypes.get("int32", 0)
        detail = f"{due} layers hold {stored:,} bytes of 4-bit weights. Products seen in one step: {told(seen)}."
        return Verified("as_asked", detail + layers.left_alone(evidence, self.group))


def _multiply(linear: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """The product in bf16, given back in the format of the input."""
    from torch.nn import functional

    product = functional.linear(x.bfloat16(), linear.weight).to(x.dtype)
    return product if linear.bias is None else product + linear.bias
