"""NVFP4: weights and activations in 4-bit floating point (E2M1), 16 values to a scale in FP8, and one scale for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.catalog.quantizing.fp4 import Fp4

if TYPE_CHECKING:
    import torch

SMALLEST = 1e-12
"""Largest value of a tensor that is taken for zero."""


class Nvfp4(Fp4):
    technique: Literal["nvfp4"] = "nvfp4"
    title = "NVFP4"
    summary = "NVIDIA's 4-bit format of the Blackwell generation, emulated: shows what it costs in quality. Short groups with fractional scales make it finer than MXFP4."
    group = 16
    tensor_class = "NVFP4Tensor"

    def quantize(self, x: torch.Tensor) -> Any:
        from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

        scale = per_tensor_amax_to_scale(x.abs().max().float().clamp(min=SMALLEST))
        return NVFP4Tensor.to_nvfp4(x, per_tensor_scale=scale)
