"""Collects what actually ran: operators and kernels of an observed step, formats, module classes, compiled graphs."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from workers.catalog.technique import DeviceFacts, Evidence, Technique
from workers.catalog.workload import Mark, unmarked
from workers.measurement import device
from workers.measurement.probes import memory, products

COMPILING = ("entire_frame_compile", "entire_backward_compile")
"""Phases of torch's compiler that do not overlap, as its own calculate_time_spent adds them up."""
COMPILED_CALL = "## Call CompiledFxGraph"
"""How the profiler's range around a call of a compiled graph begins."""


class Graphs(NamedTuple):
    """What torch's compiler has done in this process so far."""

    compiled: int
    breaks: int
    replays_refused: int
    """Graphs that could not be replayed as CUDA graphs although that was asked."""
    seconds: float


def graphs() -> Graphs:
    """Read the compiler's own counters; zeros as long as nobody has imported it."""
    if "torch._dynamo.utils" not in sys.modules:
        return Graphs(0, 0, 0, 0.0)
    from torch._dynamo import utils

    spent = utils.cumulative_time_spent_ns
    return Graphs(
        compiled=int(utils.counters["stats"]["unique_graphs"]),
        breaks=int(sum(utils.counters["graph_break"].values())),
        replays_refused=int(utils.counters["inductor"]["cudagraph_skips"]),
        seconds=sum(spent.get(phase, 0.0) for phase in COMPILING) * 1e-9,
    )


def observe(on: torch.device, step: Callable[[Mark], None]) -> Any:
    """Run one step under torch's profiler with the formats and shapes that its operators are given."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on.type == "cuda" else [])
    with profile(activities=activities, record_shapes=True) as recorded:
        step(unmarked)
        device.wait(on)()
    return recorded


def collect(
    facts: DeviceFacts, recorded: Any, model: nn.Module, noticed: Mapping[str, Any], stack: Sequence[Technique]
) -> Evidence:
    """Everything a technique's proof may judge by.

    Args:
        facts: The device.
        recorded: What ``observe`` returned.
        model: The model after conversion.
        noticed: What the session says about itself.
        stack: The arm's techniques.
    """
    built = graphs()
    events = recorded.profiler.kineto_results.events()
    operators: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    for event in events:
        (operators if event.device_type() == DeviceType.CPU else kernels)[event.name()] += 1
        if event.shapes() and event.shapes()[0]:
            largest[event.name()] = max(largest[event.name()], math.prod(event.shapes()[0]))
    shown = dict(noticed)
    for technique in stack:
        shown |= technique.inspect(model)
    seen = products.seen(event for event in events if event.device_type() == DeviceType.CPU)
    return Evidence(
        device=facts,
        operators=dict(operators),
        kernels=dict(kernels),
        products=seen.products,
        reads=seen.reads,
        foreign=seen.foreign,
        largest=dict(largest),
        weight_dtypes=_weight_dtypes(model),
        modules=dict(Counter(type(module).__name__ for module in model.modules())),
        weight_classes=dict(Counter(type(weight).__name__ for weight in model.parameters())),
        graphs=built.compiled,
        graph_calls=sum(calls for name, calls in operators.items() if name.startswith(COMPILED_CALL)),
        replays_refused=built.replays_refused,
        graph_breaks=built.breaks,
        facts=shown,
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
