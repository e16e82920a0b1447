"""What the two 4-bit floating-point formats have in common: torchao packs them; products are in the model's own format."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from workers.catalog.quantizing import layers
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Family, Requires, Technique, Verified

if TYPE_CHECKING:
    import torch
    from torch import nn


class Fp4(Technique):
    """Weights packed in 4 bits, inputs rounded to the same format; neither is multiplied in it."""

    family: ClassVar[Family] = "quantization"
    order = 30
    on_fake_tensors = False
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao.prototype.mx_formats",))
    # Inductor knows no type for the scales of MXFP4 on CPUs, and compiling what is emulated would show nothing.
    conflicts = frozenset({"torch_compile"})

    group: ClassVar[int]
    """Values that share a scale."""
    tensor_class: ClassVar[str]
    """torchao's tensor of the format."""

    rounded: Literal["weights and activations", "weights"] = Field(
        "weights and activations",
        description="What is rounded: both, as Blackwell's tensor cores multiply them, or weights alone.",
    )

    @abstractmethod
    def quantize(self, x: torch.Tensor) -> Any:
        """A tensor [..., K] in the format; K is a multiple of ``group``."""

    def transform(self, model: nn.Module) -> nn.Module:
        for linear in layers.in_groups(model, self.title, self.group).values():
            layers.emulate(linear, self.quantize, inputs=self.rounded != "weights")
        return model

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return layers.counted(model, self.title, self.group)

    def proof(self, evidence: Evidence) -> Verified:
        if said := layers.missing(evidence, self.tensor_class):
            return said
        due = int(evidence.facts[layers.DUE])
        calls = evidence.operators.get(layers.EMULATED, 0)
        if calls < due:
            return Verified("fell_back", f"{due} layers hold {self.title} weights, and {calls} multiplied them.")
        kept = evidence.weight_dtypes.get("uint8", 0)
        detail = f"{due} layers hold {kept:,} bytes of packed {self.title} weights; rounded were {self.rounded}."
        return Verified(
            "emulated",
            f"{detail} Products ran in the model's own format.{layers.left_alone(evidence, self.group)}",
            simulated=True,
        )
