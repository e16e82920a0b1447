"""Sees in which formats matrix products ran: by the operators of a profiled step, and by graphs as they are compiled.

Either sees what the other cannot: a profile has no operator for a product that a compiler has written itself, and a graph
has none for what runs outside of it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch

NAMES = {
    "float": "float32",
    "double": "float64",
    "c10::Half": "float16",
    "c10::BFloat16": "bfloat16",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "long int": "int64",
    "bool": "bool",
}
"""torch's names of what its profiler calls by the types of C++."""
FACTORS = {
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::mv": (0, 1),
    "aten::_int_mm": (0, 1),
    "aten::_scaled_mm": (0, 1),
    "aten::addmm": (1, 2),
    "aten::addmv": (1, 2),
    "aten::baddbmm": (1, 2),
    "aten::addbmm": (1, 2),
    "aten::_addmm_activation": (1, 2),
}
"""Which inputs of an operator are multiplied: [..., K] by [..., K, N]."""
CONVOLUTION = "conv"
ATTENTION = "_scaled_dot_product_"
MATH_ATTENTION = "_scaled_dot_product_attention_math"
"""No kernel: its products are operators of their own."""
MADE_ELSEWHERE = ("bitsandbytes", "torchao", "quantized", "onednn", "mkldnn")
"""Namespaces of products that are no operators of torch: neither its counter nor this file sees what they are made of."""
PRODUCT_WORDS = ("matmul", "gemm", "gemv", "linear", "_mm", CONVOLUTION)
COPY = "aten::copy_"


class Tensor(NamedTuple):
    """Format and shape of one input of an operator."""

    dtype: str
    shape: tuple[int, ...]


Inputs = Sequence[Tensor | None]
"""The inputs of one operator; None for what is no tensor."""


class Seen(NamedTuple):
    """What was multiplied and read."""

    products: Mapping[str, int]
    """Multiply-adds of matrix products by the format of their first factor."""
    reads: Mapping[str, int]
    """Operators that multiplied tensors of a format or turned them into another one."""
    foreign: Mapping[str, int]
    """Calls of operators of other libraries, without those inside another of them."""


@dataclass
class _Call:
    """A product, or an operator of another library, in a profile."""

    name: str
    until: int
    """When it ended, in nanoseconds."""
    foreign: bool
    first: Tensor | None
    """The first factor of a product."""
    work: int
    innermost: bool = True


class _Graphs(NamedTuple):
    """Products and reads of compiled graphs."""

    products: Counter[str]
    reads: Counter[str]


_compiled = _Graphs(Counter(), Counter())
"""All graphs that were compiled in this process."""


def watch_compiler() -> None:
    """Have torch's compiler show every graph it is about to write code for; does nothing when nobody has imported it."""
    if "torch._inductor.config" in sys.modules:
        from torch._inductor import config

        config.post_grad_custom_post_pass = _note


def seen(events: Iterable[Any]) -> Seen:
    """What the operators of a profiled step and all graphs compiled so far have multiplied and read.

    Of products inside one another the innermost counts, because autocast calls an operator again with other inputs; but
    what a library of its own makes a product of does not, because that is how it emulates what it stands for.

    Args:
        events: Kineto's events of a step that was recorded with shapes.
    """
    found: list[_Call] = []
    reads: Counter[str] = Counter()
    around: dict[int, list[_Call]] = {}
    for event in sorted(events, key=lambda event: (event.start_ns(), -event.end_ns())):
        name = event.name()
        if "::" not in name:
            continue
        open_calls = around.setdefault(event.start_thread_id(), [])
        while open_calls and open_calls[-1].until <= event.start_ns():
            open_calls.pop()
        if open_calls and open_calls[-1].foreign:
            continue
        inputs = _inputs(event.dtypes(), event.shapes())
        first = multiplied(name, inputs)
        foreign = name.partition("::")[0] in MADE_ELSEWHERE
        if first or foreign:
            if open_calls:
                open_calls[-1].innermost = False
            open_calls.append(_Call(name, event.end_ns(), foreign, first, work(name, inputs)))
            found.append(open_calls[-1])
            reads.update({each.dtype for each in inputs if each})
        elif name == COPY:  # Into the first input from the second.
            reads.update(each.dtype for each in inputs[1:] if each)
    products: Counter[str] = Counter()
    for call in found:
        if call.first and call.innermost:
            products[call.first.dtype] += call.work
    return Seen(
        products=_larger(products, _compiled.products),
        reads=_larger(reads, _compiled.reads),
        foreign=dict(Counter(call.name for call in found if call.foreign)),
    )


def multiplied(name: str, inputs: Inputs) -> Tensor | None:
    """The first factor of a matrix product; None when the operator is none."""
    namespace, _, word = name.partition("::")
    fused = namespace == "aten" and (CONVOLUTION in word or (word.startswith(ATTENTION) and word != MATH_ATTENTION))
    foreign = namespace in MADE_ELSEWHERE and any(each in word for each in PRODUCT_WORDS)
    if name not in FACTORS and not fused and not foreign:
        return None
    place = FACTORS.get(name, (0, 1))[0]
    return inputs[place] if place < len(inputs) else None


def work(name: str, inputs: Inputs) -> int:
    """Multiply-adds of a product by the shapes of its inputs; of a convolution what it takes with a stride of one."""
    shapes = [each.shape for each in inputs if each]
    if name in FACTORS:
        left, right = (inputs[place] for place in FACTORS[name])
        return prod(left.shape) * (right.shape[-1] if len(right.shape) > 1 else 1) if left and right else 1
    if ATTENTION in name and len(shapes) > 1:
        return 2 * prod(shapes[0]) * shapes[1][-2]
    if len(shapes) < 2 or not shapes[0] or not shapes[1]:
        return max(1, prod(shapes[0]) if shapes else 1)
    if CONVOLUTION in name and len(shapes[0]) > 1:
        return prod(shapes[0]) * prod(shapes[1]) // shapes[0][1]
    return max(1, prod(shapes[0]) * max(map(prod, shapes[1:])) // max(1, shapes[0][-1]))


def _inputs(dtypes: Sequence[str], shapes: Sequence[Sequence[int]]) -> Inputs:
    """A profiled operator's inputs; scalars and lists have no format of a tensor."""
    return [
        Tensor(NAMES.get(dtype, dtype.removeprefix("c10::").lower()), tuple(shape)) if dtype and shape else None
        for dtype, shape in zip(dtypes, shapes, strict=False)
    ]


def _note(graph: Any) -> None:
    """Count what a graph multiplies and reads, after the compiler's own changes to it."""
    for node in graph.nodes:
        target = node.target
        if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload):
            continue
        name = f"{target.namespace}::{target._overloadpacket.__name__}"
        inputs = [_tensor(each) for each in node.args]
        first = multiplied(name, inputs)
        if first is not None:
            _compiled.products[first.dtype] += work(name, inputs)
        made = _tensor(node)
        _compiled.reads.update(
            {each.dtype for each in inputs if each} - ({made.dtype} if made and not first else set())
        )


def _tensor(node: Any) -> Tensor | None:
    """Format and shape of what a node of a graph makes; a symbolic size counts as what it was while tracing."""
    value = getattr(node, "meta", {}).get("val")
    if not isinstance(value, torch.Tensor):
        return None
    sizes = (size if isinstance(size, int) else getattr(size.node, "hint", None) or 1 for size in value.shape)
    return Tensor(str(value.dtype).removeprefix("torch."), tuple(sizes))


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {dtype: max(one.get(dtype, 0), other.get(dtype, 0)) for dtype in {**one, **other}}
