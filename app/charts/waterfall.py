"""Waterfall: memory from the baseline's peak down, one technique after the other, quality beside each step, to a budget.

A step is a variant whose stack contains the step before it; the longest such ladder among a study's variants is drawn.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts.axis import INK, frame
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import (
    MIXED,
    Chart,
    Choice,
    Figure,
    NotDrawn,
    chosen,
    plain,
    runs_at,
    shortened,
    table,
)
from app.charts.rows import spelled
from app.charts.units import MINUS, readable, scale
from app.study.comparison import ComparedRun, Comparison
from app.study.outcomes import ended
from app.study.pareto import Reading
from app.study.quantities import Quantity
from workers.catalog import metrics

ROW = 66
"""Pixels of one bar and the two lines of words above it."""
MEMORY = tuple(
    metric.name
    for metric in (
        metrics.MEMORY_PEAK_ALLOCATED,
        metrics.MEMORY_HOST,
        metrics.MEMORY_WEIGHTS,
        metrics.MEMORY_EXACT_PEAK,
    )
)
"""What a ladder leads down, by default; the first that was measured."""
SCORES = (
    metrics.QUALITY_PERPLEXITY.name,
    metrics.QUALITY_TASK.name,
    metrics.QUALITY_NEXT_TOKEN.name,
    metrics.QUALITY_TOP1.name,
    metrics.QUALITY_LOSS.name,
    metrics.QUALITY_KL.name,
    metrics.QUALITY_AGREEMENT.name,
)
"""What stands beside each step; the first that was measured."""
LADDER = (
    "Order a ladder to see one: variants whose stacks grow, for example bf16, then bf16 + flash attention, then "
    "bf16 + flash attention + int8 weights, each with all that the one before it has."
)


class _Step(NamedTuple):
    run: ComparedRun
    added: tuple[str, ...]
    """What it has that the step before it has not."""
    held: Reading
    score: Reading | None


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """The ladder at one point of the sweep; ``choice.x`` names the quantity in bytes, ``choice.budget`` draws a line.

    Raises:
        NotDrawn: no variants make a ladder.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    if not comparison.quantities:
        raise NotDrawn("Nothing has been measured yet.")
    runs = runs_at(comparison, choice)
    if comparison.environments_differ and not choice.across_environments:
        raise NotDrawn(MIXED)
    memory = _memory(comparison, choice)
    score = next((found for name in SCORES if (found := comparison.quantity(name))), None)
    steps = _steps(runs, memory, score)
    divisor, unit = scale("B", max(step.held.value for step in steps))
    ends = [step.held.value for step in steps]
    widest = max(*ends, choice.budget or 0.0) / divisor * 1.06
    heights = [len(steps) - 1 - index for index in range(len(steps))]
    return {
        "data": [
            _bars(steps, heights, divisor, memory, score, choice.budget),
            *_changes(steps, heights, divisor, memory),
        ],
        "layout": {
            "height": 78 + ROW * len(steps),
            "barmode": "overlay",
            "bargap": 0.7,
            "margin": {"l": 22, "r": 22, "t": 16, "b": 52},
            "xaxis": frame(f"{memory.title} ({unit}) · lower is better")
            | {"range": [0, widest], "nticks": 7, "fixedrange": True},
            "yaxis": {"range": [-0.35, len(steps) - 0.3], "visible": False, "fixedrange": True},
            "shapes": [_budget_line(choice.budget / divisor)] if choice.budget else [],
            "annotations": [
                words
                for index, (step, height) in enumerate(zip(steps, heights, strict=True))
                for words in _words(step, steps[index - 1] if index else None, height, score)
            ],
            "meta": {
                "families": list(dict.fromkeys(step.run.family for step in steps)),
                "caption": _caption(steps, memory, score, choice.budget, runs),
                "basis": basis(rests_on(step.held for step in steps), INTERVALS, (step.run for step in steps)),
                "table": _table(steps, memory, score, choice.budget),
            },
        },
    }


CHART = Chart(
    "waterfall", "Waterfall", "Which techniques, one after the other, bring it under the budget?", figure, "memory"
)


def ladder(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """The longest chain of variants of which each has all parts of the one before it, and more.

    Among chains of one length the one with the fewest parts at its end is taken, and then the earliest in the study.
    """
    best: dict[str, list[ComparedRun]] = {}
    chosen_chain: list[ComparedRun] = []
    for run in sorted(runs, key=lambda run: len(run.parts)):
        below = [best[other.run] for other in runs if other.run in best and set(other.parts) < set(run.parts)]
        before = max(below, key=len, default=[])
        best[run.run] = [*before, run]
        if len(best[run.run]) > len(chosen_chain):
            chosen_chain = best[run.run]
    return chosen_chain


def _memory(comparison: Comparison, choice: Choice) -> Quantity:
    if choice.x is not None:
        picked = chosen(comparison, "x", choice.x)
        if picked.aspect != "memory":
            raise NotDrawn(f"{picked.title} is no amount of memory.")
        return picked
    found = next((found for name in MEMORY if (found := comparison.quantity(name))), None)
    if found is None:
        raise NotDrawn("No run measured its memory.")
    return found


def _steps(runs: Sequence[ComparedRun], memory: Quantity, score: Quantity | None) -> list[_Step]:
    able = [run for run in runs if not run.failed and not run.fell_back and memory.key in run.readings]
    start = next((run for run in able if run.is_baseline), None)
    chain = ladder([run for run in able if run.parts])
    if start is None:
        raise NotDrawn("The baseline’s own run has no figure of memory to start from.")
    if len(chain) < 2:
        raise NotDrawn(f"No variant’s stack contains another’s, so there are no steps to draw. {LADDER}")
    steps = [_Step(start, (), start.readings[memory.key], _score(start, score))]
    for run in chain:
        added = tuple(part for part in run.parts if part not in steps[-1].run.parts)
        steps.append(_Step(run, added, run.readings[memory.key], _score(run, score)))
    return steps


def _score(run: ComparedRun, score: Quantity | None) -> Reading | None:
    return run.readings.get(score.key) if score else None


def _bars(
    steps: Sequence[_Step],
    heights: Sequence[int],
    divisor: float,
    memory: Quantity,
    score: Quantity | None,
    budget: float | None,
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": memory.title,
        "x": [step.held.value / divisor for step in steps],
        "y": list(heights),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, step.held.high - step.held.value) / divisor for step in steps],
            "arrayminus": [max(0.0, step.held.value - step.held.low) / divisor for step in steps],
            "color": "var(--ink-2)",
            "thickness": 1.5,
            "width": 0,
        },
        "marker": {
            "color": [f"var(--family-{step.run.family})" for step in steps],
            "opacity": [1.0 if budget is None or step.held.value <= budget else 0.55 for step in steps],
        },
        "hoverinfo": "text",
        "textposition": "none",
        "hovertext": [_hover(step, memory, score, budget) for step in steps],
        "customdata": [{"run": step.run.run} for step in steps],
        "showlegend": False,
    }


def _changes(steps: Sequence[_Step], heights: Sequence[int], divisor: float, memory: Quantity) -> list[dict[str, Any]]:
    """From each step's end to that of the step before it: what was taken away, or came on top."""
    pairs = list(zip(steps, steps[1:], heights[1:], strict=False))
    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": "change",
            "base": [now.held.value / divisor for _, now, _ in pairs],
            "x": [(before.held.value - now.held.value) / divisor for before, now, _ in pairs],
            "y": [height for _, _, height in pairs],
            "marker": {
                "color": "rgba(0,0,0,0)",
                "line": {
                    "width": 1.5,
                    "color": [
                        "var(--good)" if now.held.value <= before.held.value else "var(--bad)"
                        for before, now, _ in pairs
                    ],
                },
            },
            "hoverinfo": "text",
            "textposition": "none",
            "hovertext": [
                f"<b>{plain(' + '.join(now.added))}</b><br>{memory.title}: {_change(before, now)}"
                for before, now, _ in pairs
            ],
            "customdata": [{"run": now.run.run} for _, now, _ in pairs],
            "showlegend": False,
        }
    ]


def _change(before: _Step, now: _Step) -> str:
    """How much a step takes away or adds, in bytes and as a share of what the step before it held."""
    less = before.held.value - now.held.value
    share = abs(less) / before.held.value if before.held.value else 0.0
    sign = MINUS if less >= 0 else "+"
    return f"{sign}{readable(abs(less), 'B')} ({sign}{share:.{0 if share >= 0.095 else 1}%})"


def _name(step: _Step) -> str:
    return f"+ {' + '.join(step.added)}" if step.added else step.run.variant


def _hover(step: _Step, memory: Quantity, score: Quantity | None, budget: float | None) -> str:
    lines = [f"<b>{plain(step.run.variant)}</b>", plain(step.run.label)]
    lines.append(f"{memory.title}: {spelled(step.held, memory.unit, 'measured')}")
    if score and step.score:
        lines.append(f"{score.title}: {spelled(step.score, score.unit, 'measured')}")
    if budget:
        lines.append(_fits(step, budget))
    return "<br>".join(lines)


def _fits(step: _Step, budget: float) -> str:
    left = budget - step.held.value
    return f"fits, {readable(left, 'B')} to spare" if left >= 0 else f"over by {readable(-left, 'B')}"


def _words(step: _Step, before: _Step | None, height: int, score: Quantity | None) -> list[dict[str, Any]]:
    common = {
        "xref": "paper",
        "yref": "y",
        "y": height + 0.55,
        "showarrow": False,
        "yanchor": "middle",
        "bgcolor": "var(--surface)",
        "borderpad": 1,
    }
    figures = readable(step.held.value, "B")
    if before is not None:
        figures += f" {_change(before, step).partition(' (')[2].rstrip(')')}"
    below = [shortened(step.run.variant, 30)] if before is not None else []
    if score and step.score:
        below.append(f"{score.title} {readable(step.score.value, score.unit)}")
    return [
        common
        | {"text": plain(shortened(_name(step), 34)), "x": 0, "xanchor": "left"}
        | {"font": {"size": 13, "color": "var(--ink-1)"}},
        common | {"text": figures, "x": 1, "xanchor": "right", "font": {"size": 13, "color": INK}},
        common
        | {"text": plain(" · ".join(below)), "x": 0, "xanchor": "left", "y": height + 0.29}
        | {"font": {"size": 12, "color": "var(--ink-3)"}},
    ]


def _budget_line(at: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "line": {"width": 2, "dash": "dash", "color": "var(--bad)"},
        "layer": "below",
        "label": {"text": "budget", "textposition": "end", "textangle": 0, "yanchor": "bottom", "font": {"size": 12}},
    }


def _caption(
    steps: Sequence[_Step], memory: Quantity, score: Quantity | None, budget: float | None, runs: Sequence[ComparedRun]
) -> str:
    first, last = steps[0], steps[-1]
    text = (
        f"{memory.title} from {readable(first.held.value, 'B')} ({first.run.variant}) to {readable(last.held.value, 'B')} "
        f"({last.run.variant}), each step with all techniques of the one above it. Outlined: the change of the step."
    )
    if score:
        text += f" Beside it: {score.title}, {'no direction' if score.better == 'neither' else f'{score.better} is better'}."
    if budget:
        under = next((step for step in steps if step.held.value <= budget), None)
        text += f" Budget {readable(budget, 'B')}: " + (
            f"{under.run.variant} is the first step that fits."
            if under
            else f"no step fits; the last is {_fits(last, budget)}."
        )
    failed = [f"{run.variant} ({ended(run)})" for run in runs if run.failed]
    if failed:
        text += f" Without figures: {', '.join(failed)}."
    return text


def _table(steps: Sequence[_Step], memory: Quantity, score: Quantity | None, budget: float | None) -> dict[str, Any]:
    columns = [
        "Step",
        "Variant",
        memory.title,
        "Change",
        *([score.title] if score else []),
        *(["Budget"] if budget else []),
    ]
    rows = []
    for index, step in enumerate(steps):
        cells = [_name(step), step.run.variant, spelled(step.held, memory.unit, "measured")]
        cells.append(_change(steps[index - 1], step) if index else "")
        if score:
            cells.append(spelled(step.score, score.unit, "measured") if step.score else "")
        if budget:
            cells.append(_fits(step, budget))
        rows.append(cells)
    return table(columns, rows)
