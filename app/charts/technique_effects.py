"""Effects of one technique over models and devices: a forest plot of its cases in one figure, with what the literature says behind."""

import math
from collections.abc import Sequence

from app.charts.axis import ratio_axis
from app.charts.basis import INTERVALS, counted
from app.charts.chart import shortened
from app.charts.drawing import Drawing
from app.charts.rows import Panel, Row, Shade, panels, same, unchanged
from app.charts.units import digits, several, times
from app.knowledge.cases import Case, Effect
from app.knowledge.claims import Statement
from app.results.figures import Figure
from app.study.outcomes import RAN
from app.study.pareto import Reading
from workers.catalog.technique import Family

NAME, TITLE = "effects", "Effects over models and devices"
ANSWERS = "Where does it help, where does it hurt, and is that what the literature says?"
MOST = 3
"""Devices that the caption names."""


def drawing(cases: Sequence[Case], figure: Figure, statements: Sequence[Statement], family: Family) -> Drawing:
    """The chart of the cases that have an effect in a figure.

    Args:
        cases: in the order of the rows.
        figure: what is compared.
        statements: of the literature, in whatever figure; those of this one are shaded.
        family: of the technique.
    """
    named = {"name": NAME, "title": TITLE, "answers": ANSWERS}
    measured = [(case, case.effects[figure.word]) for case in cases if figure.word in case.effects]
    if not measured:
        reason = f"No run that measured {figure.title.lower()} was brought by this technique by itself."
        return Drawing(**named, figure=None, reason=reason, caption="")
    said = [one for one in statements if one.figure == figure.word and not one.single]
    ranges = merged([(one.low, math.inf if one.high is None else one.high) for one in said])
    rows = [_row(case, effect, figure, family) for case, effect in measured]
    readings = [row.reading for row in rows]
    across = ratio_axis(figure.title, figure.better, readings, ranges)
    literature = [Shade(low, min(high, across.high), "var(--accent-soft)") for low, high in ranges]
    data, layout = panels([Panel(across, rows, (*literature, *unchanged(same(readings))))])
    return Drawing(
        **named,
        figure={"data": data, "layout": layout},
        reason=None,
        caption=_caption(figure, measured, ranges),
        families=(family,),
    )


def merged(ranges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Ranges that overlap become one, from small to large."""
    found: list[tuple[float, float]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def where(case: Case) -> str:
    """A case in a few words."""
    sizes = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in case.sizes.items())
    return f"{case.model}, {case.workload.replace('_', ' ')}{f', {sizes}' if sizes else ''}"


def _row(case: Case, effect: Effect, figure: Figure, family: Family) -> Row:
    against = f"against {case.against}" if case.against else "against a baseline that is not known"
    ran = {"as_asked": RAN["as_asked"], "emulated": RAN["emulated"]}.get(case.ran)
    return Row(
        run=case.run,
        name=shortened(f"{case.label} · {where(case)}, {case.hardware}", 110),
        figures=f"{times(effect.ratio)} {effect.verdict}",
        reading=Reading(value=effect.ratio, low=effect.low, high=effect.high, n=effect.runs),
        family=family,
        hollow=effect.verdict == "undecided",
        hover=(
            case.label,
            where(case),
            case.hardware,
            f"{figure.title} {times(effect.ratio)} ({digits(effect.low)}–{digits(effect.high)}), {effect.verdict}",
            f"{several(effect.runs, 'run')}, {several(case.environments, 'environment')}",
            against,
            *([f"quality by {case.evaluation}"] if case.evaluation and figure.metrics[0].aspect == "quality" else []),
            *([f"ran {ran}"] if ran else []),
        ),
        # What a narrow screen has room for; the table says the rest.
        brief=shortened(f"{case.model}, {', '.join(f'{value:,}' for value in case.sizes.values())}", 32),
    )


def _caption(figure: Figure, rows: Sequence[tuple[Case, Effect]], ranges: Sequence[tuple[float, float]]) -> str:
    text = (
        f"{figure.title}, variant over baseline, pooled over "
        f"{several(sum(effect.runs for _, effect in rows), 'run')} in {several(len(rows), 'case')}. "
    )
    helped = sum(effect.tone == "improves" for _, effect in rows)
    hurt = sum(effect.tone == "worsens" for _, effect in rows)
    text += f"Better in {helped}, worse in {hurt}. "
    if ranges:
        spans = ", ".join(
            f"{times(low)} to {times(high)}" if math.isfinite(high) else f"{times(low)} and more"
            for low, high in ranges
        )
        text += f"Shaded in colour: what the literature says, {spans}, in whatever setting it is of. "
    return f"{text}Shaded in grey: what counts as the same. {_basis(rows)}"


def _basis(rows: Sequence[tuple[Case, Effect]]) -> str:
    devices = list(dict.fromkeys(case.hardware for case, _ in rows if case.hardware))
    more = f" and {len(devices) - MOST} more" if len(devices) > MOST else ""
    fewest, most = (end(case.environments for case, _ in rows) for end in (min, max))
    span = several(most, "environment") if fewest == most else f"{fewest:,}–{most:,} environments"
    on = f", on {'; '.join(devices[:MOST])}{more}" if devices else ""
    return f"{counted((effect.runs for _, effect in rows), 'run')}; {INTERVALS}; {span} a case{on}."
