"""Says what the memory of a step is for: at the peak of each phase every byte in one category, from allocation events.

Who owns a tensor (weights, gradients, optimizer states, KV cache) is looked up by the address of its storage: before the
step, after it, and inside it wherever the step marks something. What nobody owns is told apart by its lifetime: made by the
forward pass and still there after the operator call that made it, it is an activation, as for torch's own
``torch.distributed._tools.mem_tracker.MemTracker``; all else is temporary. MemTracker itself sees the results of operators
and not their workspaces, and nothing inside compiled graphs; the allocator's events hold both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn

from workers.catalog.metrics import (
    MEMORY_ACTIVATIONS,
    MEMORY_ALLOCATED,
    MEMORY_PEAK_ACTIVATIONS,
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_GRADIENTS,
    MEMORY_PEAK_KV_CACHE,
    MEMORY_PEAK_OPTIMIZER_STATES,
    MEMORY_PEAK_OTHER,
    MEMORY_PEAK_TEMPORARY,
    MEMORY_PEAK_WEIGHTS,
    Metric,
)
from workers.catalog.report import Arm, Timeline
from workers.catalog.workload import Holding, Session, unmarked
from workers.measurement.messages import Reading
from workers.measurement.probes import allocations, memory
from workers.measurement.probes.allocations import Event

OWNED: dict[Holding, Metric] = {
    "optimizer_states": MEMORY_PEAK_OPTIMIZER_STATES,
    "gradients": MEMORY_PEAK_GRADIENTS,
    "kv_cache": MEMORY_PEAK_KV_CACHE,
}
CATEGORIES: tuple[Metric, ...] = (
    MEMORY_PEAK_WEIGHTS,
    MEMORY_PEAK_GRADIENTS,
    MEMORY_PEAK_OPTIMIZER_STATES,
    MEMORY_PEAK_ACTIVATIONS,
    MEMORY_PEAK_KV_CACHE,
    MEMORY_PEAK_TEMPORARY,
    MEMORY_PEAK_OTHER,
)
EVERYWHERE = frozenset({MEMORY_PEAK_WEIGHTS, MEMORY_PEAK_ACTIVATIONS, MEMORY_PEAK_TEMPORARY, MEMORY_PEAK_OTHER})
"""Categories every step has, be they empty; the others are told of steps that have them."""
MOST_POINTS = 2_000
"""Of a series over one step."""

Parts = dict[Metric, int]
"""Bytes by category."""


class Look(NamedTuple):
    """Addresses of what somebody owned at one moment."""

    owned: Mapping[Metric, frozenset[int]]


class Peak(NamedTuple):
    """Memory of one phase of a step at the first instant at which it held most."""

    phase: str
    allocated: int
    """Bytes held, of all categories together."""
    above: int
    """Bytes held above what was held when the phase began."""
    parts: Mapping[Metric, int]


class Anatomy(NamedTuple):
    """The memory of one step."""

    peaks: tuple[Peak, ...]
    """The whole step's, then that of each of its parts."""
    series: tuple[tuple[float, int], ...]
    """Seconds since the step began, and bytes held from then on."""
    unexplained: int = 0
    """Bytes by which another count lies above that of the events: on CUDA the allocator's own of the peak, on a CPU that of
    all tensors after the step."""


@dataclass
class Block:
    """Memory from its allocation to its release."""

    bytes: int
    category: Metric | None = None
    """None as long as nobody is known to own it; what nobody has owned to the end and was there before is other."""


@dataclass
class Watch:
    """Looks at who owns what: when a step begins and ends, and whenever it marks.

    Args:
        model: what the step works on.
        session: the step's.
        on: the device.
    """

    model: nn.Module
    session: Session
    on: torch.device
    held: dict[int, Block] = field(default_factory=dict)
    """By address, what was there before the step."""
    allocated: int = 0
    """Bytes in use before the step: on CUDA the allocator's own count, else the sum of what is held."""
    looks: list[Look] = field(default_factory=list)
    left: int = 0
    """Bytes by the other count; on CUDA at the step's peak, on a CPU after it."""

    @contextmanager
    def step(self) -> Iterator[None]:
        """Surrounds the step inside the profiler's range."""
        with self.session.watched(self.look):
            self.look()
            yield
            self.look()

    def take_stock(self) -> None:
        """Before the step: everything that is held, whoever owns it."""
        mine = self._owned().owned
        weights = memory.storages(memory.weights(self.model), self.on.type)
        for address, size in memory.held(self.on).items():
            owner = next((metric for metric, addresses in mine.items() if address in addresses), None)
            self.held[address] = Block(size, MEMORY_PEAK_WEIGHTS if address in weights else owner)
        self.allocated = sum(block.bytes for block in self.held.values())
        if self.on.type == "cuda":
            torch.cuda.synchronize(self.on)
            torch.cuda.reset_peak_memory_stats(self.on)
            self.allocated = torch.cuda.memory_allocated(self.on)

    def check(self) -> None:
        """After the step: a count that does not come from the events."""
        if self.on.type == "cuda":
            torch.cuda.synchronize(self.on)
            self.left = torch.cuda.max_memory_allocated(self.on)
        else:
            self.left = sum(memory.held(self.on).values())

    def mark(self, name: str) -> None:
        """A part of the step ends here."""
        allocations.mark(name)
        self.looks.append(self._owned())

    def look(self) -> None:
        """Somebody owns other tensors than before."""
        self.mark("")

    def _owned(self) -> Look:
        holdings = self.session.holdings()
        return Look(
            {
                metric: frozenset(memory.storages(holdings[holding], self.on.type))
                for holding, metric in OWNED.items()
                if holding in holdings
            }
        )


def of_step(model: nn.Module, session: Session, on: torch.device, whole: str) -> Anatomy:
    """Run one step under torch's allocation events and put what it held into categories.

    torch's CPU allocator reports no release of what was allocated before the profiler began. What a step replaces (a grown
    cache, the last loss) is therefore made by a step before it, under the same profiler.

    Args:
        model: What the step works on.
        session: Makes the step.
        on: The device.
        whole: What the whole step is called.
    """
    watch = Watch(model, session, on)

    def work() -> None:
        session.step(unmarked)
        session.between()
        watch.take_stock()
        with watch.step():
            session.step(watch.mark)
        watch.check()

    events = allocations.read(allocations.profiled(on, work), on)
    begin = next(index for index, event in enumerate(events) if event.mark is not None)
    found = dissect(events[begin:], watch, whole)
    if on.type == "cuda":
        return found._replace(unexplained=watch.left - found.peaks[0].allocated)
    return found._replace(unexplained=watch.left - watch.allocated - sum(event.bytes for event in events[begin:]))


def dissect(events: Sequence[Event], watch: Watch, whole: str) -> Anatomy:
    """Put every byte of every moment into one category.

    Args:
        events: Allocations, releases and marks, in time; each mark belongs to one look, in order.
        watch: What was held before, and the looks.
        whole: What the whole step is called.
    """
    owners, unseen = _attribute(events, watch)
    now: Parts = dict.fromkeys(CATEGORIES, 0)
    for block in watch.held.values():
        now[block.category or MEMORY_PEAK_OTHER] += block.bytes
    # Rounding up and library workspaces on CUDA; what no Python object stands for.
    now[MEMORY_PEAK_OTHER] += watch.allocated + unseen - sum(now.values())
    return _sweep(events, owners, now, whole)


def _attribute(events: Sequence[Event], watch: Watch) -> tuple[list[Block | None], int]:
    """The block of every event, and the bytes of those released without having been seen before."""
    live = dict(watch.held)
    looks = iter(watch.looks)
    blocks: list[Block | None] = []
    made: dict[int, Event] = {}
    unseen = 0
    for event in events:
        block: Block | None = None
        if event.mark is not None:
            _claim(live, next(looks))
        elif event.bytes > 0:
            block = live[event.address] = Block(event.bytes)
            made[id(block)] = event
        else:
            block = live.pop(event.address, None)
            if block is None:
                block = Block(-event.bytes, MEMORY_PEAK_OTHER)
                unseen += block.bytes
            elif block.category is None and id(block) in made:
                block.category = _by_lifetime(made[id(block)], event.at_ns)
        blocks.append(block)
    for block in live.values():
        if block.category is None and id(block) in made:
            block.category = _by_lifetime(made[id(block)], None)
    return blocks, unseen


def _claim(live: Mapping[int, Block], look: Look) -> None:
    """Blocks at the addresses of a look belong to whoever owns them, since they were made."""
    for metric, addresses in look.owned.items():
        for address in addresses & live.keys():
            if live[address].category is None:
                live[address].category = metric


def _by_lifetime(made: Event, released_ns: int | None) -> Metric:
    """What a block that nobody owns is: an activation or temporary."""
    outlives = released_ns is None or released_ns > made.until_ns
    return MEMORY_PEAK_ACTIVATIONS if made.origin == "forward" and outlives else MEMORY_PEAK_TEMPORARY


class _Highest:
    """The most held since it began."""

    def __init__(self, now: Parts) -> None:
        self.begin = self.allocated = sum(now.values())
        self.parts = dict(now)

    def rise(self, allocated: int, now: Parts) -> None:
        if allocated > self.allocated:
            self.allocated = allocated
            self.parts = dict(now)


def _sweep(events: Sequence[Event], blocks: Sequence[Block | None], now: Parts, whole: str) -> Anatomy:
    """Peaks and the series; a part that comes several times counts with its highest."""
    step, part = _Highest(now), _Highest(now)
    allocated = step.begin
    found: dict[str, Peak] = {}
    began = next((event.at_ns for event in events), 0)
    series: list[tuple[float, int]] = [(0.0, allocated)]
    for event, block in zip(events, blocks, strict=True):
        if block is not None:
            category = block.category or MEMORY_PEAK_OTHER
            known = block.bytes if event.bytes > 0 else -block.bytes
            now[category] += known
            # What the allocator gave beyond what a tensor held before the step is known to take.
            now[MEMORY_PEAK_OTHER] += event.bytes - known
            allocated += event.bytes
            step.rise(allocated, now)
            part.rise(allocated, now)
            at = (event.at_ns - began) * 1e-9
            if at > series[-1][0]:
                series.append((at, allocated))
            else:  # The clock has not moved on.
                series[-1] = (series[-1][0], max(series[-1][1], allocated))
        elif event.mark:
            peak = Peak(event.mark, part.allocated, part.allocated - part.begin, part.parts)
            if (before := found.get(event.mark)) is not None:
                above = max(before.above, peak.above)
                peak = max(before, peak, key=lambda each: each.allocated)._replace(above=above)
            found[event.mark] = peak
            part = _Highest(now)
    found.pop(whole, None)
    top = Peak(whole, step.allocated, step.allocated - step.begin, step.parts)
    return Anatomy((top, *found.values()), tuple(series))


def readings(anatomy: Anatomy) -> list[Reading]:
    """Allocated peak, its parts, and the activation peak, of each phase."""
    shown = [each for each in CATEGORIES if each in EVERYWHERE or any(peak.parts[each] for peak in anatomy.peaks)]
    found: list[Reading] = []
    for peak in anatomy.peaks:
        found.append(Reading.of(MEMORY_PEAK_ALLOCATED, peak.phase, peak.allocated))
        found.append(Reading.of(MEMORY_ACTIVATIONS, peak.phase, peak.above))
        found += [Reading.of(metric, peak.phase, peak.parts[metric]) for metric in shown]
    return found


def timeline(anatomy: Anatomy, phase: str, arm: Arm) -> Timeline:
    """Bytes held over the time of the step."""
    points = thinned(anatomy.series, MOST_POINTS)
    return Timeline(
        metric=MEMORY_ALLOCATED.name,
        phase=phase,
        arm=arm,
        at_s=tuple(round(at, 9) for at, _ in points),
        values=tuple(float(value) for _, value in points),
    )


def thinned(series: Sequence[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """The series with at most so many points: its ends, and of every stretch between them the lowest and the highest."""
    inner = series[1:-1]
    stretches = (most - 2) // 2
    if len(series) <= most:
        return list(series)
    kept = [series[0]]
    for number in range(stretches):
        stretch = range(number * len(inner) // stretches, (number + 1) * len(inner) // stretches)
        lowest = min(stretch, key=lambda index: inner[index][1])
        highest = max(stretch, key=lambda index: inner[index][1])
        kept += [inner[index] for index in sorted({lowest, highest})]
    return [*kept, series[-1]]
