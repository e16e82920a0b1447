"""Counts the work of one eager step, part by part: operations by torch's own counter, their formats, and bytes moved."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from workers.catalog.workload import Mark
from workers.measurement.probes import traffic
from workers.measurement.probes.products import MADE_ELSEWHERE, PRODUCT_WORDS
from workers.measurement.roofline import Operator, Stretch

aten: Any = torch.ops.aten
formulas: Any = flop_counter

PRODUCTS = (
    "_scaled_dot_product", "scaled_dot_product", "_int_mm", "_weight_int", "linear", "matmul", "einsum", "conv1d", "conv2d", "conv3d",
)  # fmt: skip
"""How the names of products begin that are no entries of torch's counter."""
INPUT_AT = {"addmm": 1, "baddbmm": 1}
"""Which argument is the first factor, where it is not the first."""


class Work(NamedTuple):
    """What one step did."""

    step: Stretch
    parts: Mapping[str, Stretch]
    """By the name with which the step marked their ends; those marked several times add up."""
    dtypes: Mapping[str, int]
    """Matrix products by the format of their first factor."""

    @property
    def flops(self) -> int | None:
        """Floating-point operations; None when products ran that the counter cannot see."""
        return self.step.flops

    @property
    def opaque(self) -> tuple[str, ...]:
        """Operators with products the counter cannot see."""
        return self.step.opaque


def count(step: Callable[[Mark], object]) -> Work:
    """Run one step under the counter; compiled models run eagerly meanwhile.

    Args:
        step: Is given the function that marks the end of a part.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_cpu_attention())
    seen = _Operators(counter)
    # Importing the compiler only to keep it from compiling would take seconds.
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with eager, counter, seen:
        step(seen.mark)
    # The least that a step has to move is what its parts have to: nobody keeps the weights in registers from token to token.
    least = sum(part.compulsory for part in seen.marked.values()) + seen.part.stretch().compulsory
    return Work(seen.whole.stretch()._replace(compulsory=least), seen.marked, dict(seen.dtypes))


def _cpu_attention() -> dict[Any, Any]:
    """Formulas torch's counter has for GPUs only: fused attention and integer products."""

    def forward(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(formulas.sdpa_flop_count(query, key, value))

    def backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        # Five products where the forward pass has two: the scores again, and one for each gradient (Dao 2022).
        return int(formulas.sdpa_flop_count(query, key, value) * 5 // 2)

    def integer(a: Any, b: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(formulas.mm_flop(a, b, out_shape=out_shape))

    return {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
        aten._int_mm: integer,
    }


def multiplies(func: Any) -> bool:
    """Whether an operator is a matrix product, convolution or attention, as a whole or before it is taken apart."""
    packet = func._overloadpacket
    name = packet.__name__
    return packet in flop_registry or name.startswith(PRODUCTS)


class _Tally:
    """Adds up a stretch of work while it is done."""

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.calls = 0
        self.compulsory = traffic.Compulsory()
        self.transferred = 0
        self.opaque: set[str] = set()

    def add(self, flops: int, dtype: str | None, moved: traffic.Moved, sizes: Mapping[int, int], opaque: str) -> None:
        """One more operator."""
        kept = self.compulsory.old(moved)
        if dtype or flops or moved.bytes or opaque:
            self.operators.append(Operator(flops, dtype, kept, moved.bytes - kept))
        self.compulsory.take(moved, sizes)
        self.transferred += moved.between_devices
        if opaque:
            self.opaque.add(opaque)

    def stretch(self) -> Stretch:
        """What was added up."""
        least = self.compulsory.bytes()
        return Stretch(tuple(self.operators), self.calls, least, self.transferred, tuple(sorted(self.opaque)))


class _Operators(TorchDispatchMode):
    """Notes the work of every operator; takes composite operators apart as torch's counter does."""

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counter = counter
        self.dtypes: Counter[str] = Counter()
        self.whole = _Tally()
        self.part = _Tally()
        self.marked: dict[str, Stretch] = {}

    def mark(self, phase: str) -> None:
        """A part of the step has just ended."""
        new = self.part.stretch()
        old = self.marked.get(phase)
        if old is not None:
            new = Stretch(
                (*old.operators, *new.operators),
                old.calls + new.calls,
                old.compulsory + new.compulsory,
                old.transferred + new.transferred,
                tuple(sorted({*old.opaque, *new.opaque})),
            )
        self.marked[phase] = new
        self.part = _Tally()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        name = packet.__name__
        product = packet in flop_registry or name.startswith(("_scaled_dot_product", "_int_mm", "_weight_int"))
        if not product and func is not torch.ops.prim.device.default:
            with self:
                answer = func.decompose(*args, **kwargs)
            if answer is not NotImplemented:
                return answer
        opaque = ""
        if func.namespace in MADE_ELSEWHERE and any(word in name for word in PRODUCT_WORDS):
            opaque = f"{func.namespace}::{name}"
            product = True
        dtype = _format(name, args) if product else None
        if dtype:
            self.dtypes[dtype.replace("tf32", "float32")] += 1
        before = self._flops()
        # Before the call: an operator that resizes its argument would be asked about what is no longer there.
        sizes = dict(traffic.sizes(args, kwargs))
        answer = func(*args, **kwargs)
        moved = traffic.moved(func, args, kwargs, answer)
        for tally in (self.whole, self.part):
            tally.calls += 1
            if product or moved is not traffic.NOTHING:
                tally.add(self._flops() - before, dtype, moved, sizes, opaque)
        return answer

    def _flops(self) -> int:
        return int(self.counter.get_total_flops())


def _format(name: str, args: tuple[Any, ...]) -> str | None:
    """Format of a product's first factor; fp32 factors that the GPU rounds are tf32."""
    tensors = [each for each in args if isinstance(each, torch.Tensor)]
    index = INPUT_AT.get(name, 0)
    if index >= len(tensors):
        return None
    factor = tensors[index]
    if factor.is_cuda and factor.dtype is torch.float32:
        backends: Any = torch.backends
        setting = backends.cudnn.conv if "conv" in name else backends.cuda.matmul
        return "tf32" if setting.fp32_precision == "tf32" else "float32"
    return str(factor.dtype).removeprefix("torch.")
