"""Roofline: how many operations a byte each variant does, and how fast, below what the device was measured to reach.

Williams, Waterman, Patterson 2009, Roofline: an insightful visual performance model, CACM 52(4), 65–76.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.charts import estimates, labels, roofs
from app.charts.axis import Axis
from app.charts.basis import INTERVALS, basis, rests_on
from app.charts.chart import (
    MIXED,
    SYMBOLS,
    CeilingsChart,
    Choice,
    Figure,
    NotDrawn,
    plain,
    runs_at,
    shortened,
    table,
)
from app.charts.estimates import Told
from app.charts.roofs import Roof
from app.charts.rows import spelled
from app.charts.units import THIN, digits, scale
from app.devices import what_if
from app.study.comparison import ComparedRun, Comparison
from app.study.outcomes import RAN
from app.study.pareto import Reading
from workers.catalog import metrics
from workers.catalog.ceilings import Ceilings

HEIGHT = 440
NAMED = 4
"""Points that keep their names on a narrow screen; more of them would cover each other."""
KINDS = {
    "compute": "compute binds",
    "bandwidth": "memory bandwidth binds",
    "communication": "communication binds",
    "overhead": "overhead binds",
    "unclear": "what binds is unclear",
}


class Spot(NamedTuple):
    """One phase of one run."""

    run: ComparedRun
    phase: str
    intensity: Reading
    most: Reading | None
    """Intensity if nothing moved twice."""
    rate: Reading

    @property
    def farthest(self) -> float:
        """The highest intensity it may have."""
        return max(self.intensity.value, self.most.value if self.most else 0.0)


def figure(comparison: Comparison, choice: Choice, ceilings: Mapping[str, Ceilings]) -> Figure:
    """Every variant's point at one point of the sweep, the whole step and its phases.

    Args:
        comparison: the study.
        choice: the point of the sweep.
        ceilings: of the device of each run, by run, where they were measured.

    Raises:
        NotDrawn: no run counted its work.
        Invalid: there is no datasheet of the other device.
    """
    there = what_if.nominal(choice.what_if) if choice.what_if else None
    if not comparison.quantities:
        raise NotDrawn("Nothing has been measured yet.")
    runs = runs_at(comparison, choice)
    if comparison.environments_differ and not choice.across_environments:
        raise NotDrawn(MIXED)
    spots = [spot for run in runs if not run.failed for spot in _spots(run, comparison.main_phase)]
    if not spots:
        raise NotDrawn("No run counted both the operations and the bytes of its step, so there is no point to draw.")
    device = _device(spots, ceilings)
    told = [estimates.tell(spot.run, spot.phase, ceilings.get(spot.run.run), there) for spot in spots] if there else []
    computed = {what_if.product_format(spot.run.label) for spot in spots}
    own = roofs.measured(device, computed) if device else []
    others = roofs.nominal(there, sorted(computed)) if there else []
    across, up = _axes(spots, own, others, told)
    places = labels.usual(
        [(across.share(s.intensity.value), up.share(s.rate.value), len(_name(s, comparison))) for s in spots]
    )
    return {
        "data": [
            *(roofs.line(roof, of, across, up) for of in (own, others) for roof in of),
            *(
                estimates.trace(one, spot.run, _name(spot, comparison), across, up)
                for spot, one in zip(spots, told, strict=False)
                if one.estimate
            ),
            *(
                _point(spot, place, comparison, across, up, minor=len(spots) > NAMED)
                for spot, place in zip(spots, places, strict=True)
            ),
        ],
        "layout": {
            "height": HEIGHT,
            "xaxis": across.layout(),
            "yaxis": up.layout(),
            "annotations": [roofs.label(roof, of, across, up) for of in (own, others) for roof in of],
            "meta": {
                "families": list(dict.fromkeys(spot.run.family for spot in spots)),
                "caption": _caption(spots, device, ceilings) + (estimates.caption(there) if there else ""),
                "basis": basis(
                    rests_on(spot.rate for spot in spots),
                    f"{INTERVALS} of the rate",
                    (spot.run for spot in spots),
                ),
                "table": _table(spots, told, there.title if there else None),
            },
        },
    }


CHART = CeilingsChart(
    "roofline",
    "Roofline",
    "Which ceiling of the device binds each variant, and how far below it is it?",
    figure,
    "roofline",
)


def _spots(run: ComparedRun, main_phase: str) -> list[Spot]:
    """The whole step first."""
    name = metrics.COMPUTE_INTENSITY.name
    phases = [key.partition("@")[2] for key in run.readings if key.startswith(f"{name}@")]
    found: list[Spot] = []
    for phase in sorted(phases, key=lambda phase: phase != main_phase):
        rate = run.readings.get(f"{metrics.COMPUTE_RATE.name}@{phase}")
        intensity = run.readings[f"{name}@{phase}"]
        if rate is not None and rate.low > 0 and intensity.value > 0:
            most = run.readings.get(f"{metrics.COMPUTE_INTENSITY_MOST.name}@{phase}")
            found.append(Spot(run, phase, intensity, most, rate))
    return found


def _device(spots: Sequence[Spot], ceilings: Mapping[str, Ceilings]) -> Ceilings | None:
    """The ceilings of the device that most points were measured on."""
    counted = Counter(ceilings[spot.run.run] for spot in spots if spot.run.run in ceilings)
    return counted.most_common(1)[0][0] if counted else None


def _axes(
    spots: Sequence[Spot], own: Sequence[Roof], others: Sequence[Roof], told: Sequence[Told]
) -> tuple[Axis, Axis]:
    """Both logarithmic, with room for every point and estimate, and for the ridges where slopes meet levels."""
    levels = [roof.value for roof in (*own, *others) if not roof.slope]
    ridges = [ridge for of in (own, others) for ridge in roofs.ridges(of)]
    placed = [one.place for one in told if one.place]
    low_x = min(spot.intensity.value for spot in spots) / 2.5
    high_x = max([spot.farthest for spot in spots] + ridges) * 2.5
    low_y = min([spot.rate.low for spot in spots] + [place.slowest for place in placed]) / 2.5
    high_y = max([spot.rate.high for spot in spots] + levels) * 2.0
    unit = scale("FLOP/s", high_y)
    return (
        Axis("Arithmetic intensity (FLOP/B)", 1.0, True, low_x, high_x),
        Axis(
            f"Achieved rate ({unit.unit.strip()}) · higher is better",
            unit.divisor,
            True,
            low_y / unit.divisor,
            high_y / unit.divisor,
        ),
    )


def _name(spot: Spot, comparison: Comparison) -> str:
    name = shortened(spot.run.variant)
    return name if spot.phase == comparison.main_phase else f"{name} · {spot.phase.replace('_', ' ')}"


def _point(spot: Spot, place: str, comparison: Comparison, across: Axis, up: Axis, minor: bool) -> dict[str, Any]:
    run, colour = spot.run, f"var(--family-{spot.run.family})"
    whole = spot.phase == comparison.main_phase
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": run.family,
        "x": [across.at(spot.intensity.value)],
        "y": [up.at(spot.rate.value)],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [across.at(spot.farthest - spot.intensity.value)],
            "arrayminus": [0.0],
            "color": colour,
            "thickness": 1,
            "width": 3,
        },
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [up.at(max(0.0, spot.rate.high - spot.rate.value))],
            "arrayminus": [up.at(max(0.0, spot.rate.value - spot.rate.low))],
            "color": colour,
            "thickness": 1.5,
            "width": 0,
        },
        "text": [plain(_name(spot, comparison))],
        "textposition": place,
        "textfont": {"size": 12, "color": "var(--ink-1)"},
        "hoverinfo": "text",
        "hovertext": ["<br>".join(_hover(spot))],
        "customdata": [{"run": run.run, "minor": minor}],
        "marker": {
            "size": 12 if whole else 8,
            "symbol": SYMBOLS[run.family] + ("-open" if run.fell_back else ""),
            "color": colour,
            "line": {"width": 1.5, "color": colour if run.fell_back else "var(--surface)"},
        },
        "cliponaxis": False,
        "showlegend": False,
    }


def _hover(spot: Spot) -> list[str]:
    lines = [f"<b>{plain(spot.run.variant)}</b>, {plain(spot.phase.replace('_', ' '))}"]
    lines.append(f"rate: {spelled(spot.rate, metrics.COMPUTE_RATE.unit, 'measured')}")
    at_most = f", at most {digits(spot.most.value)}" if spot.most else ""
    lines.append(
        f"intensity: {digits(spot.intensity.value)}{at_most}{THIN}FLOP/B, counted, n{THIN}={THIN}{spot.intensity.n:,}"
    )
    for metric in (metrics.COMPUTE_MFU, metrics.COMPUTE_MBU):
        share = spot.run.readings.get(f"{metric.name}@{spot.phase}")
        if share:
            lines.append(f"{metric.title}: {share.value:.0%} ({share.low:.0%}–{share.high:.0%})")
    bound = _binds(spot)
    if bound:
        lines.append(plain(bound))
    if spot.run.ran is not None:
        lines.append(f"ran {RAN[spot.run.ran]}")
    return lines


def _binds(spot: Spot) -> str:
    found = next((b for b in spot.run.bottlenecks if b.arm == "variant" and b.phase == spot.phase), None)
    if found is None:
        return ""
    room = f", headroom ×{digits(found.headroom)}" if found.headroom is not None else ""
    return f"{KINDS[found.kind]}{room}"


def _caption(spots: Sequence[Spot], device: Ceilings | None, ceilings: Mapping[str, Ceilings]) -> str:
    text = (
        "Operations of a step over its time, against operations over the bytes that its operators move one by one; the "
        "thin line goes to the most that fusion and caches could make of it."
    )
    if device is None:
        return f"{text} No ceilings were measured for this device, so no roof is drawn."
    text += f" Roofs: measured on {device.name} at {device.measured_at[:10]}, for the formats that the variants multiply in."
    if device.contended:
        text += f" Others kept {device.contention:.0%} of the processors busy meanwhile, so they are too low."
    others = dict.fromkeys(spot.run.variant for spot in spots if ceilings.get(spot.run.run) != device)
    if others:
        text += f" They are not of the device that measured {', '.join(others)}."
    return text


def _table(spots: Sequence[Spot], told: Sequence[Told], there: str | None) -> dict[str, Any]:
    columns = ("Variant", "Phase", "Intensity (FLOP/B)", "At most (FLOP/B)", metrics.COMPUTE_RATE.title, "What binds")
    rows = [
        (
            spot.run.variant,
            spot.phase.replace("_", " "),
            digits(spot.intensity.value),
            digits(spot.most.value) if spot.most else "",
            spelled(spot.rate, metrics.COMPUTE_RATE.unit, "measured"),
            _binds(spot),
        )
        for spot in spots
    ]
    if there is None:
        return table(columns, rows)
    wider = ((*row, one.words) for row, one in zip(rows, told, strict=True))
    return table((*columns, f"Time on {there} (estimate, not measured)"), wider)
