"""One chart, drawn for one choice: what the page and the API hand out, with the reason where there is nothing to draw."""

from typing import Any

from sqlmodel import Session

from app.charts.chart import (
    Chart,
    Choice,
    Figure,
    NotDrawn,
    RunChart,
    SamplesChart,
    StudyChart,
    runs_at,
)
from app.charts.plane import Plane
from app.devices import ceilings
from app.frozen import Frozen
from app.study import samples
from app.study.comparison import Comparison, Scale
from app.study.sittings import Sitting


class Table(Frozen):
    """What a figure shows, as text in rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    table: Table | None = None
    """The same in text; None for charts whose figures stand in a table of the page anyway."""
    plane: Plane | None = None
    """Of the trade-off: every point in base units, the front, and what each budget does."""


def draw(chart: Chart, comparison: Comparison, choice: Choice) -> Drawing:
    """The chart of a comparison for what a reader picked.

    Raises:
        UnknownQuantity: the choice names a quantity that was not measured.
        NotSwept: the choice names a field that is not swept.
    """
    try:
        return finished(chart, chart.figure(comparison, choice))
    except NotDrawn as nothing:
        return _empty(chart, nothing)


def draw_stored(session: Session, chart: StudyChart, comparison: Comparison, choice: Choice) -> Drawing:
    """The chart of a stored study; raw samples and ceilings are read for the charts that show them, and for no other.

    Raises:
        UnknownQuantity: the choice names a quantity that was not measured.
        NotSwept: the choice names a field that is not swept.
    """
    if isinstance(chart, Chart):
        return draw(chart, comparison, choice)
    try:
        runs = runs_at(comparison, choice)
        if isinstance(chart, SamplesChart):
            quantity = chart.wanted(comparison, choice)
            wanted = [run.run for run in runs if comparison.may_have(run, quantity)]
            read = samples.of_runs(session, wanted, quantity.metric, quantity.phase)
            return finished(chart, chart.figure(comparison, choice, read))
        return finished(chart, chart.figure(comparison, choice, ceilings.of_runs(session, [run.run for run in runs])))
    except NotDrawn as nothing:
        return _empty(chart, nothing)


def draw_run(chart: RunChart, sitting: Sitting) -> Drawing:
    """The chart of one run."""
    try:
        return finished(chart, chart.figure(sitting))
    except NotDrawn as nothing:
        return _empty(chart, nothing)


def finished(chart: StudyChart | RunChart, figure: Figure) -> Drawing:
    """The drawing of a figure, with what it rests on told below it."""
    words: dict[str, Any] = figure["layout"].pop("meta")
    said: dict[str, Any] = {
        name: words[name] for name in ("families", "parts", "scale", "table", "plane") if name in words
    }
    said["caption"] = f"{words['caption']} {words['basis']}"
    return Drawing(name=chart.name, title=chart.title, answers=chart.answers, figure=figure, reason=None, **said)


def _empty(chart: StudyChart | RunChart, nothing: NotDrawn) -> Drawing:
    named = {"name": chart.name, "title": chart.title, "answers": chart.answers}
    return Drawing(**named, figure=None, reason=str(nothing), caption="")
