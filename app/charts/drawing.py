"""One chart, drawn for one choice: what the page and the API hand out, with the reason where there is nothing to draw."""

from typing import Any

from app.charts.chart import Chart, Choice, Figure, NotDrawn, RunChart
from app.comparison import Comparison, Scale
from app.pareto import Frozen
from app.sittings import Sitting


class Drawing(Frozen):
    """A chart ready to show."""

    name: str
    title: str
    answers: str
    figure: Figure | None
    """Plotly's data and layout; colours are CSS variables of the page."""
    reason: str | None
    """Why nothing is drawn."""
    caption: str
    """The figure in words."""
    families: tuple[str, ...] = ()
    """Technique families that appear, for the key."""
    parts: tuple[str, ...] = ()
    """Parts of memory that appear, for the key."""
    scale: Scale | None = None
    """The scale it is drawn on, where there is a choice of scales."""


def draw(chart: Chart, comparison: Comparison, choice: Choice) -> Drawing:
    """The chart of a comparison for what a reader picked.

    Raises:
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    try:
        return _drawn(chart, chart.figure(comparison, choice))
    except NotDrawn as nothing:
        return _empty(chart, nothing)


def draw_run(chart: RunChart, sitting: Sitting) -> Drawing:
    """The chart of one run."""
    try:
        return _drawn(chart, chart.figure(sitting))
    except NotDrawn as nothing:
        return _empty(chart, nothing)


def _drawn(chart: Chart | RunChart, figure: Figure) -> Drawing:
    words: dict[str, Any] = figure["layout"].pop("meta")
    said = {name: words[name] for name in ("caption", "families", "parts", "scale") if name in words}
    return Drawing(name=chart.name, title=chart.title, answers=chart.answers, figure=figure, reason=None, **said)


def _empty(chart: Chart | RunChart, nothing: NotDrawn) -> Drawing:
    named = {"name": chart.name, "title": chart.title, "answers": chart.answers}
    return Drawing(**named, figure=None, reason=str(nothing), caption="")
