"""What makers say that devices can do: memory, bandwidth and dense peaks, each with its source. Facts of ``datasheets.json``.

Memory of GPUs is sold in units of 2³⁰ bytes; everything else is decimal. Peaks are dense and with 32-bit accumulation.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from app.frozen import Frozen
from app.knowledge.sources import Source

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
    inline_ecc: bool = False
    """Whether error correction keeps its bits in the memory itself, as cards for servers with GDDR memory have it from the factory."""
    bandwidth: float
    """Bytes per second."""
    peaks: dict[str, float]
    """Operations per second by the format of the factors, as torch names it."""
    capability: tuple[int, int] | None
    """CUDA compute capability; None for what is not NVIDIA's."""
    link: float | None
    """Bytes per second, one way, to other devices of its kind over its fastest usual link."""
    power: float | None
    """Watts it may draw."""
    sources: tuple[Source, ...]
    doubt: tuple[str, ...]
    """What the sources do not agree on, or leave open."""
    note: str | None

    def ridge(self, dtype: str) -> float | None:
        """Operations per byte from which on arithmetic binds and no longer bandwidth."""
        return self.peaks[dtype] / self.bandwidth if dtype in self.peaks else None


class Processor(Frozen):
    """One CPU or class of CPUs as it is described or reckoned, in base units; no driver's name belongs to it."""

    title: str
    maker: str
    architecture: str
    flags: tuple[str, ...]
    """Instruction-set flags that matter, as Linux lists them."""
    memory: int | None
    """None where machines of the class differ."""
    bandwidth: float
    """Bytes per second on the wire."""
    peaks: dict[str, float]
    power: float | None
    sources: tuple[Source, ...]
    doubt: tuple[str, ...]
    note: str | None


@cache
def datasheets() -> tuple[Datasheet, ...]:
    """All of them, in the order of the file."""
    return tuple(Datasheet.model_validate(one) for one in _held("datasheets"))


@cache
def processors() -> tuple[Processor, ...]:
    """CPUs that are no device of the list above, in the order of the file."""
    return tuple(Processor.model_validate(one) for one in _held("processors"))


def _held(kind: str) -> Iterator[dict[str, Any]]:
    held = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}
    for one in held[kind]:
        yield one | {"sources": [sources[word] for word in one["sources"]]}


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
