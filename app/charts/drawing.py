"""One chart, drawn for one choice: what the page and the API hand out, with the reason where there is nothing to draw."""

from app.charts.chart import Chart, Choice, Figure, NotDrawn
from app.comparison import Comparison
from app.pareto import Frozen


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
    families: tuple[str, ...]
    """Technique families that appear, for the key."""


def draw(chart: Chart, comparison: Comparison, choice: Choice) -> Drawing:
    """The chart of a comparison for what a reader picked.

    Raises:
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    named = {"name": chart.name, "title": chart.title, "answers": chart.answers}
    try:
        figure = chart.figure(comparison, choice)
    except NotDrawn as nothing:
        return Drawing(**named, figure=None, reason=str(nothing), caption="", families=())
    words = figure["layout"].pop("meta")
    return Drawing(**named, figure=figure, reason=None, caption=words["caption"], families=tuple(words["families"]))
