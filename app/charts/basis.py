"""What a chart rests on, told below every one: n, intervals, and the environments that it was measured in."""

from collections.abc import Iterable

from app.charts.units import THIN
from app.study.comparison import ComparedRun, Scale
from app.study.pareto import Reading

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
    found = sorted(set(counts))
    span = f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,}–{found[-1]:,}"
    return f"n{THIN}={THIN}{span} {noun}{'' if found == [1] else 's'}{f' {per}' if per else ''}"


def rests_on(readings: Iterable[Reading], scale: Scale) -> str:
    """How much is behind each of some readings: pairs of processes for a ratio, values for what is as measured."""
    return counted((reading.n for reading in readings), "pair" if scale == "ratio" else "value")


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
