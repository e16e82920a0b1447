"""Raw values as bytes: little-endian 64-bit floats, one after the other."""

import struct
from collections.abc import Sequence

from app.db.tables import SampleRow, TimelineRow


def packed(numbers: Sequence[float]) -> bytes:
    """The bytes of a row."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def values(row: SampleRow | TimelineRow) -> tuple[float, ...]:
    """The raw values of a row, in the order in which they were taken."""
    return struct.unpack(f"<{row.count}d", row.data)


def moments(row: TimelineRow) -> tuple[float, ...]:
    """When the values of a timeline were taken, in seconds since its beginning."""
    return struct.unpack(f"<{row.count}d", row.at_s)
