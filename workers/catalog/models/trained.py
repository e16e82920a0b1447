"""Weights that ship: every value as it was trained, rounded once to the format asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workers.catalog.models import seeded
from workers.catalog.reference import FOLDER

if TYPE_CHECKING:
    from torch import nn

    from workers.catalog.technique import LoadOptions


def build(construct: Callable[[], nn.Module], word: str, options: LoadOptions, folder: Path = FOLDER) -> nn.Module:
    """The architecture with the weights of ``folder``'s ``<word>.safetensors``, on the device, in the dtype.

    The seed of ``options`` has no say. Every tensor of the file is used, and none of the model is left without.

    Raises:
        RuntimeError: file and architecture do not belong together; the message names the tensors.
    """
    import torch
    from accelerate import init_empty_weights
    from safetensors.torch import load_file

    if options.shapes_only:
        return seeded.build(construct, options)
    dtype = getattr(torch, options.dtype)
    with init_empty_weights(include_buffers=False):
        model = construct()
    stored = {
        name: value.to(device=options.device, dtype=dtype if value.is_floating_point() else value.dtype)
        for name, value in load_file(folder / f"{word}.safetensors").items()
    }
    missing, unexpected = model.load_state_dict(stored, strict=False, assign=True)
    tie = getattr(model, "tie_weights", None)
    if callable(tie):
        tie()
    empty = [name for name, weight in model.named_parameters() if weight.is_meta]
    absent = [name for name in missing if name in dict(model.named_buffers())]
    if empty or absent or unexpected:
        raise RuntimeError(f"{word}.safetensors lacks {empty + absent} and holds {unexpected} that nobody asked for")
    for parameter in model.parameters():
        # Assigning takes over whether the file's tensor wants gradients, and those never do.
        parameter.requires_grad_(True)
    for module in model.modules():
        for key, buffer in list(module.named_buffers(recurse=False)):
            # Those that are not saved (rotary frequencies) are computed in fp32 and stay so.
            module._buffers[key] = buffer.to(options.device)
    return model.eval()
