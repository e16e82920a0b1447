"""What a step that was measured here would take on another device: an estimate from counted work and a datasheet, no measurement.

No step takes less than its operations at the peak, or its bytes at the bandwidth (Williams, Waterman and Patterson, Roofline,
CACM 2009). That is one end of the range. The other end is that roof over the share of its own roof that the step reaches here.
Where calling operators binds, the share says nothing: the host's seconds are kept as they are here, because another device does
not make its host faster.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from app.devices.datasheets import Datasheet, Processor, datasheets, processors
from app.errors import Invalid
from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Problem, closest
from workers.catalog.report import BottleneckClass
from workers.catalog.techniques.precision import DTYPES

Binding = Literal["compute", "bandwidth"]
BUILT = "float32"
"""Format that a model is built in where no technique says another."""
FORMATS = {**DTYPES, "tf32": "tf32"}
"""Formats of products as ceilings name them, by the word of a technique's parameter."""


class Work(NamedTuple):
    """A step that was measured, in base units."""

    operations: float
    bytes: float
    """That must be moved, however it is done."""
    seconds: float
    """The upper end of what was measured, so that the range holds the doubt about it."""
    dtype: str
    """Format of most of its products."""
    binds: BottleneckClass | None
    """What was found to bind it here."""


class Nominal(NamedTuple):
    """A device as its datasheet has it, in base units."""

    title: str
    bandwidth: float
    peaks: Mapping[str, float]


class Estimate(NamedTuple):
    """How long the same step would take there."""

    low: float
    """Seconds at the device's roof."""
    high: float | None
    """Seconds if no more of the roof is reached than here; None where nothing is known of the roof here."""
    binds: Binding
    """Which roof is the lower one there."""
    reached: float | None
    """Share of its roof that the step reaches here."""
    host: float | None
    """Seconds of the host that were kept, where calling operators binds."""


class NoEstimate(Exception):
    """Nothing can be said; the message says why, for the reader."""


def offered() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Titles of the devices that can be chosen, in groups."""
    makers = dict.fromkeys(sheet.maker for sheet in datasheets())
    groups = [(maker, tuple(one.title for one in datasheets() if one.maker == maker)) for maker in makers]
    return (*groups, ("CPUs", tuple(one.title for one in processors())))


def nominal(title: str) -> Nominal:
    """A device by the title of its datasheet.

    Raises:
        Invalid: there is none; names the choices.
    """
    sheets: list[Datasheet | Processor] = [*datasheets(), *processors()]
    known = {one.title: one for one in sheets}
    if title not in known:
        near = closest(title, known)
        meant = f" Did you mean {near!r}?" if near else ""
        message = f"{title[:80]!r} is no device of the datasheets.{meant}"
        raise Invalid.of([Problem("what_if", "unknown_choice", message, f"One of {', '.join(known)}.")])
    return Nominal(title, known[title].bandwidth, known[title].peaks)


def product_format(label: str) -> str:
    """Format that most products of a stack are computed in, from its label."""
    parts = dict(part.partition(" ")[::2] for part in label.split(" + "))
    if "llm_int8" in parts:
        return "int8"
    # What a technique computes in counts before what weights are kept in.
    for word in ("nf4", "autocast", "precision"):
        if word in parts:
            return FORMATS[parts[word].partition(",")[0]]
    return BUILT


def estimate(work: Work, here: Ceilings | None, there: Nominal) -> Estimate:
    """How long a step would take on another device.

    Args:
        work: the step, as it was counted and measured here.
        here: what the device that measured it can do; None where nobody measured that.
        there: the other device.

    Raises:
        NoEstimate: its datasheet has no peak for the step's format.
    """
    peak = there.peaks.get(work.dtype)
    if peak is None:
        raise NoEstimate(f"no estimate: the datasheet of {there.title} has no peak in {work.dtype}")
    products, bytes_ = work.operations / peak, work.bytes / there.bandwidth
    low = max(products, bytes_)
    binds: Binding = "compute" if products >= bytes_ else "bandwidth"
    roof = _roof_here(work, here)
    if roof is None:
        return Estimate(low, None, binds, None, None)
    # Kernels other than those of the sweep may beat what it found; then all of the roof is reached.
    reached = min(1.0, roof / work.seconds)
    if work.binds == "overhead":
        host = max(0.0, work.seconds - roof)
        return Estimate(low, low + host, binds, reached, host)
    return Estimate(low, low / reached, binds, reached, None)


def _roof_here(work: Work, here: Ceilings | None) -> float | None:
    """Seconds of the step at the measured roof of its own device; None where that was not measured."""
    if here is None:
        return None
    peak, bandwidth = here.peak(work.dtype), here.bandwidth(max(1, round(work.bytes)))
    if peak is None or bandwidth is None:
        return None
    return max(work.operations / peak, work.bytes / bandwidth)
