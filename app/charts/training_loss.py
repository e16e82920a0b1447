"""Training loss: both arms' losses step by step, from the trainings of a run's loss trajectory."""

import math
from typing import Any

from app.charts.axis import Axis, axis, frame
from app.charts.basis import basis, counted
from app.charts.chart import SYMBOLS, Figure, NotDrawn, RunChart, plain
from app.charts.memory_over_time import DASH, MOST, thinned
from app.charts.units import readable
from app.study.pareto import Reading
from app.study.quantities import Quantity
from app.study.sittings import ARMS, Sitting
from workers.catalog.metrics import QUALITY_FINAL_LOSS, QUALITY_LOSS
from workers.catalog.report import Arm

Curves = list[list[float]]
"""Losses of every training, step by step."""


def figure(sitting: Sitting) -> Figure:
    """The mean of each arm over its trainings as a line, and the trainings themselves as faint ones.

    Raises:
        NotDrawn: the run followed no losses, or kept only some of them.
    """
    found = {arm: curves for arm in ARMS if (curves := _curves(sitting, arm))}
    if len(found) < len(ARMS):
        raise NotDrawn("The run followed no losses of training; the evaluation loss trajectory does.")
    losses = [loss for curves in found.values() for curve in curves for loss in curve]
    reading = Reading(value=losses[0], low=min(losses), high=max(losses), n=len(losses))
    quantity = Quantity(
        key=f"{QUALITY_LOSS.name}@quality", metric=QUALITY_LOSS.name, phase="quality", title=QUALITY_LOSS.title, unit=QUALITY_LOSS.unit,
        better=QUALITY_LOSS.better, aspect=QUALITY_LOSS.aspect, definition=QUALITY_LOSS.definition,
    )  # fmt: skip
    upward = axis(quantity, [reading], "measured")
    steps, trainings = len(found["variant"][0]), len(found["variant"])
    lines = [_line(sitting, arm, curve, upward, faint=True) for arm, curves in found.items() for curve in curves]
    lines += [_line(sitting, arm, _mean(curves), upward, faint=False) for arm, curves in found.items()]
    return {
        "data": lines,
        "layout": {
            "height": 330,
            "xaxis": frame("Step of training") | {"range": [0.5, steps + 0.5], "nticks": 8, "automargin": True},
            "yaxis": upward.layout(),
            "meta": {
                "caption": f"Mean of {trainings} trainings from one start, each on batches of its own, which are the faint lines; the "
                "dotted lines are the baseline, on the same batches.",
                "basis": basis(
                    counted([trainings], "training", "a line"),
                    "trainings themselves, without an interval",
                    [sitting.run],
                ),
                "families": list(dict.fromkeys(_family(sitting, arm) for arm in found)),
            },
        },
    }


RUN_CHART = RunChart("training_loss", "Training loss", "Does the variant train as the baseline does?", figure)


def _curves(sitting: Sitting, arm: Arm) -> Curves:
    """Losses are kept one training after the other as logarithms, and their ends once for each training.

    Raises:
        NotDrawn: of many, only some were kept, and which step they are of cannot be told.
    """
    kept = {one.metric: one.values for one in sitting.raw if one.arm == arm and one.phase == "quality"}
    losses, ends = kept.get(QUALITY_LOSS.name, ()), kept.get(QUALITY_FINAL_LOSS.name, ())
    if not losses or not ends:
        return []
    if len(losses) % len(ends):
        raise NotDrawn("The run followed more losses than a report keeps; which steps those are of cannot be told.")
    steps = len(losses) // len(ends)
    return [[math.exp(each) for each in losses[start : start + steps]] for start in range(0, len(losses), steps)]


def _mean(curves: Curves) -> list[float]:
    """Geometric, as the run's figure of the loss is."""
    return [math.exp(sum(map(math.log, losses)) / len(losses)) for losses in zip(*curves, strict=True)]


def _line(sitting: Sitting, arm: Arm, curve: list[float], upward: Axis, *, faint: bool) -> dict[str, Any]:
    at, shown = thinned([float(step) for step in range(1, len(curve) + 1)], curve, MOST)
    family, name = _family(sitting, arm), plain(sitting.arm_name(arm))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": at,
        "y": [upward.at(loss) for loss in shown],
        "opacity": 0.25 if faint else 1.0,
        "line": {"width": 1 if faint else 2.2, "dash": DASH[arm], "color": f"var(--family-{family})"},
        "marker": {"symbol": SYMBOLS[family]},
        "hoverinfo": "skip" if faint else "text",
        "hovertext": [
            f"<b>{name}</b><br>{readable(loss, QUALITY_LOSS.unit)} in step {step:.0f}"
            for step, loss in zip(at, shown, strict=True)
        ],
        "showlegend": False,
    }


def _family(sitting: Sitting, arm: Arm) -> str:
    return "baseline" if arm == "baseline" else sitting.run.family
