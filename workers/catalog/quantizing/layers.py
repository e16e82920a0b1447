"""Linear layers that a quantisation acts on, and those that emulate a format which this device cannot multiply."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from workers.catalog.model import Unsupported
from workers.catalog.technique import Evidence, Verified
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    import torch
    from torch import nn

    Quantize = Callable[[torch.Tensor], Any]
    """From a tensor [..., K] to torchao's tensor of another format, which has a ``dequantize``."""

EMULATED = "emulated product"
"""Name of the profiler's range around the product of an emulated layer."""
DUE, LEFT = "linears_due", "linears_left"
"""Facts about a converted model: layers that ought to be quantised, and those whose widths do not allow it."""


def in_groups(model: nn.Module, title: str, size: int, *, squares: bool = False) -> dict[str, nn.Linear]:
    """Linear layers by dotted name, without the one that gives the scores, whose inputs come in whole groups.

    Args:
        model: looked through.
        title: names the technique that finds nothing to do.
        size: of a group.
        squares: whether outputs have to come in whole groups too.

    Raises:
        Unsupported: there are none.
    """
    found = linears.inner(model, title)
    fitting = {
        name: linear
        for name, linear in found.items()
        if linear.in_features % size == 0 and not (squares and linear.out_features % size)
    }
    if not fitting:
        shapes = sorted({(linear.out_features, linear.in_features) for linear in found.values()})
        told = ", ".join(f"{rows} by {columns}" for rows, columns in shapes)
        raise Unsupported(f"{title} takes weights in groups of {size}, and no layer can be cut so: {told}.")
    return fitting


def counted(model: nn.Module, title: str, size: int, *, squares: bool = False) -> dict[str, int]:
    """How many layers are due to be quantised in groups of a size, and how many are left alone."""
    due = len(in_groups(model, title, size, squares=squares))
    return {DUE: due, LEFT: len(linears.inner(model, title)) - due}


def missing(evidence: Evidence, tensor_class: str) -> Verified | None:
    """What is to be said of layers whose weights are not of a class although they ought to be; None when all are."""
    due = int(evidence.facts.get(DUE, 0))
    found = evidence.weight_classes.get(tensor_class, 0)
    if 0 < due <= found:
        return None
    return Verified("fell_back", f"Of {due} linear layers that ought to be quantised, {found} are.")


def left_alone(evidence: Evidence, size: int) -> str:
    """A sentence about the layers whose sizes are no multiples of the group; empty when there are none."""
    count = int(evidence.facts.get(LEFT, 0))
    return f" Layers left alone, because their sizes are no multiples of {size}: {count}." if count else ""


def emulate(linear: nn.Linear, quantize: Quantize, *, inputs: bool) -> None:
    """Have a layer keep its weight in another format and multiply what that rounds to, in the format it had.

    Args:
        linear: changed in place.
        quantize: to the format.
        inputs: whether inputs are rounded too, each time anew.
    """
    from torch import nn

    linear.weight = nn.Parameter(quantize(linear.weight.detach()), requires_grad=False)
    linear.forward = partial(_multiply, linear, quantize if inputs else None)  # type: ignore[method-assign]


def _multiply(linear: nn.Linear, quantize: Quantize | None, x: torch.Tensor) -> torch.Tensor:
    import torch
    from torch.nn import functional

    weight: Any = linear.weight
    with torch.profiler.record_function(EMULATED):
        rounded = quantize(x).dequantize().to(x.dtype) if quantize else x
        return functional.linear(rounded, weight.dequantize().to(x.dtype), linear.bias)
