"""What a phase's counted work and its latency come to: rates, intensities, and shares of the device's measured ceilings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from workers.catalog import metrics
from workers.catalog.ceilings import Ceilings
from workers.catalog.metrics import Metric
from workers.measurement.statistics import Estimate


class Counted(NamedTuple):
    """Work of one phase of one arm."""

    flops: float | None
    """None when there are products that nobody can count."""
    formats: Mapping[str, int]
    """FLOPs by the number format of their factors."""
    traffic: float | None
    compulsory: float | None


def derived(counted: Counted, latency: Estimate, ceilings: Ceilings | None) -> Iterator[tuple[Metric, Estimate]]:
    """Every figure that follows.

    Args:
        counted: The work.
        latency: Seconds in which it is done.
        ceilings: What the device can do; without them shares of a ceiling are left out.
    """
    flops = counted.flops
    if flops:
        yield metrics.COMPUTE_RATE, _per(flops, latency)
        for metric, moved in (
            (metrics.COMPUTE_INTENSITY, counted.traffic),
            (metrics.COMPUTE_INTENSITY_MOST, counted.compulsory),
        ):
            if moved:
                yield metric, _exact(flops / moved)
    if counted.compulsory:
        yield metrics.COMPUTE_BANDWIDTH, _per(counted.compulsory, latency)
    if ceilings is None:
        return
    if flops and (seconds := at_peak(counted.formats, ceilings)) is not None:
        yield metrics.COMPUTE_MFU, _per(seconds, latency)
    if counted.compulsory and (most := ceilings.bandwidth(int(counted.compulsory))):
        yield metrics.COMPUTE_MBU, _per(counted.compulsory / most, latency)


def at_peak(formats: Mapping[str, int], ceilings: Ceilings) -> float | None:
    """Seconds that products take at the measured peaks of their formats; None when one of them has no peak."""
    seconds = 0.0
    for dtype, flops in formats.items():
        peak = ceilings.peak(dtype)
        if peak is None:
            return None
        seconds += flops / peak
    return seconds


def _per(amount: float, latency: Estimate) -> Estimate:
    """An amount over a time with the time's interval."""
    return latency._replace(value=amount / latency.value, low=amount / latency.high, high=amount / latency.low)


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, 1, 1.0)
