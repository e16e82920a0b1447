"""Profiles one step on request: operators and kernels by their own time, and the trace in Chrome's format."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from workers.catalog.report import Arm, Artifact, Kernel
from workers.catalog.workload import Session, unmarked
from workers.measurement import device

MOST_KERNELS = 200
"""Names a profile lists; the others are added up in one."""
MOST_TRACE = 2_800_000
"""Characters of base64: the traces of both arms and everything else have to fit into one report of 8 MB."""
MOST_UNPACKED = 60_000_000
"""Bytes of the trace itself: a browser that opens it has to hold all of it."""
TRACE = "trace.json"
MICROSECOND = 1e-6


class Profile(NamedTuple):
    """One profiled step."""

    kernels: tuple[Kernel, ...]
    trace: Artifact | None
    """None when it is too large to be brought back."""
    note: str | None = None


def step(session: Session, on: torch.device, arm: Arm, path: Path) -> Profile:
    """Run one step under torch's profiler, without shapes and stacks, which would cost more than they say.

    Args:
        session: The work.
        on: The device.
        arm: Whose work it is.
        path: A file to write the trace to.
    """
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on.type == "cuda" else [])
    with profile(activities=activities) as recorded:
        session.step(unmarked)
        device.wait(on)()
    session.between()
    recorded.export_chrome_trace(str(path))
    kernels = listed(recorded.key_averages(), arm)
    plain = path.read_bytes()
    path.unlink()
    packed = base64.b64encode(gzip.compress(plain, mtime=0)).decode("ascii")
    if len(plain) > MOST_UNPACKED or len(packed) > MOST_TRACE:
        size = f"{len(plain):,} bytes, {len(packed):,} characters when packed"
        return Profile(kernels, None, f"The trace of the {arm}'s profiled step is too large to keep: {size}.")
    return Profile(kernels, Artifact(name=TRACE, arm=arm, media_type="application/json", data=packed))


def listed(averages: Any, arm: Arm) -> tuple[Kernel, ...]:
    """Operators and kernels by their own time, longest first; those beyond the longest together as "other".

    Args:
        averages: What ``key_averages`` of torch's profiler returns.
        arm: Whose step it was.
    """
    found = []
    for each in averages:
        gpu = each.device_type == DeviceType.CUDA
        own = each.self_device_time_total if gpu else each.self_cpu_time_total
        name = each.key if len(each.key) <= 500 else each.key[:499] + "…"
        found.append(
            Kernel(
                arm=arm,
                name=name,
                device="cuda" if gpu else "cpu",
                calls=max(1, each.count),
                seconds=max(0.0, own * MICROSECOND),
            )
        )
    found.sort(key=lambda kernel: -kernel.seconds)
    kept, others = found[:MOST_KERNELS], found[MOST_KERNELS:]
    for place in ("cpu", "cuda"):
        rest = [kernel for kernel in others if kernel.device == place]
        if rest:
            seconds = sum(kernel.seconds for kernel in rest)
            calls = sum(kernel.calls for kernel in rest)
            kept.append(rest[0].model_copy(update={"name": f"other ({len(rest)})", "calls": calls, "seconds": seconds}))
    return tuple(kept)
