"""LLM.int8(): weights and activations in int8, columns of outlying activations apart in fp16."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_PEAK_ALLOCATED
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

BLOOM = Reference(
    "Hugging Face, Incredibly Fast BLOOM Inference", "https://huggingface.co/blog/bloom-inference-pytorch-scripts"
)
ISSUE_347 = Reference(
    "bitsandbytes issue 347, on an RTX 3090", "https://github.com/bitsandbytes-foundation/bitsandbytes/issues/347"
)

PRODUCT = "int8_linear_matmul"


class LlmInt8(Technique):
    technique: Literal["llm_int8"] = "llm_int8"
    title = "LLM.int8()"
    summary = (
        "Stores weights in 8 bits and multiplies in int8, with outlying activations apart; saves memory, rarely time."
    )
    family = "quantization"
    order = 30
    on_fake_tensors = False
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("bitsandbytes",))
    expected = (
        # 154.6 against 32.9 ms, 0.55 of the memory.
        Expectation(LATENCY, 4.69, 4.70, ISSUE_347),
        Expectation(MEMORY_PEAK_ALLOCATED, 0.55, 0.55, ISSUE_347),
        # BLOOM-176B on 8 A100: 287 against 230 ms per token.
        Expectation(LATENCY, 1.24, 1.25, BLOOM),
    )

    threshold: float = Field(
        6.0,
        ge=0,
        le=1_000,
        description="Columns with an activation above this are multiplied in fp16; 0 puts everything into int8.",
    )

    def transform(self, model: nn.Module) -> nn.Module:
        import bitsandbytes.nn
        from torch import nn

        # It says before every product that activations are rounded to fp16 first: thousands of lines a run.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        classes: Any = bitsandbytes.nn
        for name, linear in linears.inner(model, self.title).items():
            layer = classes.Linear8bitLt(
                linear.in_features,
                linear.out_features,
                bias=linear.bias is not None,
                has_fp16_weights=False,
                threshold=self.threshold,
                device="meta",
            )
            weight = linear.weight.detach()
            layer.weight = classes.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
            layer.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)
            model.set_submodule(name, layer.to(weight.device).eval())
        return model

    def product_dtypes(self) -> frozenset[str]:
        return frozenset({"int8"})

    def proof(self, evidence: Evidence) -> Verified:
        layers = evidence.modules.get("Linear8bitLt", 0)
        stored = evidence.weight_dtypes.get("int8", 0)
        if layers == 0 or stored == 0:
            return Verified("fell_back", f"No weight is quantised; stored are {told(evidence.weight_dtypes)}.")
        calls = sum(count for name, count in evidence.operators.items() if PRODUCT in name)
        if calls < layers:
            return Verified(
                "fell_back", f"{layers} layers hold int8 weights, but {calls} int8 products ran in one step."
            )
        detail = f"{layers} layers, {stored:,} bytes of weights in int8, {calls} int8 products in one step."
        if evidence.device.kind == "cpu" and "aten::_int_mm" not in evidence.operators:
            return Verified("emulated", f"{detail} This CPU computes them through fp32.")
        return Verified("as_asked", detail)
