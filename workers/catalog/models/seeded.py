"""Weights from a seed: the same values in every dtype, with no second copy of the model in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from workers.catalog.technique import LoadOptions


def build(construct: Callable[[], nn.Module], options: LoadOptions) -> nn.Module:
    """Construct a module without weights and fill every parameter from its own seeded stream.

    Each value is drawn in fp32 and then rounded to the dtype, so that arms of different precision hold the same model
    and the peak is the model plus one parameter. Matrices are normal with variance 1 / fan-in, which keeps activations
    near unit size through any depth; scales are one and biases zero.
    """
    import zlib

    import torch
    from accelerate import init_empty_weights

    dtype = getattr(torch, options.dtype)
    with init_empty_weights(include_buffers=False):
        model = construct()
    filled: dict[int, nn.Parameter] = {}
    for name, module in model.named_modules():
        for key, empty in list(module.named_parameters(recurse=False)):
            if id(empty) not in filled:
                generator = torch.Generator().manual_seed(
                    options.seed * 2_654_435_761 + zlib.crc32(f"{name}.{key}".encode())
                )
                filled[id(empty)] = torch.nn.Parameter(
                    _values(key, empty.shape, generator).to(device=options.device, dtype=dtype),
                    requires_grad=empty.requires_grad,
                )
            setattr(module, key, filled[id(empty)])
    tie = getattr(model, "tie_weights", None)
    if callable(tie):
        tie()
    for module in model.modules():
        for key, buffer in list(module.named_buffers(recurse=False)):
            # Saved buffers (batch norm's statistics) follow the weights' format, as when a checkpoint is loaded in it;
            # the others (rotary frequencies) are computed in fp32 and stay.
            follows = buffer.is_floating_point() and key not in module._non_persistent_buffers_set
            module._buffers[key] = buffer.to(options.device, dtype if follows else buffer.dtype)
    return model.eval()


EXPERTS = frozenset({"gate_up_proj", "down_proj"})
"""Weights of all experts of a layer in one tensor [E, outputs, inputs]."""


def _values(key: str, shape, generator):  # type: ignore[no-untyped-def]
    import torch

    if len(shape) >= 2:
        fan_in = shape[-1] if key in EXPERTS else shape[1:].numel()
        return torch.randn(shape, generator=generator) * fan_in**-0.5
    return torch.zeros(shape) if "bias" in key else torch.ones(shape)
