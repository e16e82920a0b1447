"""Interactions: what a technique does on top of another against what it does alone, for every stack that was taken apart.

The chart shows the ratio of a stack over the product of its parts' ratios (``app/study/interaction.py``). Scores of quality have no
such chart: all variants are scored on the same items, so the errors of three runs are not independent.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from app.charts.axis import INK
from app.charts.basis import INTERVALS, basis, counted
from app.charts.chart import Chart, Choice, Figure, NotDrawn, one_quantity, plain, runs_at, shortened, table
from app.charts.units import digits, times
from app.study.comparison import ComparedRun, Comparison
from app.study.interaction import Quotient, Says, independent, quotient
from app.study.quantities import Quantity
from app.study.verdicts import Ratio

CELL = 46
"""Pixels of one row of cells."""
BELOW = 56
"""Pixels of ticks and title below the cells."""
SIGNS: dict[Says, str] = {"adds": "adds", "cancels": "cancels", "independent": "=", "undecided": "?"}
"""What stands in a cell; short enough for a narrow screen."""
WORDS: dict[Says, str] = {
    "adds": "adds to it",
    "cancels": "cancels in part",
    "independent": "independent",
    "undecided": "undecided",
}
"""What the interval of an interaction says."""
NAMED = 6
"""Missing variants that a reason names."""

Parts = frozenset[str]


class Interaction(NamedTuple):
    """A technique on top of the rest of a stack, over what both do apart from each other."""

    technique: str
    rest: Parts
    over: Quotient
    together: Ratio
    alone: Ratio
    """Of the technique by itself."""
    other: Ratio
    """Of the rest by itself."""
    run: str
    """The run of the whole stack."""


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """The heat map at one point of the sweep; ``choice.x`` names the quantity.

    Raises:
        NotDrawn: no stack was measured together with its parts; says which variants are missing.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    quantity = one_quantity(comparison, choice)
    if quantity.better == "neither":
        raise NotDrawn(f"{quantity.title} has no better direction, so nothing adds to it or cancels.")
    if not independent(quantity.aspect):
        raise NotDrawn(
            f"{quantity.title} is scored on the same items against the same baseline in all runs, so their errors are not "
            "independent, and one run over the others has no honest interval."
        )
    runs = runs_at(comparison, choice)
    measured = _measured(comparison, choice, runs, quantity)
    found = list(interactions(measured))
    if not found:
        raise NotDrawn(_missing(comparison, runs, set(measured)))
    rests = sorted({one.rest for one in found}, key=lambda rest: (len(rest), sorted(rest)))
    techniques = sorted({one.technique for one in found})
    cells = {(one.technique, one.rest): one for one in found}
    reach = max(max(abs(math.log(one.over.ratio)), math.log(1 + one.over.margin)) for one in found)
    letters = _letters(found)
    sign = 1.0 if quantity.better == "lower" else -1.0
    return {
        "data": [_map(techniques, rests, cells, quantity, reach, sign)],
        "layout": {
            "height": 8 + CELL * len(techniques) + BELOW,
            "margin": {"l": 14, "r": 14, "t": 8, "b": BELOW},
            "xaxis": _axis([" + ".join(sorted(letters[part] for part in rest)) for rest in rests], "On top of"),
            "yaxis": _axis([f"{letters[name]} {shortened(name, 20)}" for name in techniques], None)
            | {"autorange": "reversed", "automargin": True},
            "annotations": [_note(one, techniques, rests, quantity) for one in found],
            "meta": {
                "caption": _caption(comparison, quantity, found, letters),
                "basis": basis(
                    counted((effect.pairs for one in found for effect in (one.together, one.alone, one.other)), "pair"),
                    f"{INTERVALS} in the table",
                    (run for run, _ in measured.values()),
                ),
                "table": _table(found, quantity),
            },
        },
    }


CHART = Chart(
    "interactions",
    "Interactions",
    "Do techniques add up, or does one take what another has brought?",
    figure,
    "effects",
)


def interactions(measured: dict[Parts, tuple[ComparedRun, Ratio]]) -> Iterable[Interaction]:
    """Every stack that was measured together with one of its techniques alone and with the rest of it alone.

    Args:
        measured: by the parts that set a stack apart from the baseline, its run and its effect.
    """
    for stack, (run, together) in measured.items():
        for technique in sorted(stack):
            rest = stack - {technique}
            alone, other = measured.get(frozenset({technique})), measured.get(rest)
            if rest and alone and other:
                over = quotient(together, alone[1], other[1])
                yield Interaction(technique, rest, over, together, alone[1], other[1], run.run)


def _measured(
    comparison: Comparison, choice: Choice, runs: Sequence[ComparedRun], quantity: Quantity
) -> dict[Parts, tuple[ComparedRun, Ratio]]:
    """Effects by what sets the stack apart; only of runs that did what was asked, and of one environment."""
    elsewhere = {run for other in comparison.elsewhere if other.matters for run in other.runs}
    found: dict[Parts, tuple[ComparedRun, Ratio]] = {}
    for run in runs:
        effect = run.effects.get(quantity.key)
        counts = run.parts and not run.failed and not run.fell_back
        if effect is None or not counts or not 0 < effect.low <= effect.ratio <= effect.high:
            continue
        if run.run in elsewhere and not choice.across_environments:
            continue
        found.setdefault(frozenset(run.parts), (run, effect))
    return found


def _missing(comparison: Comparison, runs: Sequence[ComparedRun], measured: set[Parts]) -> str:
    """Which variants would have to be there."""
    stacks = sorted(
        {frozenset(run.parts) for run in runs if len(run.parts) > 1}, key=lambda parts: (len(parts), sorted(parts))
    )
    if not stacks:
        singles = [run.parts[0] for run in runs if len(run.parts) == 1]
        example = f", for example “{' + '.join(singles[:2])}”" if len(singles) > 1 else ""
        return (
            "No variant stacks two techniques, so none can act on another. Measure a stack beside each of its "
            f"techniques alone{example}."
        )
    wanted: dict[str, None] = {}
    for stack in stacks:
        lacking = [{stack} - measured, *({frozenset({one}), stack - {one}} - measured for one in sorted(stack))]
        whole, *parts = lacking
        fewest = min(parts, key=len)
        for need in (*whole, *sorted(fewest, key=lambda need: (len(need), sorted(need)))):
            wanted[f"“{_stack(need)}”"] = None
    names = list(wanted)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"To see whether techniques add up, each has to be measured alone and with the others against {comparison.baseline}, "
        f"all of them as asked and in one environment. Missing: {', '.join(names[:NAMED])}{more}."
    )


def _stack(parts: Iterable[str]) -> str:
    return " + ".join(sorted(parts))


def _map(
    techniques: Sequence[str],
    rests: Sequence[Parts],
    cells: dict[tuple[str, Parts], Interaction],
    quantity: Quantity,
    reach: float,
    sign: float,
) -> dict[str, Any]:
    """Colour by how far the ratio is from 1, towards the good colour where both together bring more."""
    grid = [[cells.get((technique, rest)) for rest in rests] for technique in techniques]
    return {
        "type": "heatmap",
        "x": list(range(len(rests))),
        "y": list(range(len(techniques))),
        "z": [[-sign * math.log(one.over.ratio) if one else None for one in row] for row in grid],
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0, "var(--bad-soft)"], [0.5, "var(--sunken)"], [1, "var(--good-soft)"]],
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "hoverongaps": False,
        "hoverinfo": "text",
        "hovertext": [[_hover(one, quantity) if one else "" for one in row] for row in grid],
        "customdata": [[{"run": one.run} if one else None for one in row] for row in grid],
    }


def _hover(one: Interaction, quantity: Quantity) -> str:
    lines = [f"<b>{plain(one.technique)} on top of {plain(_stack(one.rest))}</b>"]
    said = WORDS[one.over.says(quantity.better)]
    lines.append(f"{quantity.title}, together over the product: {_spelled(one)} – {said}")
    for name, effect in (("together", one.together), (one.technique, one.alone), (_stack(one.rest), one.other)):
        lines.append(
            f"{plain(name)}: {times(effect.ratio)} ({digits(effect.low)}–{digits(effect.high)}), {effect.pairs} pairs"
        )
    return "<br>".join(lines)


def _spelled(one: Interaction) -> str:
    return f"{times(one.over.ratio)} ({digits(one.over.low)}–{digits(one.over.high)})"


def _note(one: Interaction, techniques: Sequence[str], rests: Sequence[Parts], quantity: Quantity) -> dict[str, Any]:
    return {
        "x": rests.index(one.rest),
        "y": techniques.index(one.technique),
        "text": f"{times(one.over.ratio)}<br>{SIGNS[one.over.says(quantity.better)]}",
        "showarrow": False,
        "font": {"size": 12, "color": "var(--ink-1)"},
    }


def _letters(found: Iterable[Interaction]) -> dict[str, str]:
    """A letter for each technique, because names of stacks do not fit below their cells."""
    names = sorted({name for one in found for name in (one.technique, *one.rest)})
    return {name: f"{chr(ord('A') + index % 26)}{index // 26 or ''}" for index, name in enumerate(names)}


def _axis(names: Sequence[str], title: str | None) -> dict[str, Any]:
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [plain(name) for name in names],
        "tickfont": {"size": 12, "color": INK},
        "tickangle": 0,
        "ticks": "",
        "title": {"text": title, "font": {"size": 13, "color": INK}} if title else {},
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def _caption(
    comparison: Comparison,
    quantity: Quantity,
    found: Sequence[Interaction],
    letters: dict[str, str],
) -> str:
    text = f"{'; '.join(f'{letter}: {name}' for name, letter in letters.items())}. " + (
        f"{quantity.title} over {comparison.baseline}: the ratio of a technique on top of others, over the product of their "
        "ratios apart. ×1 means that neither touches the other; intervals come from the three runs, as independent errors."
    )
    for word, verb in (("adds", "more together than apart"), ("cancels", "less together than apart")):
        names = dict.fromkeys(
            _stack({one.technique} | one.rest) for one in found if one.over.says(quantity.better) == word
        )
        if names:
            text += f" {'; '.join(names)}: {verb}."
    undecided = sum(one.over.says(quantity.better) == "undecided" for one in found)
    if undecided:
        text += f" Undecided (?), because the interval includes ×1: {undecided} of {len(found)}."
    return text


def _table(found: Sequence[Interaction], quantity: Quantity) -> dict[str, Any]:
    return table(
        (
            "Technique",
            "On top of",
            f"{quantity.title}, together over the product",
            "Says",
            "Together",
            "Alone",
            "The others",
        ),
        (
            (
                one.technique,
                _stack(one.rest),
                _spelled(one),
                WORDS[one.over.says(quantity.better)],
                times(one.together.ratio),
                times(one.alone.ratio),
                times(one.other.ratio),
            )
            for one in found
        ),
    )
