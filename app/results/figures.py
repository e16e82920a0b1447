"""The figures by which all runs are compared: a short list that fits every model and workload, in a fixed order.

A study compares whatever it measured; across studies there have to be figures that most runs have. Each stands for the
first of its metrics that a run measured.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from app.frozen import Frozen
from app.study import definitions
from workers.catalog import metrics
from workers.catalog.metrics import Better, Metric
from workers.catalog.report import Verdict

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FIELDS = ("value", "low", "high", "ratio", "ratio_low", "ratio_high", "pairs", "items", "definition")
"""What is kept of each figure, in this order; not a number where it was not measured."""
DEFINITION = FIELDS.index("definition")
Part = Literal["value", "low", "high", "ratio", "ratio_low", "ratio_high", "pairs", "items"]


class Figure(NamedTuple):
    """One figure."""

    word: str
    """Its name in addresses and in the API."""
    metrics: tuple[Metric, ...]
    """The first of these that was measured; all have one unit, one direction and one version."""
    whole_step: bool = True
    """Whether it is of the phase of a whole step; otherwise of whichever phase it was measured in."""
    relative: bool = False
    """Whether the value itself compares with the baseline, so that there is no ratio."""

    @property
    def title(self) -> str:
        """For people."""
        return self.metrics[0].title

    @property
    def unit(self) -> str:
        """The base unit."""
        return self.metrics[0].unit

    @property
    def better(self) -> Better:
        """Its good direction."""
        return self.metrics[0].better

    @property
    def definition(self) -> str:
        """What exactly the number means."""
        return self.metrics[0].definition

    @property
    def scored(self) -> bool:
        """Whether it is a score of quality, which rests on items and not on pairs of processes."""
        return self.metrics[0].aspect == "quality"

    @property
    def version(self) -> int:
        """Of the definition in the catalogue, which all of its metrics share."""
        return definitions.now(self.metrics[0].name)

    def apart(self, version: int) -> str | None:
        """What sets a figure of a version apart, in a few words; None for the catalogue's."""
        return definitions.apart(self.metrics[0].name, version)


FIGURES: tuple[Figure, ...] = (
    Figure("latency", (metrics.LATENCY,)),
    Figure("ttft", (metrics.LATENCY_TTFT,), whole_step=False),
    Figure("tpot", (metrics.LATENCY_TPOT,), whole_step=False),
    Figure("tokens", (metrics.THROUGHPUT_TOKENS,)),
    Figure("samples", (metrics.THROUGHPUT_SAMPLES,)),
    Figure("memory", (metrics.MEMORY_PEAK_ALLOCATED,)),
    Figure("host_memory", (metrics.MEMORY_HOST,)),
    Figure("weights", (metrics.MEMORY_WEIGHTS,), whole_step=False),
    Figure("energy", (metrics.ENERGY_STEP,)),
    Figure("perplexity", (metrics.QUALITY_PERPLEXITY,), whole_step=False),
    Figure("accuracy", (metrics.QUALITY_NEXT_TOKEN, metrics.QUALITY_TOP1, metrics.QUALITY_TASK), whole_step=False),
    Figure("agreement", (metrics.QUALITY_AGREEMENT,), whole_step=False, relative=True),
    Figure("kl", (metrics.QUALITY_KL,), whole_step=False, relative=True),
    Figure("first_call", (metrics.COLD_FIRST_CALL,), whole_step=False),
)
"""The order in which rows hold them; a change of it needs a migration that empties the table of results."""
BY_WORD: dict[str, Figure] = {figure.word: figure for figure in FIGURES}
PLACE: dict[str, int] = {figure.word: place for place, figure in enumerate(FIGURES)}
LENGTHS = ("sequence_length", "prompt_length", "context_length")
"""Fields of workloads that say how long a sequence is; each workload has one at most."""
_LAYOUT = struct.Struct(f"<{len(FIGURES) * len(FIELDS)}d")
WIDTH = _LAYOUT.size
"""Bytes of one row's figures."""
_UNKNOWN = (math.nan,) * len(FIELDS)
_NONE = "."


class Cell(Frozen):
    """One figure of one run, in base units."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    """Variant over baseline."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    pairs: int | None = None
    """Pairs of fresh processes behind the ratio."""
    items: int | None = None
    """Items that were scored, of a score of quality: what its intervals rest on."""
    definition: int | None = None
    """Version of the metric's definition that was followed. Of all results together those of another version than the catalogue's
    have nothing but this."""
    verdict: Verdict | None = None


def packed(cells: Mapping[str, Cell]) -> tuple[bytes, str]:
    """Figures by word as one row holds them: numbers as little-endian float64, verdicts a letter each."""
    numbers: list[float] = []
    verdicts = ""
    for figure in FIGURES:
        cell = cells.get(figure.word)
        numbers += _UNKNOWN if cell is None else [_number(getattr(cell, field)) for field in FIELDS]
        verdicts += _NONE if cell is None or cell.verdict is None else letter(cell.verdict)
    return _LAYOUT.pack(*numbers), verdicts


def unpacked(numbers: Sequence[float], verdicts: str) -> dict[str, Cell]:
    """The figures a row has, by word.

    Args:
        numbers: ``[figures × fields]``, in their order.
        verdicts: a letter for each figure.
    """
    found: dict[str, Cell] = {}
    known = [None if math.isnan(number) else number for number in numbers]
    for place, figure in enumerate(FIGURES):
        own = known[place * len(FIELDS) : (place + 1) * len(FIELDS)]
        if own.count(None) < len(FIELDS):
            fields = dict(zip(FIELDS, own, strict=True))
            said = None if fields["value"] is None else verdict(verdicts[place])
            found[figure.word] = Cell.model_validate(fields | {"verdict": said})
    return found


def letter(word: Verdict) -> str:
    """A verdict as one letter."""
    return chr(ord("a") + VERDICTS.index(word))


def verdict(of: str) -> Verdict | None:
    """The verdict a letter stands for."""
    return None if of == _NONE else VERDICTS[ord(of) - ord("a")]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
