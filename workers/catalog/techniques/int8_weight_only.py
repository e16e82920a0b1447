"""Int8 weight-only quantisation: weights stored in int8, products in the activations' format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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

if TYPE_CHECKING:
    from torch import nn

TORCHAO = Reference("torchao, quantization of Llama-3-8B on an A100", "https://github.com/pytorch/ao")
GPT_FAST = Reference("gpt-fast, Llama-2-7B on an A100", "https://github.com/meta-pytorch/gpt-fast")

TENSOR_CLASS = "Int8Tensor"


class Int8WeightOnly(Technique):
    technique: Literal["int8_weight_only"] = "int8_weight_only"
    title = "Int8 weight-only"
    summary = (
        "Stores the weights of linear layers in 8 bits; speeds up decoding that waits for memory, mostly once compiled."
    )
    family = "quantization"
    order = 30
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao",))
    expected = (
        # Against bf16, both compiled, batch 1: 1.6 and 1.48 times the tokens per second.
        Expectation(MEMORY_PEAK_ALLOCATED, 0.63, 0.64, TORCHAO),
        Expectation(LATENCY_TPOT, 0.62, 0.63, TORCHAO),
        Expectation(LATENCY_TPOT, 0.67, 0.68, GPT_FAST),
    )

    granularity: Literal["row", "tensor"] = Field(
        "row", description="How many weights share one scale: an output channel's (row), or the whole layer's (tensor)."
    )

    def transform(self, model: nn.Module) -> nn.Module:
        from torchao.quantization import Int8WeightOnlyConfig, PerRow, PerTensor, quantize_

        chosen = set(linears.inner(model, self.title))
        scale = PerRow() if self.granularity == "row" else PerTensor()
        # torchao would also set the compiler's options and the fp32 product format, for this arm alone.
        config = Int8WeightOnlyConfig(granularity=scale, set_inductor_config=False)
        quantize_(model, config, filter_fn=lambda _, name: name in chosen)
        return model

    def proof(self, evidence: Evidence) -> Verified:
        quantized = evidence.weight_classes.get(TENSOR_CLASS, 0)
        if quantized == 0:
            return Verified("fell_back", f"No weight is quantised; weights are {told(evidence.weight_classes)}.")
        stored = evidence.weight_dtypes.get("int8", 0)
        # The layer that gives the scores is left alone.
        if quantized < evidence.modules.get("Linear", 0) - 1:
            return Verified(
                "fell_back", f"Of {evidence.modules['Linear']} linear layers only {quantized} are quantised."
            )
        if (reads := evidence.reads.get("int8", 0)) < quantized:
            return Verified(
                "fell_back", f"{quantized} weights are quantised, but int8 was read {reads} times in one step."
            )
        return Verified("as_asked", f"{quantized} weights are {TENSOR_CLASS}, {stored:,} bytes of them stored in int8.")
