"""What a device can do at most, as measured on it: bytes and floating-point operations per second. Plain data, JSON both ways."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.catalog.declared import Paper
from workers.catalog.technique import DeviceKind

Word = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=2_000)]
Stream = Literal["copy", "read"]
Direction = Literal["to_device", "to_host"]
Format = Literal["float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn"]

CONTENDED = 0.1
"""Share of the processors that others keep busy from which on a reader is told, and ceilings are too low to be kept."""


class Rate(Paper):
    """A rate with the interval of its median, in units per second."""

    value: float = Field(gt=0)
    """Median over the samples."""
    low: float = Field(gt=0)
    """Lower end of the median's 95 % interval."""
    high: float = Field(gt=0)
    n: int = Field(ge=1)
    """Samples behind the median."""
    seconds: float = Field(ge=0)
    """What taking them took."""


class Bandwidth(Rate):
    """Bytes per second of one way to go through memory at one working-set size; bytes read and bytes written both count."""

    stream: Stream
    """``copy`` reads one half of the working set and writes the other; ``read`` sums all of it."""
    working_set: int = Field(ge=1)
    """Bytes that are gone through again and again: small ones stay in a cache."""


class Products(Rate):
    """Floating-point (or integer) operations per second of one square matrix product; a multiply-add is two."""

    dtype: Format
    """Format of the factors, as torch names it; ``tf32`` is float32 rounded to TF32 on the device."""
    size: int = Field(ge=1)
    """Rows and columns of both factors."""


class Transfer(Rate):
    """Bytes per second between the host's pinned memory and the device's."""

    direction: Direction


class Ceilings(Paper):
    """Measured ceilings of one device: what a roofline is drawn with and utilisation is measured against."""

    version: Literal[1] = 1
    device: DeviceKind
    name: Word
    """The chip, as its maker calls it."""
    environment: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Digest of the machine and software that a ceiling depends on; another digest means measuring again."""
    threads: int = Field(ge=1)
    """Threads torch used on the host."""
    measured_at: Word
    """When, in ISO 8601 with the zone."""
    seconds: float = Field(ge=0)
    """How long all of it took."""
    contention: float = Field(ge=0, le=1)
    """Share of the processors that others kept busy in the quietest of its sweeps; a ceiling seen under load is too low."""
    bandwidths: tuple[Bandwidth, ...] = Field((), max_length=64)
    products: tuple[Products, ...] = Field((), max_length=128)
    transfers: tuple[Transfer, ...] = Field((), max_length=8)
    dispatch_s: float = Field(ge=0)
    """Seconds one operator on a single number takes: the calling alone."""
    notes: tuple[Text, ...] = Field((), max_length=32)
    """What could not be measured, and why."""

    @property
    def contended(self) -> bool:
        """Whether others disturbed every sweep, so that what was found is too low."""
        return self.contention >= CONTENDED

    def bandwidth(self, working_set: int) -> float | None:
        """Most bytes per second for a working set of this many bytes; None when nothing was measured.

        The best of every stream at this size or a larger one: what is reached with more to go through can be reached with
        less. Beyond the largest size measured, the largest counts.
        """
        if not self.bandwidths:
            return None
        largest = max(each.working_set for each in self.bandwidths)
        reach = min(working_set, largest)
        return max(each.value for each in self.bandwidths if each.working_set >= reach)

    def peak(self, dtype: str) -> float | None:
        """Most operations per second with factors of this format, the best of the sweep; None when it was not measured."""
        return max((each.value for each in self.products if each.dtype == dtype), default=None)

    def transfer(self) -> float | None:
        """Bytes per second between host and device, the slower direction; None when there is no way to go."""
        return min((each.value for each in self.transfers), default=None)
