"""MXFP4: weights and activations in 4-bit floating point (E2M1), 32 values to a scale that is a power of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.catalog.quantizing.fp4 import Fp4

if TYPE_CHECKING:
    import torch


class Mxfp4(Fp4):
    technique: Literal["mxfp4"] = "mxfp4"
    title = "MXFP4"
    summary = "The open 4-bit format of the microscaling standard, emulated: shows what it costs in quality. Its scales are powers of two, which makes it rougher than NVFP4."
    group = 32
    tensor_class = "MXTensor"

    def quantize(self, x: torch.Tensor) -> Any:
        import torch
        from torchao.prototype.mx_formats.mx_tensor import MXTensor

        return MXTensor.to_mx(x, torch.float4_e2m1fn_x2, self.group)
