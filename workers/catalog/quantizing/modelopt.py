"""One conversion by NVIDIA's Model Optimizer: weights and activations are rounded in every step, products stay as they were."""

from __future__ import annotations

import io
import warnings
from abc import abstractmethod
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, ClassVar

from workers.catalog.quantizing.calibration import SOURCE, Calibrated
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Family, Requires, Verified, told
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    from torch import nn

    from workers.catalog.model import Model

Format = dict[str, Any]
"""One number format, as Model Optimizer's quantizers take it."""

INT8: Format = {"num_bits": 8, "axis": None}
"""One scale for a tensor."""
INT8_ROWS: Format = {"num_bits": 8, "axis": 0}
"""One scale for each output channel."""
FP8: Format = {"num_bits": (4, 3), "axis": None}

ROUNDINGS = ("aten::round_", "aten::round", "tensorrt::quantize_op")
"""Operators of which a quantizer calls one each time it rounds."""
WEIGHTS, ROUNDED = "modelopt_weights", "modelopt_roundings"
"""Facts about a converted model: layers whose weights are rounded, and how many tensors are rounded in a step."""


def int4(group: int) -> Format:
    """4 bits with one scale for so many weights of a row."""
    return {"num_bits": 4, "block_sizes": {-1: group, "type": "static"}}


class Rounded(Calibrated):
    """A quantisation whose rounding is emulated: its quality is real, its speed and memory are those of the model before."""

    family: ClassVar[Family] = "quantization"
    order = 30
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("modelopt.torch.quantization",))
    # Compiled, no operator would show any more that values are rounded, and nothing is claimed of the time.
    conflicts = frozenset({"torch_compile"})

    @abstractmethod
    def formats(self) -> tuple[list[Format], list[Format]]:
        """Formats that weights and inputs are rounded to, one after the other."""

    @abstractmethod
    def algorithm(self) -> dict[str, Any]:
        """How scales are found, as Model Optimizer calls it."""

    def convert(self, declared: Model, model: nn.Module, seed: int) -> nn.Module:
        import torch
        from modelopt.torch import quantization

        weights, inputs = self.formats()
        rules: list[dict[str, Any]] = [{"quantizer_name": "*", "enable": False}]
        for name in linears.inner(model, self.title):
            rules.append({"quantizer_name": f"{name}.weight_quantizer", "cfg": _one_or_all(weights), "enable": True})
            if inputs:
                rules.append({"quantizer_name": f"{name}.input_quantizer", "cfg": _one_or_all(inputs), "enable": True})
        batches = self.drawn(declared, model, seed)

        def run(model: nn.Module) -> None:
            for batch in batches:
                declared.logits(model, batch)

        # It prints what it does, layer by layer.
        with torch.no_grad(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # The one that gives the scores is left alone on purpose.
            warnings.filterwarnings("ignore", ".* is not calibrated, skip smoothing")
            converted: nn.Module = quantization.quantize(
                model, {"quant_cfg": rules, "algorithm": self.algorithm()}, run
            )
        return converted

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        from modelopt.torch.quantization.nn import TensorQuantizer

        layers: list[Any] = [module for module in model.modules() if type(module).__name__ == "QuantLinear"]
        rounding = [
            sum(isinstance(part, TensorQuantizer) and part.is_enabled for part in layer.weight_quantizer.modules())
            for layer in layers
        ]
        weights = sum(count > 0 for count in rounding)
        inputs = len(self.formats()[1])
        return super().inspect(model) | {WEIGHTS: weights, ROUNDED: sum(rounding) + inputs * weights}

    def proof(self, evidence: Evidence) -> Verified:
        due = evidence.modules.get("QuantLinear", 0) - 1
        weights = int(evidence.facts.get(WEIGHTS, 0))
        if weights == 0 or weights < due:
            return Verified("fell_back", f"Of {due} linear layers {weights} round their weights.")
        wanted = int(evidence.facts[ROUNDED])
        seen = {name: evidence.operators[name] for name in ROUNDINGS if name in evidence.operators}
        if sum(seen.values()) < wanted:
            return Verified("fell_back", f"{wanted} tensors were to be rounded in one step; there ran {told(seen)}.")
        return Verified(
            "emulated",
            f"{weights} layers round their weights{' and inputs' if self.formats()[1] else ''}: {told(seen)} in one step. "
            f"Calibrated on {evidence.facts.get(SOURCE)}. Products ran in the model's own format.",
            simulated=True,
        )


def _one_or_all(formats: list[Format]) -> Format | list[Format]:
    return formats[0] if len(formats) == 1 else formats
