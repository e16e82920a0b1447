"""Reads torch's allocation events of a profiled step: what was allocated and released when, and in whose call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch._C._profiler import RecordScope, _ExtraFields_Allocation, _ExtraFields_TorchOp
from torch.profiler import ProfilerActivity, profile, record_function

from workers.measurement import device

MARKED = "tradespace.mark."
"""Opens the names of profiler ranges that stand where a step marked the end of a part, or where memory was looked at."""
ENGINE = "autograd::engine::"
"""Opens the names of the ranges in which torch's autograd engine runs one node of the backward pass."""
OPTIMIZER = "Optimizer.step#"
"""Opens the name of the range that torch.optim.Optimizer puts around the step of everything derived from it."""

Origin = Literal["forward", "backward", "optimizer"]


class Event(NamedTuple):
    """One allocation, one release, or one mark of a step."""

    at_ns: int
    bytes: int = 0
    """Positive for an allocation, negative for a release, 0 for a mark."""
    address: int = 0
    mark: str | None = None
    """Name of the part that ends here; empty where memory was only looked at."""
    until_ns: int = 0
    """End of the outermost operator call in which it happened; 0 outside of all operators."""
    origin: Origin = "forward"
    """Which pass it happened in; a recomputed forward pass inside the backward pass is forward."""


class _Within(NamedTuple):
    """What surrounds a node of the profiler's tree."""

    until_ns: int = 0
    origin: Origin = "forward"


def profiled(on: torch.device, work: Callable[[], None]) -> Any:
    """Run some work under torch's profiler with allocation events."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on.type == "cuda" else [])
    with profile(activities=activities, profile_memory=True) as recorded:
        work()
        device.wait(on)()
    return recorded


def mark(name: str) -> None:
    """Leave a mark among the events: a part ends here; an empty name ends none."""
    with record_function(MARKED + name):
        pass


def read(recorded: Any, on: torch.device) -> list[Event]:
    """Allocations, releases and marks of a profiled step on one device, in time.

    torch's CPU allocator and its caching allocator on CUDA both report here, with what they really handed out.

    Args:
        recorded: A ``torch.profiler.profile`` that has ended, made with ``profile_memory=True``.
        on: The device.
    """
    found: list[Event] = []
    pending = [(node, _Within()) for node in reversed(recorded.profiler.kineto_results.experimental_event_tree())]
    while pending:
        node, within = pending.pop()
        fields = node.extra_fields
        if isinstance(fields, _ExtraFields_Allocation):
            if fields.device.type == on.type and on.index in (None, fields.device.index):
                found.append(Event(node.start_time_ns, fields.alloc_size, fields.ptr, None, *within))
        elif node.name.startswith(MARKED):
            found.append(Event(node.start_time_ns, mark=node.name.removeprefix(MARKED)))
        else:
            inside = _enter(node, fields, within)
            pending += [(child, inside) for child in reversed(node.children)]
    # Threads of the autograd engine have trees of their own. The order inside one is kept where times are equal.
    return sorted(found, key=lambda event: event.at_ns)


def _enter(node: Any, fields: Any, within: _Within) -> _Within:
    """What surrounds the children of a node."""
    if not isinstance(fields, _ExtraFields_TorchOp):
        return within
    if fields.scope == RecordScope.BACKWARD_FUNCTION or node.name.startswith(ENGINE):
        return _Within(0, "backward")
    if node.name.startswith(OPTIMIZER):
        return _Within(0, "optimizer")
    # Ranges that people name and the forward of a Python autograd function hold operators and are none.
    if fields.scope == RecordScope.FUNCTION and "::" in node.name and not within.until_ns:
        return _Within(node.end_time_ns, _origin(fields.sequence_number, within.origin))
    return within


def _origin(sequence_number: int, surrounding: Origin) -> Origin:
    """Only calls that autograd records have a number: inside the backward pass those are the recomputed ones."""
    return "forward" if surrounding == "backward" and sequence_number >= 0 else surrounding
