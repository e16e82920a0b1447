"""What makers say that devices can do: memory, bandwidth and dense peaks, each with its source. Facts of ``datasheets.json``.

Memory of GPUs is sold in units of 2³⁰ bytes; everything else is decimal. Peaks are dense and with 32-bit accumulation.
"""

import json
from functools import cache
from pathlib import Path

from app.frozen import Frozen
from app.knowledge.claims import Source

FILE = Path(__file__).parent / "datasheets.json"
NEAR = 0.12
"""Share by which the memory that a driver reports may differ: error correction and what the driver keeps for itself."""


class Datasheet(Frozen):
    """One device as its maker describes it, in base units."""

    title: str
    maker: str
    architecture: str
    names: tuple[str, ...]
    """As the driver calls it; cards of one name are told apart by their memory."""
    memory: int
    bandwidth: float
    """Bytes per second."""
    peaks: dict[str, float]
    """Operations per second by the format of the factors, as torch names it."""
    power: float | None
    """Watts it may draw."""
    sources: tuple[Source, ...]
    doubt: tuple[str, ...]
    """What the sources do not agree on, or leave open."""
    note: str | None

    def ridge(self, dtype: str) -> float | None:
        """Operations per byte from which on arithmetic binds and no longer bandwidth."""
        return self.peaks[dtype] / self.bandwidth if dtype in self.peaks else None


@cache
def datasheets() -> tuple[Datasheet, ...]:
    """All of them, in the order of the file."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}
    return tuple(
        Datasheet.model_validate(one | {"sources": [sources[word] for word in one["sources"]]})
        for one in held["datasheets"]
    )


def datasheet(name: str, memory: int) -> Datasheet | None:
    """The one of a device; None where there is none, rather than one that is merely like it.

    Args:
        name: as the driver calls it.
        memory: bytes that the driver reports.
    """
    for one in datasheets():
        if name.casefold() in {known.casefold() for known in one.names} and abs(memory / one.memory - 1) <= NEAR:
            return one
    return None
