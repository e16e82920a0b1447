"""Counts the floating-point operations of one eager step with torch's own counter, and sees in which formats they run."""

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

aten: Any = torch.ops.aten
formulas: Any = flop_counter

OPAQUE = ("bitsandbytes", "torchao", "quantized", "onednn", "mkldnn")
"""Namespaces whose products torch's counter does not see into."""
PRODUCT_WORDS = ("matmul", "gemm", "gemv", "linear", "_mm", "conv")
INPUT_AT = {"addmm": 1, "baddbmm": 1}
"""Which argument is the first factor, where it is not the first."""


class Work(NamedTuple):
    """What one step did."""

    flops: int | None
    """None when products ran that the counter cannot see."""
    dtypes: Mapping[str, int]
    """Matrix products by the format of their first factor."""
    opaque: tuple[str, ...]
    """Operators with products the counter cannot see."""


def count(step: Callable[[], object]) -> Work:
    """Run one step under the counter; compiled models run eagerly meanwhile."""
    seen = _Products()
    counter = FlopCounterMode(display=False, custom_mapping=_cpu_attention())
    # Importing the compiler only to keep it from compiling would take seconds.
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with eager, counter, seen:
        step()
    total = counter.get_total_flops()
    return Work(None if seen.opaque else int(total), dict(seen.dtypes), tuple(sorted(seen.opaque)))


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


class _Products(TorchDispatchMode):
    """Notes the format of every matrix product; takes composite operators apart as torch's counter does."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtypes: Counter[str] = Counter()
        self.opaque: set[str] = set()

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
        if func.namespace in OPAQUE and any(word in name for word in PRODUCT_WORDS):
            self.opaque.add(f"{func.namespace}::{name}")
            product = True
        if product:
            tensors = [each for each in args if isinstance(each, torch.Tensor)]
            index = INPUT_AT.get(name, 0)
            if index < len(tensors):
                self.dtypes[str(tensors[index].dtype).removeprefix("torch.")] += 1
        return func(*args, **kwargs)
