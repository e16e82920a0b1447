"""Raw samples of one run: every process of both arms in the order in which they were taken, warm-up before step 0."""

from collections import defaultdict
from typing import Any, NamedTuple

from app.charts.axis import Axis, axis, frame
from app.charts.basis import basis, counted
from app.charts.chart import SYMBOLS, Figure, NotDrawn, RunChart, plain
from app.charts.memory_over_time import thinned
from app.charts.units import readable
from app.study.pareto import Reading
from app.study.quantities import Quantity
from app.study.samples import Samples
from app.study.sittings import Sitting
from workers.catalog.metrics import BY_NAME, LATENCY
from workers.catalog.report import Arm

MOST = 4_000
"""Points of the whole chart; of longer lines the lowest and the highest of each stretch are kept."""
DASH = {"baseline": "dot", "variant": "solid"}


class _Process(NamedTuple):
    """One process: what it took while warming up and after."""

    arm: Arm
    pair: int
    contended: bool
    warm_up: tuple[float, ...]
    counted: tuple[float, ...]


def figure(sitting: Sitting) -> Figure:
    """One line for each process of the quantity that was sampled most, the whole step's time first.

    Raises:
        NotDrawn: the run kept no sample that has a before and an after.
    """
    quantity, raw = _quantity(sitting)
    processes = _processes(raw)
    values = [value for each in processes for value in (*each.warm_up, *each.counted)]
    upward = axis(quantity, [Reading(value=values[0], low=min(values), high=max(values), n=len(values))], "measured")
    first = -max(len(each.warm_up) for each in processes)
    last = max(len(each.counted) for each in processes)
    return {
        "data": [_line(sitting, quantity, each, upward, MOST // len(processes)) for each in processes],
        "layout": {
            "height": 330,
            "xaxis": _steps(first, last),
            "yaxis": upward.layout(),
            "shapes": [_shade(first)] if first else [],
            "meta": {
                "caption": _caption(sitting, quantity, processes),
                "basis": basis(
                    counted((len(each.counted) for each in processes), "sample", "a process"),
                    "no intervals, as of single samples",
                    [sitting.run],
                ),
                "families": list(dict.fromkeys(_family(sitting, each.arm) for each in processes)),
            },
        },
    }


RUN_CHART = RunChart("samples", "Raw samples", "Was it warm, was it steady, and do the processes agree?", figure)


def _quantity(sitting: Sitting) -> tuple[Quantity, list[Samples]]:
    found: dict[tuple[str, str], list[Samples]] = defaultdict(list)
    for one in sitting.raw:
        if one.metric in BY_NAME:
            found[one.metric, one.phase].append(one)
    series = {key: rows for key, rows in found.items() if any(len(row.values) > 1 for row in rows)}
    if not series:
        raise NotDrawn("The run kept no raw samples in their order.")
    key = max(series, key=lambda key: (key[0] == LATENCY.name, sum(len(row.values) for row in series[key])))
    metric, phase = BY_NAME[key[0]], key[1]
    quantity = Quantity(
        key=f"{metric.name}@{phase}",
        metric=metric.name,
        phase=phase,
        title=f"{metric.title}, {phase.replace('_', ' ')}",
        unit=metric.unit,
        better=metric.better,
        aspect=metric.aspect,
        definition=metric.definition,
    )
    return quantity, series[key]


def _processes(rows: list[Samples]) -> list[_Process]:
    """Both arms pair by pair; a pair that was measured again is there twice, the disturbed one set aside."""
    taken: dict[tuple[int, bool, Arm], dict[bool, list[float]]] = {}
    for row in rows:
        taken.setdefault((row.pair, row.contended, row.arm), {True: [], False: []})[row.warm_up] += row.values
    return [
        _Process(arm, pair, contended, tuple(values[True]), tuple(values[False]))
        for (pair, contended, arm), values in sorted(taken.items())
    ]


def _line(sitting: Sitting, quantity: Quantity, each: _Process, upward: Axis, most: int) -> dict[str, Any]:
    values = (*each.warm_up, *each.counted)
    steps = [float(number - len(each.warm_up)) for number in range(len(values))]
    at, shown = thinned(steps, values, max(most, 8))
    family = _family(sitting, each.arm)
    name = plain(f"{sitting.arm_name(each.arm)}, pair {each.pair + 1}{', set aside' if each.contended else ''}")
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": at,
        "y": [upward.at(value) for value in shown],
        "opacity": 0.35 if each.contended else 0.85,
        "line": {"width": 1.4, "dash": DASH[each.arm], "color": f"var(--family-{family})"},
        "marker": {"symbol": SYMBOLS[family]},
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{name}</b><br>{readable(value, quantity.unit)} {_step(step)}"
            for step, value in zip(at, shown, strict=True)
        ],
        "showlegend": False,
    }


def _step(step: float) -> str:
    return f"in step {step + 1:.0f}" if step >= 0 else f"in warm-up, {-step:.0f} before it counts"


def _steps(first: int, last: int) -> dict[str, Any]:
    room = max(1.0, (last - first) * 0.01)
    ticks = {"range": [first - room, last - 1 + room], "nticks": 8, "automargin": True}
    return frame("Steps after the warm-up") | ticks


def _shade(first: int) -> dict[str, Any]:
    """The stretch that is in no summary."""
    across = {"xref": "x", "x0": first - 0.5, "x1": -0.5, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "rect", **across, "fillcolor": "var(--chart-band)", "line": {"width": 0}, "layer": "below"}


def _caption(sitting: Sitting, quantity: Quantity, processes: list[_Process]) -> str:
    counted = sum(len(each.counted) for each in processes if not each.contended)
    warm = sum(len(each.warm_up) for each in processes if not each.contended)
    aside = sum(1 for each in processes if each.contended)
    words = f"{quantity.title}: {counted:,} samples of {len(processes) - aside} processes; the dotted lines are the baseline."
    words += (
        f" The {warm:,} of the warm-up are shaded and in no summary." if warm else " No step of a warm-up was kept."
    )
    if aside:
        words += f" {aside} processes were disturbed and measured again; they are faint and in no summary."
    return words


def _family(sitting: Sitting, arm: Arm) -> str:
    return "baseline" if arm == "baseline" else sitting.run.family
