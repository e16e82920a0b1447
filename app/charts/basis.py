"""What a chart rests on, told below every one: n, intervals, and the environments that it was measured in."""

from collections.abc import Iterable

from app.charts.units import THIN, several
from app.study.comparison import ComparedRun
from app.study.pareto import Counted, Reading

INTERVALS = "95 % intervals"
MOST = 3
"""Environments that are named."""


def basis(n: str, intervals: str, runs: Iterable[ComparedRun]) -> str:
    """One sentence for below a chart; every chart has one.

    Args:
        n: how much is behind one figure, as ``counted`` or ``rests_on`` have it.
        intervals: which are drawn, or why there are none.
        runs: what is drawn.
    """
    return f"{n}; {intervals}; {environments(runs)}."


def counted(counts: Iterable[int], noun: str, per: str = "") -> str:
    """How much is behind each figure: ``n = 3–8 pairs``.

    Args:
        counts: of each figure, at least one.
        noun: what is counted, as of one.
        per: of what each figure is, where that is not plain: ``a line``.
    """
    return f"n{THIN}={THIN}{_span(counts, noun)}{f' {per}' if per else ''}"


def rests_on(readings: Iterable[Reading]) -> str:
    """How much is behind each of some readings, at least one: ``n = 3–8 pairs``, or ``n = 3 pairs or 512 items``."""
    found: dict[Counted, list[int]] = {}
    for reading in readings:
        found.setdefault(reading.counts, []).append(reading.n)
    return f"n{THIN}={THIN}{' or '.join(_span(counts, noun) for noun, counts in found.items())}"


def behind(reading: Reading) -> str:
    """How much is behind a reading, without a word for values: ``3 pairs``, ``512 items``, ``60``."""
    return f"{reading.n:,}" if reading.counts == "value" else _span([reading.n], reading.counts)


def _span(counts: Iterable[int], noun: str) -> str:
    found = sorted(set(counts))
    return several(found[0], noun) if len(found) == 1 else f"{found[0]:,}–{several(found[-1], noun)}"


def environments(runs: Iterable[ComparedRun]) -> str:
    """In which environments runs were measured, each by its device and its version of torch."""
    drawn = list(runs)
    told = {run.environment: run.measured_on or run.environment for run in drawn if run.environment is not None}
    if not told:
        return "environment: not told"
    names = list(dict.fromkeys(told.values()))
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    untold = "; of some runs not told" if any(run.environment is None for run in drawn) else ""
    return (
        f"{'environment' if len(told) == 1 else f'{len(told)} environments'}: {'; '.join(names[:MOST])}{more}{untold}"
    )
