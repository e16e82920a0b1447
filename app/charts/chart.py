"""What one chart declares: its name, the question it answers, and the pure function that makes its Plotly figure.

Figures are plain dictionaries. Colours are written as CSS variables (``var(--family-cache)``), which the page resolves,
so that a change of theme needs no new figure. Every text that came from a person goes through ``plain``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from app.charts.units import digits, several
from app.frozen import Frozen
from app.study.budgets import Limit
from app.study.comparison import ComparedRun, Comparison, Scale
from app.study.quantities import Quantity
from app.study.samples import Samples
from app.study.sittings import Sitting
from app.study.verdicts import Ratio
from workers.catalog import metrics
from workers.catalog.ceilings import Ceilings

Figure = dict[str, Any]
Tab = Literal["trade-off", "effects", "distribution", "memory", "scaling", "roofline", "energy", "quality"]
"""Where on a study's page a chart stands."""
View = Literal["shares", "over_time"]

MIXED = (
    "Runs of this study were measured in environments that differ where it matters, so their values as measured do not "
    "stand side by side. Ratios over the baseline hold; “Compare anyway” on this page shows the values."
)

SYMBOLS = {
    "baseline": "circle",
    "precision": "square",
    "quantization": "diamond",
    "attention": "triangle-up",
    "compile": "triangle-down",
    "cache": "pentagon",
    "training": "hexagon",
    "compression": "cross",
    "engine": "bowtie",
    "stack": "star",
}
"""A shape for each technique family besides its colour, for readers who do not tell the colours apart."""


class Choice(Frozen):
    """What a reader picked; it stands in the page's address."""

    x: str | None = None
    y: str | None = None
    point: int = Field(0, ge=0)
    scale: Scale | None = None
    """None is the ratio over the baseline, or as measured where a quantity has no ratio."""
    across_environments: bool = False
    """Whether values as measured may stand side by side although they come from environments that differ."""
    over: str | None = None
    """Swept field to draw over; None takes the one with the most values."""
    view: View = "shares"
    """How raw samples are shown: the share of them up to each value, or each in the order in which it was taken."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Bytes of memory there are."""
    price: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Of a kilowatt-hour, in whatever currency the reader thinks in."""
    colour: str | None = None
    """Quantity that colours the points of the trade-off; None colours them by technique family."""
    size: str | None = None
    """Quantity that sizes the points of the trade-off."""
    limits: tuple[Limit, ...] = ()
    """Budgets that the options of the trade-off have to keep."""
    what_if: str | None = None
    """Title of the datasheet of another device, on which the roofline estimates every step."""


class NotDrawn(Exception):
    """The chart has nothing honest to show; the message says why, for the reader."""


class UnknownQuantity(Exception):
    """A choice names something that this study did not measure."""

    def __init__(self, field: str, wanted: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{wanted!r} was not measured in this study")
        self.field = field
        self.known = known


class NotSwept(Exception):
    """A choice names a field that this study does not sweep."""

    def __init__(self, field: str, wanted: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{wanted!r} is not swept in this study")
        self.field = field
        self.known = known


class Chart(NamedTuple):
    """One kind of chart, drawn from a comparison alone."""

    name: str
    title: str
    answers: str
    """The question a reader has when looking at it."""
    figure: Callable[[Comparison, Choice], Figure]
    """Raises ``NotDrawn``, ``UnknownQuantity`` or ``NotSwept``."""
    tab: Tab


class SamplesChart(NamedTuple):
    """One kind of chart that needs raw samples, which a comparison does not carry."""

    name: str
    title: str
    answers: str
    """The question a reader has when looking at it."""
    wanted: Callable[[Comparison, Choice], Quantity]
    """Of which quantity it needs the samples, at the chosen point. Raises as ``figure`` does."""
    figure: Callable[[Comparison, Choice, Mapping[str, Sequence[Samples]]], Figure]
    """Takes the samples by run. Raises ``NotDrawn`` or ``UnknownQuantity``."""
    tab: Tab


class CeilingsChart(NamedTuple):
    """One kind of chart that needs the measured ceilings of the devices, which a comparison does not carry."""

    name: str
    title: str
    answers: str
    """The question a reader has when looking at it."""
    figure: Callable[[Comparison, Choice, Mapping[str, Ceilings]], Figure]
    """Takes the ceilings by run, for runs whose device has some. Raises ``NotDrawn``."""
    tab: Tab


StudyChart = Chart | SamplesChart | CeilingsChart


class RunChart(NamedTuple):
    """One kind of chart of a single run."""

    name: str
    title: str
    answers: str
    """The question a reader has when looking at it."""
    figure: Callable[[Sitting], Figure]
    """Raises ``NotDrawn``."""


def chosen(comparison: Comparison, field: str, wanted: str) -> Quantity:
    """The quantity a choice names.

    Raises:
        UnknownQuantity: the study has no such measurement.
    """
    quantity = comparison.quantity(wanted)
    if quantity is None:
        raise UnknownQuantity(field, wanted, tuple(quantity.key for quantity in comparison.quantities))
    return quantity


def one_quantity(comparison: Comparison, choice: Choice) -> Quantity:
    """The quantity that ``choice.x`` names; without one the time of a step, or the first with a better direction.

    Raises:
        NotDrawn: nothing has been measured yet.
        UnknownQuantity: the study has no such measurement.
    """
    if choice.x is not None and comparison.quantities:
        return chosen(comparison, "x", choice.x)
    directed = (quantity for quantity in comparison.quantities if quantity.better != "neither")
    quantity = comparison.quantity(metrics.LATENCY.name) or next(directed, None)
    if quantity is None:
        raise NotDrawn("Nothing has been measured yet.")
    return quantity


def runs_at(comparison: Comparison, choice: Choice) -> tuple[ComparedRun, ...]:
    """The runs of the chosen point of the sweep.

    Raises:
        NotDrawn: the sweep has fewer points.
    """
    if choice.point >= len(comparison.points):
        raise NotDrawn(f"The sweep has {several(len(comparison.points), 'point')}; there is no number {choice.point}.")
    return comparison.at(choice.point)


def scale_for(comparison: Comparison, choice: Choice) -> Scale:
    """As measured, unless the reader wants ratios or the runs come from environments that differ.

    Raises:
        NotDrawn: the reader wants values as measured, and they do not stand side by side.
    """
    mixed = comparison.environments_differ and not choice.across_environments
    if choice.scale == "measured" and mixed:
        raise NotDrawn(MIXED)
    return choice.scale or ("ratio" if mixed else "measured")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> dict[str, Any]:
    """The figure's twin in text, for ``meta``: what the page shows as a table."""
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


def plain(text: str) -> str:
    """Text that Plotly shows as it was typed: its pseudo-HTML and entities are taken literally."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, length: int = 28) -> str:
    """A name that fits beside a point."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def certainty(effect: Ratio) -> str:
    """How sure a verdict is: by the run alone, and among all comparisons of its study."""
    if effect.p_value is None:
        return ""
    text = f"p {p_value(effect.p_value)}"
    if effect.comparisons > 1 and effect.p_adjusted is not None:
        text += f"; among {effect.comparisons} comparisons p {p_value(effect.p_adjusted)}"
    if effect.corrected_away:
        text += f"; by itself the run says {effect.verdict_alone}"
    return text


def p_value(value: float) -> str:
    """A probability as it is worth reading."""
    return "< 0.0001" if value < 1e-4 else f"= {digits(value, 2)}"
