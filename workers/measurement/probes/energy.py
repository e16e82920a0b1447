"""Reads energy counters and says what they counted in a window of time: NVML's for a GPU, RAPL's for CPU packages.

A counter that is not there, not readable or not moving is "not measurable", in words: never 0 and never an assumed power.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from workers.catalog.technique import DeviceKind
from workers.measurement import environment
from workers.measurement.nvml import Gpu

MIN_UPDATES = 50
"""Updates of its counter that a window needs: at either end up to one is uncertain, 2 % of it at the worst."""
MOST_GAP = 0.03
"""How far the counter and the integral over power readings may lie apart before a reader is told."""
FEWEST_POWER_READINGS = 10
POWERCAP = Path("/sys/class/powercap")
MICRO = 1e-6


class Source(Protocol):
    """Something that counts joules."""

    @property
    def method(self) -> str:
        """What is read and what it covers, for a person."""

    @property
    def poll_s(self) -> float:
        """Time between two looks at it: finer than it moves, and coarse enough to cost nothing."""

    def joules(self) -> float | None:
        """The counter now, from any beginning and without falling back; None when it cannot be read."""

    def power_w(self) -> float | None:
        """Power now by a sensor that is not this counter; None where there is none."""

    def temperature_c(self) -> float | None:
        """Temperature of what is metered; None where it cannot be read."""


class GpuCounter:
    """NVML's total energy of one GPU (Volta and later), which moves about every 20 to 100 milliseconds."""

    method = "NVML total-energy counter of the whole GPU; cross-checked with its power sensor"
    poll_s = 0.02

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def joules(self) -> float | None:
        """Since the driver was loaded."""
        return self._gpu.joules()

    def power_w(self) -> float | None:
        """By the board's sensor."""
        return self._gpu.power_w()

    def temperature_c(self) -> float | None:
        """Of the die."""
        return self._gpu.temperature()


class Rapl:
    """The CPU packages' energy as the kernel's powercap tree shows it (Intel's RAPL; AMD's under the same name).

    The registers move about every millisecond and wrap after some minutes of full load. There is no second sensor.

    Args:
        packages: folders of the packages' domains.
        thermal: the kernel's folder of thermal zones.
    """

    poll_s = 0.1

    def __init__(self, packages: Sequence[Path], thermal: Path = environment.THERMAL) -> None:
        self._domains = [_Domain(folder) for folder in packages]
        self._thermal = thermal
        self.method = f"RAPL package counter of {len(packages)} CPU package{'s' if len(packages) > 1 else ''}"

    def joules(self) -> float | None:
        """Of all packages together since the first look."""
        readings = [domain.microjoules() for domain in self._domains]
        known = [reading for reading in readings if reading is not None]
        return sum(known) * MICRO if len(known) == len(readings) else None

    def power_w(self) -> None:
        """There is none but the counter itself."""
        return

    def temperature_c(self) -> float | None:
        """Of the hottest package."""
        return environment.temperature(self._thermal)


class _Domain:
    """One package's counter, continued over its wraps; looks must come more often than it wraps."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int(environment.read(folder / "max_energy_range_uj") or 0)
        self._last: int | None = None
        self._sum = 0

    def microjoules(self) -> int | None:
        text = environment.read(self._file)
        if not text.isdigit():
            return None
        now = int(text)
        if self._last is not None:
            moved = now - self._last
            if moved < 0 and self._range == 0:
                return None  # It wrapped, and nobody says at what.
            # The counter takes range + 1 values.
            self._sum += moved if moved >= 0 else moved + self._range + 1
        self._last = now
        return self._sum


def find(kind: DeviceKind, gpu: Gpu | str | None = None, powercap: Path = POWERCAP) -> Source | str:
    """The counter of a device, or why its energy is not measurable here.

    Args:
        kind: What is measured on.
        gpu: With "cuda", the GPU, or why it cannot be asked.
        powercap: The kernel's folder of power domains.
    """
    if kind == "cuda":
        if not isinstance(gpu, Gpu):
            return gpu or "the GPU is not known to the driver's library"
        return "this GPU has no total-energy counter" if gpu.joules() is None else GpuCounter(gpu)
    packages = sorted(
        folder
        for folder in (powercap.iterdir() if powercap.is_dir() else ())
        if re.fullmatch(r"intel-rapl:\d+", folder.name) and environment.read(folder / "name").startswith("package")
    )
    if not packages:
        return f"the kernel shows no RAPL package under {powercap}"
    if Rapl(packages).joules() is None:
        return f"RAPL is not readable without the right to read {packages[0] / 'energy_uj'}, which root has"
    return Rapl(packages)


class Look(NamedTuple):
    """One look at a source."""

    at_s: float
    """Of the machine's monotonic clock, which all processes share."""
    joules: float
    power_w: float | None


class Window(NamedTuple):
    """What was counted between two moments."""

    joules: float
    seconds: float
    updates: int
    """How often the counter was seen to move."""
    refresh_s: float
    """Typical time between two moves."""
    peak_w: float | None
    """Largest power reading; None without a sensor."""
    integrated: float | None
    """Joules by the integral over power readings; None without a sensor."""

    @property
    def power_w(self) -> float:
        """Mean power."""
        return self.joules / self.seconds

    @property
    def gap(self) -> float | None:
        """By what share the integral over power readings differs from the counter."""
        return None if self.integrated is None else abs(self.integrated / self.joules - 1)

    @property
    def long_enough(self) -> bool:
        """Whether the counter moved often enough in it."""
        return self.updates >= MIN_UPDATES


def look(source: Source, at_s: float) -> Look | None:
    """One look; None when the counter could not be read."""
    joules = source.joules()
    return None if joules is None else Look(at_s, joules, source.power_w())


def window(looks: Sequence[Look], start_s: float, end_s: float) -> Window | None:
    """What was counted from one moment to another; None when the counter did not move.

    A counter moves in jumps. Between the moments at which it was seen to move it is taken to rise evenly, so that where
    the window falls between two jumps makes no difference.
    """
    moves = [new for old, new in pairwise(looks) if new.joules > old.joules]
    inside = [move for move in moves if start_s <= move.at_s <= end_s]
    if len(inside) < 2:
        return None
    known = [looks[0], *moves]
    times, counts = np.array([each.at_s for each in known]), np.array([each.joules for each in known])
    at_start, at_end = np.interp([start_s, end_s], times, counts)
    readings = [
        (each.at_s, each.power_w) for each in looks if start_s <= each.at_s <= end_s and each.power_w is not None
    ]
    return Window(
        joules=float(at_end - at_start),
        seconds=end_s - start_s,
        updates=len(inside),
        refresh_s=float(np.median(np.diff([move.at_s for move in inside]))),
        peak_w=max((power for _, power in readings), default=None),
        integrated=_integral(readings, start_s, end_s),
    )


def refresh(looks: Sequence[Look]) -> float | None:
    """Typical time between two moves of the counter; None when fewer than three were seen."""
    moves = [new.at_s for old, new in pairwise(looks) if new.joules > old.joules]
    return float(np.median(np.diff(moves))) if len(moves) >= 3 else None


def _integral(readings: Sequence[tuple[float, float]], start_s: float, end_s: float) -> float | None:
    """Trapezoids over power readings, held to the ends of the window."""
    if len(readings) < FEWEST_POWER_READINGS:
        return None
    times, powers = (np.array(column) for column in zip(*readings, strict=True))
    edges = np.concatenate(([start_s], times, [end_s]))
    return float(np.trapezoid(np.interp(edges, times, powers), edges))
