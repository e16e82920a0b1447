"""FP8: weights in 8-bit floating point (E4M3), inputs too unless weights alone are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, QUALITY_TASK
from workers.catalog.quantizing import layers
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Expectation, Requires, Technique, Verified

if TYPE_CHECKING:
    import torch
    from torch import nn

NVIDIA = Reference(
    "NVIDIA Model Optimizer, Llama-3.1 on an H200",
    "https://github.com/NVIDIA/Model-Optimizer/blob/main/examples/benchmark.md",
)

TENSOR_CLASS = "Float8Tensor"
FORMAT = "float8_e4m3fn"
MULTIPLIES = (8, 9)
"""CUDA compute capability from which tensor cores multiply FP8."""
ALIGNED = 16
"""Its kernels take widths that are multiples of this."""


class Fp8(Technique):
    technique: Literal["fp8"] = "fp8"
    title = "FP8"
    summary = "Stores and multiplies in 8-bit floating point; loses next to nothing, and is fast where the chip multiplies it (from Ada and Hopper on)."
    family = "quantization"
    order = 30
    on_fake_tensors = False
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao",))
    expected = (
        # Against bf16 in TensorRT-LLM: 8B 1.30 to 1.41 times the tokens per second; MMLU of 8B and 70B 1.50 and 0.38 % lower.
        Expectation(LATENCY, 0.71, 0.77, NVIDIA),
        Expectation(QUALITY_TASK, 0.985, 0.997, NVIDIA),
    )

    granularity: Literal["tensor", "row", "block"] = Field(
        "row",
        description="How many values share one scale: a whole tensor; an output channel's weights and a token's activations; or "
        "square blocks of weights, with activations left as they are.",
    )
    block: Literal[16, 32, 64, 128] = Field(128, description="Edge of a block, where granularity is block.")

    @property
    def step(self) -> int:
        """What widths have to be a multiple of."""
        return self.block if self.granularity == "block" else ALIGNED

    def transform(self, model: nn.Module) -> nn.Module:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, PerTensor, quantize_

        chosen = layers.in_groups(model, self.title, self.step, squares=True)
        if self.granularity != "block" and _multiplied_here(next(iter(chosen.values())).weight):
            config = Float8DynamicActivationFloat8WeightConfig(
                granularity=PerRow() if self.granularity == "row" else PerTensor(), set_inductor_config=False
            )
            quantize_(model, config, filter_fn=lambda _, name: name in chosen)
        else:
            for linear in chosen.values():
                layers.emulate(linear, self._quantize, inputs=self.granularity != "block")
        return model

    def _quantize(self, x: torch.Tensor) -> Any:
        import torch
        from torchao.quantization import PerRow, PerTensor
        from torchao.quantization.granularity import PerBlock
        from torchao.quantization.quantize_.workflows.float8.float8_tensor import Float8Tensor

        per = {"tensor": PerTensor(), "row": PerRow(), "block": PerBlock([self.block, self.block])}
        return Float8Tensor.from_hp(x, float8_dtype=torch.float8_e4m3fn, granularity=per[self.granularity])

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return layers.counted(model, self.title, self.step, squares=True)

    def product_dtypes(self) -> frozenset[str]:
        return frozenset() if self.granularity == "block" else frozenset({FORMAT})

    def proof(self, evidence: Evidence) -> Verified:
        if said := layers.missing(evidence, TENSOR_CLASS):
            return said
        due = int(evidence.facts[layers.DUE])
        kept = evidence.weight_dtypes.get(FORMAT, 0)
        detail = f"{due} layers hold {kept:,} bytes of weights in {FORMAT}."
        # Weights are read in the step, and so are inputs that were rounded.
        reads, least = evidence.reads.get(FORMAT, 0), due * (1 if self.granularity == "block" else 2)
        if reads < least:
            return Verified("fell_back", f"{detail} It was read {reads} times in one step, {least} times were due.")
        left = layers.left_alone(evidence, self.step)
        if self.granularity == "block":
            return Verified("as_asked", f"{detail} Products are in the activations' format, as asked.{left}")
        if evidence.products.get(FORMAT):
            return Verified("as_asked", f"{detail} They were multiplied in it.{left}")
        return Verified(
            "emulated",
            f"{detail} Inputs were rounded to it too; products ran in a longer format.{left}",
            simulated=True,
        )


def _multiplied_here(weight: torch.Tensor) -> bool:
    """Whether the weight's device multiplies FP8."""
    import torch

    return weight.device.type == "cuda" and torch.cuda.get_device_capability(weight.device) >= MULTIPLIES
