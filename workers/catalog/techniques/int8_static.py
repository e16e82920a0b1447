"""Int8 static: weights and activations in int8, products in int8; ranges of activations are fixed beforehand, on samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.quantizing import int8
from workers.catalog.quantizing.calibration import SOURCE, Calibrated
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Expectation, Requires, Verified
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.catalog.model import Model

NEURAL_COMPRESSOR = Reference(
    "Intel Neural Compressor, validated models on a Xeon 8480+",
    "https://github.com/intel/neural-compressor/blob/master/docs/source/validated_model_list.md",
)

LARGEST = 127
"""Of symmetric int8."""
STRIDE = 16
"""Bins of the histogram between two ranges that entropy tries; there are at least 2,048."""


class Int8Static(Calibrated):
    technique: Literal["int8_static"] = "int8_static"
    title = "Int8 static"
    summary = "Multiplies in int8, with ranges of activations fixed beforehand on samples; cheaper per call than taking them anew, rougher where they vary."
    family = "quantization"
    order = 30
    requires = Requires(
        phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torchao", "modelopt.torch.quantization")
    )
    # BERT-base 2.44 to 4.07 and GPT-2 1.34 times as fast as fp32, with VNNI and AMX.
    expected = (Expectation(LATENCY, 0.24, 0.75, NEURAL_COMPRESSOR),)

    calibration: Literal["max", "percentile", "entropy"] = Field(
        "max",
        description="What the range of activations is: the largest seen; so much that a share of all fits; what changes their "
        "distribution least (entropy, as TensorRT does).",
    )
    percentile: float = Field(
        99.99, ge=50, le=100, description="Percent of the activations that fit, where calibration is percentile."
    )

    def convert(self, declared: Model, model: nn.Module, seed: int) -> nn.Module:
        from torchao.quantization import Int8StaticActivationInt8WeightConfig, PerRow, PerTensor, quantize_

        chosen = linears.inner(model, self.title)
        ranges = self._ranges(declared, model, seed, chosen)
        for name, linear in chosen.items():
            # One scale for all, with as many axes as the activations have.
            scale = (ranges[name] / LARGEST).to(linear.weight)
            config = Int8StaticActivationInt8WeightConfig(
                act_quant_scale=scale, granularity=[PerTensor(), PerRow()], set_inductor_config=False
            )
            quantize_(linear, config, filter_fn=lambda _module, _name: True)
        return model

    def _ranges(
        self, declared: Model, model: nn.Module, seed: int, chosen: dict[str, nn.Linear]
    ) -> dict[str, torch.Tensor]:
        """The largest activation that each layer has to hold, shaped [1, …] for its inputs."""
        import torch
        from modelopt.torch.quantization.calib import HistogramCalibrator, MaxCalibrator

        seen: dict[str, Any] = {
            name: MaxCalibrator() if self.calibration == "max" else HistogramCalibrator() for name in chosen
        }
        axes: dict[str, int] = {}

        def look(name: str, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name].collect(inputs[0])
            axes[name] = inputs[0].ndim

        hooks = [
            linear.register_forward_pre_hook(lambda _, inputs, name=name: look(name, inputs))
            for name, linear in chosen.items()
        ]
        with torch.no_grad():
            for batch in self.drawn(declared, model, seed):
                declared.logits(model, batch)
        for hook in hooks:
            hook.remove()
        ranges: dict[str, torch.Tensor] = {}
        for name, calibrator in seen.items():
            if self.calibration == "max":
                largest = calibrator.compute_amax()
            else:
                largest = calibrator.compute_amax(self.calibration, percentile=self.percentile, stride=STRIDE)
            ranges[name] = torch.as_tensor(largest).float().clamp(min=1e-6).reshape((1,) * axes[name])
        return ranges

    def product_dtypes(self) -> frozenset[str]:
        return int8.PRODUCTS

    def proof(self, evidence: Evidence) -> Verified:
        said = int8.multiplied(evidence)
        if said.ran != "as_asked":
            return said
        if "torchao::choose_qparams_affine" in evidence.foreign:
            return Verified("fell_back", "Ranges of activations were taken anew during the step.")
        return said._replace(detail=f"{said.detail} Ranges from {evidence.facts.get(SOURCE)}.")
