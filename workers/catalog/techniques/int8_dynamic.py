"""Int8 dynamic: weights and activations in int8, products in int8; activations get their range at every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY_TPOT, QUALITY_PERPLEXITY
from workers.catalog.quantizing import int8
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Expectation, Requires, Technique, Verified
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    from torch import nn

TORCHAO = Reference("torchao, quantization of Llama-3-8B on an A100", "https://github.com/pytorch/ao")


class Int8Dynamic(Technique):
    technique: Literal["int8_dynamic"] = "int8_dynamic"
    title = "Int8 dynamic"
    summary = "Multiplies in int8, with the range of activations taken anew at every call; for prompts and batches, slow for one token at a time."
    family = "quantization"
    order = 30
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao",))
    expected = (
        # Compiled, batch 1: 8.61 against 95.64 tokens per second; perplexity 7.581 against 7.441.
        Expectation(LATENCY_TPOT, 11.0, 11.2, TORCHAO),
        Expectation(QUALITY_PERPLEXITY, 1.018, 1.02, TORCHAO),
    )

    activations: Literal["token", "tensor"] = Field(
        "token", description="How many activations share one scale: those of a token (or sample), or all of them."
    )
    weights: Literal["row", "tensor"] = Field(
        "row", description="How many weights share one scale: an output channel's (row), or the whole layer's (tensor)."
    )

    def transform(self, model: nn.Module) -> nn.Module:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, PerRow, PerTensor, quantize_

        chosen = set(linears.inner(model, self.title))
        per = {"token": PerRow(), "row": PerRow(), "tensor": PerTensor()}
        # torchao would also set the compiler's options and the fp32 product format, for this arm alone.
        config = Int8DynamicActivationInt8WeightConfig(
            granularity=[per[self.activations], per[self.weights]], set_inductor_config=False
        )
        quantize_(model, config, filter_fn=lambda _, name: name in chosen)
        return model

    def product_dtypes(self) -> frozenset[str]:
        return int8.PRODUCTS

    def proof(self, evidence: Evidence) -> Verified:
        return int8.multiplied(evidence)
