"""Distribution: the raw samples of each variant, as the share of them up to each value, or in the order they were taken.

A percentile is quoted only where ten samples lie beyond it: the 99th needs 1,000.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.charts.axis import axis, frame
from app.charts.basis import basis, counted
from app.charts.chart import (
    SYMBOLS,
    Choice,
    Figure,
    NotDrawn,
    SamplesChart,
    one_quantity,
    plain,
    runs_at,
    scale_for,
    shortened,
    table,
)
from app.charts.memory_over_time import thinned
from app.charts.rows import shown, spelled
from app.charts.units import THIN
from app.study.comparison import ComparedRun, Comparison, Scale, reading
from app.study.pareto import Reading
from app.study.quantities import Quantity
from app.study.samples import Samples
from app.study.sittings import ARMS
from workers.catalog.report import Arm

HEIGHT = 430
MOST = 300
"""Steps of one line of shares; a finer one would look the same."""
MOST_MARKS = 400
"""Samples of one run and arm that are drawn in order; of more the lowest and the highest of each stretch."""
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
BEYOND = 10
"""Samples that have to lie beyond a percentile."""
LABELLED = 14
"""Lines that have their name beside them."""
PANEL, GAP = 110, 30
"""Pixels of one variant's samples in order, and of the line of words above them."""
BOTTOM = 56
STEP = 0.065
"""How much lower the name of each next line stands, as a share of the samples."""


class Taken(NamedTuple):
    """The samples of one arm of one run, pair after pair."""

    run: ComparedRun
    arm: Arm
    counted: tuple[float, ...]
    warm_up: tuple[tuple[int, float], ...]
    """Number in the order, and value."""
    order: tuple[int, ...]
    """Number in the order of each that counts."""
    disturbed: int
    """Samples of pairs that others disturbed; they are in none of the above."""


def figure(comparison: Comparison, choice: Choice, samples: Mapping[str, Sequence[Samples]]) -> Figure:
    """Both arms of every run at one point of the sweep.

    Args:
        comparison: the study.
        choice: quantity, point, scale, and which of the two views.
        samples: raw ones of the quantity by run, of the runs at the point.

    Raises:
        NotDrawn: no run brought samples of the quantity.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    quantity = one_quantity(comparison, choice)
    runs = runs_at(comparison, choice)
    scale = scale_for(comparison, choice)
    taken = [found for run in runs for found in _taken(run, samples.get(run.run, ()), scale)]
    if not any(each.counted for each in taken):
        raise NotDrawn(f"No run at this point brought raw samples of {quantity.title}.")
    draw = _over_time if choice.view == "over_time" else _shares
    data, layout = draw(taken, comparison, quantity, scale)
    layout["meta"] = {
        "families": list(dict.fromkeys(each.run.family for each in taken)),
        "scale": scale,
        "caption": _caption(taken, comparison, quantity, choice, scale),
        "basis": basis(
            counted((len(each.counted) for each in taken), "sample", "a line"),
            "95 % intervals in the table",
            (each.run for each in taken),
        ),
        "table": _table(taken, comparison, quantity, scale),
    }
    return {"data": data, "layout": layout}


CHART = SamplesChart(
    "distribution",
    "Distribution",
    "How do single steps spread, and is one slow step in a hundred hidden by the median?",
    one_quantity,
    figure,
    "distribution",
)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of samples does not exceed; None when too few lie beyond it.

    Args:
        ordered: rising.
        share: between 0 and 1.
    """
    if len(ordered) * (1 - share) < BEYOND - 1e-9:
        return None
    return ordered[math.ceil(len(ordered) * share - 1e-9) - 1]


def _taken(run: ComparedRun, samples: Sequence[Samples], scale: Scale) -> list[Taken]:
    own = [each for each in samples if each.values]
    unit = _units(own) if scale == "ratio" else {}
    found: list[Taken] = []
    for arm in ARMS:
        counted: list[float] = []
        warm_up: list[tuple[int, float]] = []
        order: list[int] = []
        number = 0
        parts = [
            each for each in own if each.arm == arm and not each.contended and (scale != "ratio" or each.pair in unit)
        ]
        for part in sorted(parts, key=lambda each: (each.pair, not each.warm_up)):
            values = [value / unit.get(part.pair, 1.0) for value in part.values]
            numbers = range(number, number + len(values))
            if part.warm_up:
                warm_up += zip(numbers, values, strict=True)
            else:
                counted += values
                order += numbers
            number += len(values)
        disturbed = sum(len(each.values) for each in own if each.arm == arm and each.contended and not each.warm_up)
        if counted:
            found.append(
                Taken(
                    run,
                    arm,
                    tuple(counted),
                    tuple(warm_up),
                    tuple(order),
                    disturbed,
                )
            )
    return found


def _units(own: Sequence[Samples]) -> dict[int, float]:
    """By pair, the median of the baseline beside it: what a sample is a ratio over."""
    found: dict[int, float] = {}
    for each in own:
        if each.arm == "baseline" and not each.warm_up and not each.contended:
            middle = sorted(each.values)[(len(each.values) - 1) // 2]
            if middle > 0:
                found[each.pair] = middle
    return found


def _shares(
    taken: Sequence[Taken], comparison: Comparison, quantity: Quantity, scale: Scale
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Of each arm, the share of samples that are at most so large; the baseline of each sitting thin and dotted."""
    ordered = [sorted(each.counted) for each in taken]
    across = axis(quantity, [Reading(value=v[0], low=v[0], high=v[-1], n=len(v)) for v in ordered], scale)
    data: list[dict[str, Any]] = []
    for each, values in zip(taken, ordered, strict=True):
        kept = sorted({round(index * (len(values) - 1) / (MOST - 1)) for index in range(MOST)})
        family = "baseline" if each.arm == "baseline" else each.run.family
        name = plain(_name(each, comparison))
        words = _hover(each, quantity, scale)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [across.at(values[index]) for index in kept],
                "y": [(index + 1) / len(values) for index in kept],
                "line": {
                    "shape": "hv",
                    "width": 1 if each.arm == "baseline" else 2,
                    "dash": "dot" if each.arm == "baseline" else "solid",
                    "color": f"var(--family-{family})",
                },
                "marker": {"symbol": SYMBOLS[family]},
                "hoverinfo": "text",
                "hovertext": [
                    f"<b>{name}</b><br>{(index + 1) / len(values):.0%} take at most "
                    f"{shown(values[index], quantity.unit, scale)}"
                    f"<br>{words}"
                    for index in kept
                ],
                "customdata": [{"run": each.run.run}] * len(kept),
                "showlegend": False,
            }
        )
    layout = {
        "height": HEIGHT,
        "xaxis": across.layout(),
        "yaxis": frame("Share of samples") | {"range": [0, 1.02], "tickformat": ".0%", "automargin": True},
        "annotations": _labels(taken, ordered, across.log, across.divisor),
    }
    return data, layout


def _labels(
    taken: Sequence[Taken], ordered: Sequence[Sequence[float]], log: bool, divisor: float
) -> list[dict[str, Any]]:
    """Each variant's name beside its line, the fastest highest and each next one lower, so that none covers another."""
    variants = sorted(
        ((values, each.run) for each, values in zip(taken, ordered, strict=True) if each.arm == "variant"),
        key=lambda entry: entry[0][len(entry[0]) // 2],
    )
    labels = []
    for rank, (values, run) in enumerate(variants[:LABELLED]):
        share = 0.95 - STEP * rank
        at = values[min(len(values) - 1, int(share * len(values)))] / divisor
        labels.append(
            {
                "text": plain(shortened(run.variant, 22)),
                "x": math.log10(at) if log else at,
                "y": share,
                "xanchor": "left",
                "yanchor": "top",
                "xshift": 5,
                "showarrow": False,
                "bgcolor": "var(--surface)",
                "font": {"size": 12, "color": f"var(--family-{run.family})"},
            }
        )
    return labels


def _over_time(
    taken: Sequence[Taken], comparison: Comparison, quantity: Quantity, scale: Scale
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One panel a run: samples in their order, warm-up hollow; the baseline beside them grey."""
    by_run: dict[str, list[Taken]] = {}
    for each in taken:
        by_run.setdefault(each.run.run, []).append(each)
    area = len(by_run) * (PANEL + GAP)
    longest = max(each.order[-1] for each in taken)
    values = [value for each in taken for value in (*each.counted, *(value for _, value in each.warm_up))]
    # One scale for all panels, so that their heights can be compared.
    up = axis(quantity, [Reading(value=min(values), low=min(values), high=max(values), n=len(values))], scale)
    layout: dict[str, Any] = {
        "height": 8 + area + BOTTOM,
        "margin": {"l": 64, "r": 16, "t": 8, "b": BOTTOM},
        "annotations": [],
    }
    data: list[dict[str, Any]] = []
    for index, arms in enumerate(by_run.values()):
        suffix = "" if index == 0 else str(index + 1)
        top = area - index * (PANEL + GAP) - GAP
        layout[f"yaxis{suffix}"] = up.layout(
            domain=[max(0.0, (top - PANEL) / area), top / area], anchor="x", title={}, automargin=False
        ) | ({} if up.log else {"nticks": 4})
        layout["annotations"].append(_heading(arms[0].run, up.title.partition(" · ")[0], top / area))
        for each in arms:
            data += _marks(each, comparison, quantity, scale, f"y{suffix}", up.divisor)
    layout["xaxis"] = frame("Sample, pair after pair") | {
        "range": [-0.01 * longest - 1, longest * 1.01 + 1],
        "anchor": f"y{len(by_run) if len(by_run) > 1 else ''}",
    }
    return data, layout


def _heading(run: ComparedRun, unit: str, top: float) -> dict[str, Any]:
    return {
        "text": f"{plain(shortened(run.variant, 30))}{' · null test' if run.is_baseline else ''} · {unit}",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13, "color": "var(--ink-1)"},
    }


def _marks(
    each: Taken, comparison: Comparison, quantity: Quantity, scale: Scale, yaxis: str, divisor: float
) -> list[dict[str, Any]]:
    family = "baseline" if each.arm == "baseline" else each.run.family
    name = plain(_name(each, comparison))
    words = _hover(each, quantity, scale)
    at, values = thinned([float(number) for number in each.order], each.counted, MOST_MARKS)
    warm_at, warm = thinned(
        [float(number) for number, _ in each.warm_up], [value for _, value in each.warm_up], MOST_MARKS
    )
    marks = []
    for numbers, found, hollow in ((warm_at, warm, True), (at, values, False)):
        if found:
            marks.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{name}, warm-up" if hollow else name,
                    "x": numbers,
                    "y": [value / divisor for value in found],
                    "yaxis": yaxis,
                    "marker": {
                        "size": 5 if each.arm == "variant" else 4,
                        "symbol": f"{SYMBOLS[family]}-open" if hollow else SYMBOLS[family],
                        "color": f"var(--family-{family})",
                        "opacity": 0.9 if each.arm == "variant" else 0.6,
                    },
                    "hoverinfo": "text",
                    "hovertext": [
                        f"<b>{name}</b>{', warm-up' if hollow else ''}<br>sample {number:,.0f}: "
                        f"{shown(value, quantity.unit, scale)}<br>{words}"
                        for number, value in zip(numbers, found, strict=True)
                    ],
                    "customdata": [{"run": each.run.run}] * len(found),
                    "showlegend": False,
                }
            )
    return marks


def _name(each: Taken, comparison: Comparison) -> str:
    if each.arm == "baseline":
        return f"{comparison.baseline} beside {each.run.variant}" if not each.run.is_baseline else comparison.baseline
    return f"{each.run.variant} again" if each.run.is_baseline else each.run.variant


def _typical(each: Taken, quantity: Quantity, scale: Scale) -> str:
    """The run's own figure with its interval, which knows how far samples in time depend on each other."""
    if each.arm == "variant":
        found = reading(each.run, quantity, scale)
    else:
        found = each.run.beside.get(quantity.key) if scale == "measured" else None
    return spelled(found, quantity.unit, scale) if found else ""


def _hover(each: Taken, quantity: Quantity, scale: Scale) -> str:
    typical = _typical(each, quantity, scale)
    return f"{f'typical: {typical}; ' if typical else ''}n{THIN}={THIN}{len(each.counted):,} samples"


def _caption(taken: Sequence[Taken], comparison: Comparison, quantity: Quantity, choice: Choice, scale: Scale) -> str:
    over = ", each over the median of the baseline in the same pair" if scale == "ratio" else ""
    if choice.view == "over_time":
        text = f"{quantity.title} of single samples{over}, in the order they were taken, pair after pair."
        if any(each.warm_up for each in taken):
            text += (
                " Hollow: warm-up, before each pair’s first block and at the beginning of blocks, which counts nowhere."
            )
        text += f" Grey: {comparison.baseline} in the same sitting."
    else:
        text = f"{quantity.title} of single samples{over}: the share of them that is at most so large, without warm-up."
        text += f" Thin and dotted: {comparison.baseline} in the same sitting as each variant."
    disturbed = sum(each.disturbed for each in taken)
    if disturbed:
        text += f" Left out: {disturbed:,} samples of pairs that others disturbed and that were measured again."
    fewest = min(len(each.counted) for each in taken)
    if percentile(range(fewest), 0.99) is None:
        text += f" With {fewest:,} samples at the least, a 99th percentile would be a guess: it needs 1,000."
    return text


def _table(taken: Sequence[Taken], comparison: Comparison, quantity: Quantity, scale: Scale) -> dict[str, Any]:
    rows = []
    for each in taken:
        ordered = sorted(each.counted)
        cells = [
            _name(each, comparison),
            f"{len(ordered):,}",
            f"{len(each.warm_up):,}",
            _typical(each, quantity, scale),
        ]
        for share in PERCENTILES:
            value = percentile(ordered, share)
            cells.append("n too small" if value is None else shown(value, quantity.unit, scale))
        rows.append(cells)
    return table(
        ("Samples of", "n", "Warm-up", "Typical, with interval", *(f"{share * 100:g} %" for share in PERCENTILES)), rows
    )
