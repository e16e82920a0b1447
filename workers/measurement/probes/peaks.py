"""Drives a device to its ceilings: bytes per second by working set, operations per second by number format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, NamedTuple

import torch

from workers.catalog.ceilings import Bandwidth, Format, Products, Rate, Stream, Transfer
from workers.measurement import device, environment, statistics

KIB, MIB = 1 << 10, 1 << 20
SETS: dict[str, tuple[int, ...]] = {
    "cpu": (256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB),
    "cuda": (4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB, 4096 * MIB),
}
"""Working sets in bytes: from inside the caches to well beyond them."""
SIZES: dict[str, tuple[int, ...]] = {"cpu": (128, 256, 512, 1024, 2048), "cuda": (1024, 2048, 4096, 8192, 16384)}
"""Rows of the square products."""
FORMATS: dict[str, tuple[Format, ...]] = {
    "cpu": ("float32", "bfloat16", "float16", "int8"),
    "cuda": ("float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn"),
}
SAMPLES = 9
FEWEST = 3
SAMPLE_S = 4e-3
"""What one sample lasts at least: long against the clock and the wake-up of threads."""
SHARE_OF_MEMORY = 0.25
"""Of the device's free memory a sweep may use."""
TRANSFERRED = 64 * MIB
NS = 1e-9


@dataclass
class Sweep:
    """Everything that was found."""

    bandwidths: list[Bandwidth] = field(default_factory=list)
    products: list[Products] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    dispatch_s: float = 0.0
    notes: list[str] = field(default_factory=list)


class _Samples(NamedTuple):
    """Seconds one repetition took, sample by sample, and what taking them took."""

    seconds: list[float]
    spent_s: float

    def rate(self, amount: float) -> dict[str, Any]:
        """The fields of a ``Rate`` when one repetition does this much."""
        typical = statistics.median(self.seconds)
        return {
            "value": amount / typical.value,
            "low": amount / typical.high,
            "high": amount / typical.low,
            "n": len(self.seconds),
            "seconds": self.spent_s,
        }


def sweep(on: torch.device, budget_s: float) -> Sweep:
    """Measure every ceiling of a device.

    Args:
        on: The device.
        budget_s: Seconds for all of it: a third for memory, the rest for products, shared evenly by their formats.
    """
    found = Sweep(dispatch_s=dispatch_seconds(on))
    streams: tuple[Stream, ...] = ("copy", "read")
    sets = [each for each in SETS[on.type] if each <= SHARE_OF_MEMORY * _free(on)]
    for working_set in sets:
        noise = torch.rand(working_set // 4, device=on)
        for stream in streams:
            taken = _timed(on, _stream(noise, stream), budget_s / 3 / len(sets) / len(streams))
            found.bandwidths.append(Bandwidth(stream=stream, working_set=working_set, **taken.rate(working_set)))
        del noise
    for dtype in FORMATS[on.type]:
        found.products += _products(on, dtype, budget_s * 2 / 3 / len(FORMATS[on.type]), found.notes)
    if on.type == "cuda":
        found.transfers += _transfers(on, budget_s / 16)
    return found


def better(one: Sweep, other: Sweep) -> Sweep:
    """Of two sweeps the higher of each ceiling; notes of the later one."""
    bands = {(each.stream, each.working_set): each for each in sorted((*one.bandwidths, *other.bandwidths), key=_value)}
    products = {(each.dtype, each.size): each for each in sorted((*one.products, *other.products), key=_value)}
    ways = {each.direction: each for each in sorted((*one.transfers, *other.transfers), key=_value)}
    return Sweep(
        bandwidths=sorted(bands.values(), key=lambda each: (each.working_set, each.stream)),
        products=sorted(products.values(), key=lambda each: (each.dtype, each.size)),
        transfers=list(ways.values()),
        dispatch_s=min(filter(None, (one.dispatch_s, other.dispatch_s)), default=0.0),
        notes=other.notes,
    )


def _value(rate: Rate) -> float:
    return rate.value


def dispatch_seconds(on: torch.device) -> float:
    """Seconds the calling of one small operator takes on the host; the least of several, which is undisturbed."""
    number = torch.ones((), device=on)
    wait = device.wait(on)
    calls = 200
    least = float("inf")
    with torch.inference_mode():
        for _ in range(20):
            wait()
            start = perf_counter_ns()
            for _ in range(calls):
                torch.neg(number)
            least = min(least, (perf_counter_ns() - start) * NS / calls)
    wait()
    return least


def _stream(noise: torch.Tensor, stream: Stream) -> Callable[[], object]:
    """One pass through the working set."""
    if stream == "read":
        return lambda: torch.sum(noise)
    source, target = noise.chunk(2)
    return lambda: target.copy_(source)


def _products(on: torch.device, dtype: Format, budget_s: float, notes: list[str]) -> Iterator[Products]:
    """Square products of one format from small to large, as far as the budget reaches."""
    deadline = time.monotonic() + budget_s
    before = 0.0
    precision = torch.backends.cuda.matmul.fp32_precision
    try:
        torch.backends.cuda.matmul.fp32_precision = "tf32" if dtype == "tf32" else "ieee"
        for size in SIZES[on.type]:
            left = deadline - time.monotonic()
            # The next size takes about eight times as long, and wants a warm-up and a few samples.
            if before * 8 * (FEWEST + 1) > left:
                return
            work = _product(on, dtype, size)
            with torch.inference_mode():
                taken = _timed(on, work, left / 2)
            before = min(taken.seconds)
            yield Products(dtype=dtype, size=size, **taken.rate(2 * size**3))
    except (RuntimeError, NotImplementedError) as error:
        # What a device or build cannot compute has no ceiling; which error says so differs by format and version.
        notes.append(f"No products in {dtype}: {str(error).splitlines()[0][:300]}")
    finally:
        torch.backends.cuda.matmul.fp32_precision = precision


def _product(on: torch.device, dtype: Format, size: int) -> Callable[[], object]:
    """One product of two square matrices of random numbers."""
    if dtype == "int8":
        integers = [torch.randint(-128, 128, (size, size), dtype=torch.int8, device=on) for _ in range(2)]
        # The column-major second factor is the one that integer units take.
        columns = integers[1].t()
        return lambda: torch._int_mm(integers[0], columns)
    if dtype == "float8_e4m3fn":
        eighths = [torch.randn(size, size, device=on).to(torch.float8_e4m3fn) for _ in range(2)]
        scale = torch.ones((), device=on)
        second = eighths[1].t()
        return lambda: torch._scaled_mm(eighths[0], second, scale, scale, out_dtype=torch.bfloat16)
    plain = getattr(torch, "float32" if dtype == "tf32" else dtype)
    factors = [torch.randn(size, size, device=on).to(plain) for _ in range(2)]
    into = torch.empty(size, size, dtype=plain, device=on)
    return lambda: torch.mm(factors[0], factors[1], out=into)


def _transfers(on: torch.device, budget_s: float) -> Iterator[Transfer]:
    """Copies between pinned host memory and the device."""
    here = torch.rand(TRANSFERRED // 4).pin_memory()
    there = torch.rand(TRANSFERRED // 4, device=on)
    to_device = _timed(on, lambda: there.copy_(here, non_blocking=True), budget_s)
    yield Transfer(direction="to_device", **to_device.rate(TRANSFERRED))
    to_host = _timed(on, lambda: here.copy_(there, non_blocking=True), budget_s)
    yield Transfer(direction="to_host", **to_host.rate(TRANSFERRED))


def _timed(on: torch.device, work: Callable[[], object], budget_s: float) -> _Samples:
    """Samples of a piece of work, each long enough for the clock; at least a few, whatever the budget."""
    wait = device.wait(on)
    began = time.monotonic()
    once = _once(wait, work, 1)  # Sets up what only the first call needs.
    once = _once(wait, work, 1)
    repeats = max(1, min(10_000, round(SAMPLE_S / max(once, 1e-7))))
    seconds: list[float] = []
    while len(seconds) < FEWEST or (len(seconds) < SAMPLES and time.monotonic() - began < budget_s):
        seconds.append(_once(wait, work, repeats))
    return _Samples(seconds, time.monotonic() - began)


def _once(wait: Callable[[], None], work: Callable[[], object], repeats: int) -> float:
    wait()
    start = perf_counter_ns()
    for _ in range(repeats):
        work()
    wait()
    return (perf_counter_ns() - start) * NS / repeats


def _free(on: torch.device) -> int:
    """Bytes of memory that nobody uses on the device."""
    if on.type == "cuda":
        return int(torch.cuda.mem_get_info(on)[0])
    available = environment.state("now")["state.now.memory_available_bytes"]
    return available if isinstance(available, int) else 1 << 62
