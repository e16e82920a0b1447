"""Memory anatomy: what the peak of a phase is made of, in stacked bars; by variant for a study, by phase for a run."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts.axis import INK, frame
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import Chart, Choice, Figure, NotDrawn, RunChart, plain, runs_at, shortened
from app.charts.rows import spelled
from app.charts.units import readable, scale
from app.study.comparison import ComparedRun, Comparison
from app.study.sittings import PARTS, Sitting, Stack, stack_of

ROW = 52
"""Pixels of one bar and the line of words above it."""
TITLES = {part: part.replace("_", " ").replace("kv", "KV") for part in PARTS}


class _Bar(NamedTuple):
    name: str
    stack: Stack
    run: ComparedRun


def of_study(comparison: Comparison, choice: Choice) -> Figure:
    """One bar a variant at one point of the sweep, the peak of the workload's main phase.

    Raises:
        NotDrawn: no run took its peak apart.
    """
    if not comparison.quantities:
        raise NotDrawn("Nothing has been measured yet.")
    bars = [
        _Bar(run.variant, stack, run)
        for run in runs_at(comparison, choice)
        if (stack := stack_of(run, "variant", comparison.main_phase)) is not None
    ]
    phase = comparison.main_phase.replace("_", " ")
    return _figure(
        bars, f"Parts of the peak during {phase}, variant by variant. Everything is held at the same moment."
    )


def of_run(sitting: Sitting) -> Figure:
    """Two bars a phase, baseline and variant.

    Raises:
        NotDrawn: the run took no peak apart.
    """
    several = len({stack.phase for stack in sitting.stacks}) > 1
    bars = [
        _Bar(
            f"{stack.phase.replace('_', ' ')} · {sitting.arm_name(stack.arm)}"
            if several
            else sitting.arm_name(stack.arm),
            stack,
            sitting.run,
        )
        for stack in sitting.stacks
    ]
    return _figure(bars, "Parts of each phase's peak. Everything in a bar is held at the same moment.")


CHART = Chart(
    "anatomy", "Memory anatomy", "What is the peak made of, and what does each variant take away?", of_study, "memory"
)
RUN_CHART = RunChart("anatomy", "Memory anatomy", "What is the peak of each phase made of?", of_run)


def _figure(bars: Sequence[_Bar], caption: str) -> Figure:
    if not bars:
        raise NotDrawn("No run took the peak of its memory apart.")
    largest = max(bar.stack.total for bar in bars)
    divisor, unit = scale("B", largest)
    heights = [len(bars) - 1 - index for index in range(len(bars))]
    parts = [part for part in PARTS if any(bar.stack.parts.get(part, 0.0) > 0 for bar in bars)]
    readings = [reading for bar in bars for reading in bar.stack.readings.values()]
    return {
        "data": [_part(part, bars, heights, divisor) for part in parts],
        "layout": {
            "height": 70 + ROW * len(bars),
            "barmode": "stack",
            "bargap": 0.62,
            "margin": {"l": 22, "r": 22, "t": 8, "b": 52},
            "xaxis": frame(f"{unit} · lower is better")
            | {"range": [0, largest / divisor * 1.04], "nticks": 7, "fixedrange": True},
            "yaxis": {"range": [-0.5, len(bars) - 0.25], "visible": False, "fixedrange": True},
            "annotations": [words for bar, height in zip(bars, heights, strict=True) for words in _words(bar, height)],
            "meta": {
                "caption": caption,
                "basis": basis(
                    rests_on(readings),
                    f"{INTERVALS} in the table",
                    (bar.run for bar in bars),
                ),
                "parts": parts,
            },
        },
    }


def _part(part: str, bars: Sequence[_Bar], heights: Sequence[int], divisor: float) -> dict[str, Any]:
    held = [bar.stack.parts.get(part, 0.0) for bar in bars]
    return {
        "type": "bar",
        "orientation": "h",
        "name": TITLES[part],
        "x": [value / divisor for value in held],
        "y": list(heights),
        "marker": {"color": f"var(--part-{part})", "line": {"width": 1, "color": "var(--surface)"}},
        "hoverinfo": "text",
        "textposition": "none",
        "hovertext": [_hover(bar, part) for bar in bars],
        "customdata": [{"run": bar.run.run} for bar in bars],
        "showlegend": False,
    }


def _hover(bar: _Bar, part: str) -> str:
    found, total = bar.stack.readings.get(part), bar.stack.total
    told = spelled(found, "B", "measured") if found and found.value else "nothing"
    share = f"<br>{found.value / total:.0%} of {readable(total, 'B')}" if found and found.value and total else ""
    return f"<b>{plain(bar.name)}</b><br>{TITLES[part]}: {told}{share}"


def _words(bar: _Bar, height: int) -> list[dict[str, Any]]:
    common = {"xref": "paper", "yref": "y", "y": height + 0.4, "showarrow": False, "yanchor": "middle"}
    return [
        common
        | {"text": plain(shortened(bar.name, 34)), "x": 0, "xanchor": "left"}
        | {"font": {"size": 13, "color": "var(--ink-1)"}},
        common
        | {"text": readable(bar.stack.total, "B"), "x": 1, "xanchor": "right", "font": {"size": 13, "color": INK}},
    ]
