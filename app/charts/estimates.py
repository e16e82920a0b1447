"""Steps of a study on another device, as its roofline shows them: estimates, drawn hollow and dashed apart from what was measured."""

from typing import Any, NamedTuple

from app.charts.axis import Axis
from app.charts.chart import SYMBOLS, plain
from app.charts.units import readable
from app.devices import what_if
from app.devices.what_if import Estimate, NoEstimate, Nominal, Work
from app.study.comparison import ComparedRun
from workers.catalog import metrics
from workers.catalog.ceilings import Ceilings

BINDS = {"compute": "arithmetic", "bandwidth": "memory bandwidth"}


class Place(NamedTuple):
    """Where an estimate lies on a roofline."""

    intensity: float
    """Operations per byte that must be moved."""
    fastest: float
    """Operations a second at the roof."""
    slowest: float
    """The same with no more of the roof reached than here; the fastest where nothing is known of that."""


class Told(NamedTuple):
    """One phase of one run on another device."""

    estimate: Estimate | None
    place: Place | None
    words: str
    """The estimate, or why there is none."""


def tell(run: ComparedRun, phase: str, here: Ceilings | None, there: Nominal) -> Told:
    """What a phase of a run would take on another device, or why nobody can say."""
    dtype = what_if.product_format(run.label)
    names = (metrics.COMPUTE_FLOPS, metrics.COMPUTE_TRAFFIC_LEAST, metrics.COMPUTE_RATE)
    flops, least, rate = (run.readings.get(f"{metric.name}@{phase}") for metric in names)
    if flops is None or least is None or rate is None or rate.low <= 0 or least.value <= 0:
        return Told(None, None, "no estimate: its operations and the least bytes it moves were not both counted")
    binds = next((b.kind for b in run.bottlenecks if b.arm == "variant" and b.phase == phase), None)
    work = Work(flops.value, least.value, flops.value / rate.low, dtype, binds)
    try:
        found = what_if.estimate(work, here, there)
    except NoEstimate as reason:
        return Told(None, None, str(reason))
    intensity, fastest = flops.value / least.value, flops.value / found.low
    slowest = flops.value / found.high if found.high else fastest
    return Told(found, Place(intensity, fastest, slowest), _words(found))


def trace(told: Told, run: ComparedRun, name: str, across: Axis, up: Axis) -> dict[str, Any]:
    """An estimate as Plotly draws it: a dashed line between hollow points."""
    assert told.place is not None
    colour = f"var(--family-{run.family})"
    ends = [told.place.slowest, told.place.fastest]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{run.family}, estimate",
        "x": [across.at(told.place.intensity)] * 2,
        "y": [up.at(rate) for rate in ends],
        "line": {"width": 1.5, "dash": "dot", "color": colour},
        "marker": {"size": 9, "symbol": f"{SYMBOLS[run.family]}-open", "color": colour, "line": {"width": 1.5}},
        "hoverinfo": "text",
        "hovertext": [f"<b>{plain(name)}</b><br>{plain(told.words)}<br>estimate, not measured"] * 2,
        "customdata": [{"run": run.run, "minor": True}] * 2,
        "cliponaxis": False,
        "showlegend": False,
    }


def caption(there: Nominal) -> str:
    """What the estimates rest on, for the chart's caption."""
    return (
        f" Hollow and dotted: estimates for {there.title}, not measured. Its roofs are its datasheet's; a step takes at least "
        "what its operations at the peak, or the bytes it must move at the bandwidth, take there, and at most that over the "
        "share of its roof that it reaches here. Where overhead binds here, the host's seconds are kept, because they do not "
        "scale with the device. Caches there, and whether all fits its memory, are not looked at."
    )


def _words(found: Estimate) -> str:
    low = readable(found.low, "s")
    roof = f"its roof there is {BINDS[found.binds]}"
    if found.high is None:
        return f"at least {low}; {roof}; how much of its roof it reaches here is not known"
    times = f"{low} to {readable(found.high, 's')}; {roof}"
    if found.host is not None:
        beyond = readable(found.host, "s")
        return f"{times}; overhead binds here: the {beyond} beyond its roof are the host's and do not scale with the device"
    return f"{times}; here it reaches {found.reached:.0%} of its roof" if found.reached is not None else times
