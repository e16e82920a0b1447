"""Weights that are set to zero where they stand: which layers take part, and how many zeros are in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workers.catalog.model import Unsupported

if TYPE_CHECKING:
    import torch
    from torch import nn

PRUNED = "pruned_layers"
"""Attribute of the model: dotted names of the layers in which weights were set to zero."""
ZEROS = "zeros"
"""Fact about a converted model: a ``Zeros`` of each of those layers."""
DENSE = "Kernels are dense: zeros are stored and multiplied like other numbers, so neither memory nor time falls."


class Zeros(NamedTuple):
    """What is in one layer's weight."""

    zeros: int
    weights: int


def layers(model: nn.Module, title: str) -> dict[str, Any]:
    """Linear layers and convolutions by dotted name, without the last linear one, which gives the scores.

    Raises:
        Unsupported: there are none; ``title`` names the technique that finds nothing to do.
    """
    from torch import nn

    found = {
        name: module
        for name, module in model.named_modules()
        # transformers' Conv1D is a linear layer that keeps its weight transposed.
        if type(module) in (nn.Linear, nn.Conv2d) or type(module).__name__ == "Conv1D"
    }
    linears = [name for name, module in found.items() if type(module) is nn.Linear]
    if linears:
        del found[linears[-1]]
    if not found:
        raise Unsupported(
            f"{title} acts on linear layers and convolutions, and {type(model).__name__} has none besides the one that gives its scores."
        )
    return found


def count(model: nn.Module) -> dict[str, Zeros]:
    """Zeros of each pruned layer as they are now; empty where nothing was pruned."""
    found: dict[str, Zeros] = {}
    for name in getattr(model, PRUNED, ()):
        values = _values(model.get_submodule(name).weight)
        found[name] = Zeros(values.numel() - int(values.count_nonzero()), values.numel())
    return found


def total(layers: dict[str, Zeros]) -> Zeros:
    """All layers together."""
    return Zeros(sum(each.zeros for each in layers.values()), sum(each.weights for each in layers.values()))


def _values(weight: Any) -> torch.Tensor:
    """The numbers a weight stands for; torchao's quantised tensors say them."""
    values: torch.Tensor = weight.dequantize() if hasattr(weight, "__tensor_flatten__") else weight
    return values
