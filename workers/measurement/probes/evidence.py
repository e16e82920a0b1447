"""Collects what actually ran: operators and kernels of a profiled step, formats, module classes, compiled graphs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]

from workers.catalog.technique import DeviceFacts, Evidence, Technique
from workers.measurement.probes import memory

COMPILING = ("entire_frame_compile", "entire_backward_compile")
"""Phases of torch's compiler that do not overlap, as its own calculate_time_spent adds them up."""


class Graphs(NamedTuple):
    """What torch's compiler has done in this process so far."""

    compiled: int
    breaks: int
    seconds: float


def graphs() -> Graphs:
    """Read the compiler's own counters; zeros as long as nobody has imported it."""
    if "torch._dynamo.utils" not in sys.modules:
        return Graphs(0, 0, 0.0)
    from torch._dynamo import utils

    spent = utils.cumulative_time_spent_ns
    return Graphs(
        compiled=int(utils.counters["stats"]["unique_graphs"]),
        breaks=int(sum(utils.counters["graph_break"].values())),
        seconds=sum(spent.get(phase, 0.0) for phase in COMPILING) * 1e-9,
    )


def collect(
    facts: DeviceFacts,
    recorded: Any,
    model: nn.Module,
    products: Mapping[str, int],
    noticed: Mapping[str, Any],
    stack: Sequence[Technique],
) -> Evidence:
    """Everything a technique's proof may judge by.

    Args:
        facts: The device.
        recorded: One profiled step.
        model: The model after conversion.
        products: Matrix products of an eager step by input format; left out once graphs were compiled, because what
            ran then was another step.
        noticed: What the session says about itself.
        stack: The arm's techniques.
    """
    built = graphs()
    operators: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    for event in recorded.profiler.kineto_results.events():
        name = event.name()
        if name == memory.MEMORY_EVENT or name.startswith(memory.MARKED):
            continue
        (operators if event.device_type() == DeviceType.CPU else kernels)[name] += 1
    return Evidence(
        device=facts,
        operators=dict(operators),
        kernels=dict(kernels),
        matmul_dtypes={} if built.compiled else dict(products),
        weight_dtypes=_weight_dtypes(model),
        modules=dict(Counter(type(module).__name__ for module in model.modules())),
        weight_classes=dict(Counter(type(weight).__name__ for weight in model.parameters())),
        graphs=built.compiled,
        graph_breaks=built.breaks,
        facts=dict(noticed),
        stack=tuple(stack),
    )


def _weight_dtypes(model: nn.Module) -> dict[str, int]:
    """Bytes of parameters and buffers by the format they are stored in; shared ones once."""
    found: Counter[str] = Counter()
    known: set[int] = set()
    for tensor in (*model.parameters(), *model.buffers()):
        for plain in memory.flattened(tensor):
            address = plain.data_ptr()
            if address not in known:
                known.add(address)
                found[str(plain.dtype).removeprefix("torch.")] += plain.numel() * plain.element_size()
    return dict(found)
