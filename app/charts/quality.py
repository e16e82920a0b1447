"""Quality: every score that was measured, variant by variant with intervals, beside what the baseline reaches."""

from app.charts.axis import axis
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import Chart, Choice, Figure, NotDrawn, chosen, runs_at, scale_for, table
from app.charts.rows import Panel, Shade, panels, row_of, shown, spelled
from app.study.comparison import ComparedRun, Comparison, Scale, reading
from app.study.pareto import Reading
from app.study.quantities import Quantity


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """One panel a score, one row a variant at one point of the sweep; ``choice.x`` picks one score.

    Raises:
        NotDrawn: nothing was scored.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    if not comparison.quantities:
        raise NotDrawn("Nothing has been measured yet.")
    runs = runs_at(comparison, choice)
    scores = _scores(comparison, choice)
    scale = scale_for(comparison, choice)
    read = [
        (quantity, run, found)
        for quantity in scores
        for run in runs
        if not run.failed and (found := reading(run, quantity, scale))
    ]
    if not read:
        raise NotDrawn(
            "No score at this point has a ratio over the baseline; the scale “as measured” shows them."
            if scale == "ratio"
            else "No run at this point was scored."
        )
    levels = {quantity: _baseline(runs, quantity, scale) for quantity in scores if any(q == quantity for q, *_ in read)}
    data, layout = panels(
        [
            _panel(quantity, level, [(r, f) for q, r, f in read if q == quantity], scale)
            for quantity, level in levels.items()
        ]
    )
    layout["meta"] = {
        "families": list(dict.fromkeys(run.family for _, run, _ in read)),
        "scale": scale,
        "caption": _caption(comparison, levels, scale),
        "basis": basis(rests_on(found for *_, found in read), INTERVALS, (run for _, run, _ in read)),
        "table": table(
            ("Variant", "Score", "Value", "Verdict"),
            (
                (run.variant, quantity.title, spelled(found, quantity.unit, scale), _verdict(run, quantity))
                for quantity, run, found in read
            ),
        ),
    }
    return {"data": data, "layout": layout}


CHART = Chart("quality", "Quality", "What does each variant lose, and is that more than chance?", figure, "quality")


def _scores(comparison: Comparison, choice: Choice) -> tuple[Quantity, ...]:
    if choice.x is not None:
        picked = chosen(comparison, "x", choice.x)
        if picked.aspect != "quality":
            raise NotDrawn(f"{picked.title} is no score of quality.")
        return (picked,)
    scores = tuple(quantity for quantity in comparison.quantities if quantity.aspect == "quality")
    if not scores:
        raise NotDrawn("This study has no evaluation, so quality was not measured. Order one with it.")
    return scores


def _panel(quantity: Quantity, level: Reading | None, read: list[tuple[ComparedRun, Reading]], scale: Scale) -> Panel:
    room = [found for _, found in read] + ([level] if level else [])
    rows = [
        row_of(run, found, _figures(run, found, quantity, scale), _hover(run, found, quantity, scale))
        for run, found in read
    ]
    return Panel(axis(quantity, room, scale), rows, (Shade(level.low, level.high),) if level else ())


def _baseline(runs: tuple[ComparedRun, ...], quantity: Quantity, scale: Scale) -> Reading | None:
    """What the baseline reaches: its own score, or 1 among ratios; None where a score is itself a comparison with it."""
    if scale == "ratio":
        return Reading(value=1.0, low=1.0, high=1.0, n=1)
    return next((run.beside[quantity.key] for run in runs if quantity.key in run.beside), None)


def _verdict(run: ComparedRun, quantity: Quantity) -> str:
    effect = run.effects.get(quantity.key)
    return effect.verdict if effect else ""


def _figures(run: ComparedRun, found: Reading, quantity: Quantity, scale: Scale) -> str:
    return f"{shown(found.value, quantity.unit, scale)} {_verdict(run, quantity)}".rstrip()


def _hover(run: ComparedRun, found: Reading, quantity: Quantity, scale: Scale) -> tuple[str, ...]:
    lines = [f"{quantity.title}: {spelled(found, quantity.unit, scale)}"]
    beside = run.beside.get(quantity.key)
    if beside and scale == "measured":
        lines.append(f"baseline beside it: {spelled(beside, quantity.unit, 'measured')}")
    effect = run.effects.get(quantity.key)
    if effect:
        lines.append(f"{effect.verdict}{f', {effect.method}' if effect.method else ''}")
    return tuple(lines)


def _caption(comparison: Comparison, levels: dict[Quantity, Reading | None], scale: Scale) -> str:
    over = f", over {comparison.baseline}" if scale == "ratio" else ""
    text = f"{', '.join(quantity.title for quantity in levels)} of each variant{over}, over the items that were scored."
    if any(levels.values()):
        text += f" Shaded: what {comparison.baseline} reaches on the same items."
    own = [quantity.title for quantity, level in levels.items() if level is None]
    if own:
        text += f" {', '.join(own)} compare{'s' if len(own) == 1 else ''} outputs with the baseline’s; the null test shows its floor."
    return text
