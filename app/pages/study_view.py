"""What a reader looks at on a study's page: the tab, the choices that stand in its address, and the charts they draw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, model_validator
from sqlmodel import Session

from app.charts import CHARTS
from app.charts.chart import Choice, NotDrawn, NotSwept, StudyChart, UnknownQuantity, View
from app.charts.drawing import Drawing, draw_stored
from app.charts.plane import limit_field, named_limit
from app.charts.still import Still, still
from app.charts.zoom import range_problem
from app.devices import what_if
from app.errors import Invalid
from app.study import limits
from app.study.budgets import Limit
from app.study.comparison import Comparison, Scale
from app.study.interaction import independent
from app.study.limits import FARTHEST
from app.study.quantities import Quantity
from workers.catalog.declared import Problem

Tab = Literal[
    "trade-off",
    "effects",
    "distribution",
    "memory",
    "scaling",
    "roofline",
    "energy",
    "quality",
    "environment",
    "log",
    "reproduce",
]
TABS: tuple[tuple[Tab, str], ...] = (
    ("trade-off", "Trade-off"),
    ("effects", "Effects"),
    ("distribution", "Distribution"),
    ("memory", "Memory"),
    ("scaling", "Scaling"),
    ("roofline", "Roofline"),
    ("energy", "Energy and cost"),
    ("quality", "Quality"),
    ("environment", "Environment"),
    ("log", "Log"),
    ("reproduce", "Reproduce"),
)
"""In the order in which the page shows them."""
TOOLS: dict[str, tuple[str, ...]] = {
    "trade_off": ("x", "y", "colour", "size", "scale"),
    "effects": ("quantity",),
    "interactions": ("quantity",),
    "distribution": ("quantity", "view", "scale"),
    "scaling": ("quantity", "over", "scale"),
    "waterfall": ("budget",),
    "roofline": ("what_if",),
    "energy": ("price", "scale"),
    "quality": ("scale",),
}
"""What a reader picks for each chart; the words stand in the address, and ``quantity`` is what the chart calls x."""

Name = Annotated[str, Field(max_length=200)] | None
Amount = Annotated[float, Field(gt=0, le=FARTHEST)] | None


class Asked(BaseModel):
    """What the address of a study's page says; what a form left empty is not said."""

    tab: Tab = "trade-off"
    point: int = Field(0, ge=0, le=10_000)
    across_environments: bool = False
    x: Name = None
    y: Name = None
    colour: Name = None
    size: Name = None
    scale: Scale | None = None
    xr: str | None = None
    """Part of the horizontal axis that is shown, in the quantity's base unit: ``low,high``."""
    yr: str | None = None
    quantity: Name = None
    """Of the charts that show one quantity."""
    over: Name = None
    view: View = "shares"
    budget: Amount = None
    """Bytes, for the waterfall."""
    budget_per: float = Field(1.0, alias="per.budget", gt=0, le=FARTHEST)
    """Bytes in one unit of the budget, from a form without scripts."""
    price: Amount = None
    what_if: Name = None
    """Title of the datasheet of another device, for the roofline's estimates."""

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _budget_in_bytes(self) -> Self:
        if self.budget is not None:
            self.budget *= self.budget_per
        self.budget_per = 1.0
        return self

    def choice(self, chart: str, budgets: tuple[Limit, ...]) -> Choice:
        """What a chart reads of it."""
        reads = {"point", "across_environments", *TOOLS.get(chart, ())} - {"quantity"}
        picked = {"x": self.quantity} if "quantity" in TOOLS.get(chart, ()) else {}
        return Choice(**self.model_dump(include=reads), **picked, limits=budgets if chart == "trade_off" else ())


NAMES = tuple(field.alias or name for name, field in Asked.model_fields.items())
"""What the address of a study's page may say, besides budgets."""
BUDGETS = ("max.QUANTITY", "min.QUANTITY", "per.QUANTITY")
"""How the names of budgets are made."""


def check(asked: Asked, parameters: Iterable[tuple[str, str]]) -> None:
    """Refuse what no study's page can show, whatever was measured.

    Args:
        asked: what was read of the address.
        parameters: all names and values of the address.

    Raises:
        Invalid: a name that does not exist, or a value that is out of range; every one is named with what would do.
    """
    wrong = [
        Problem(name, "unknown_parameter", "is no part of this address.", f"One of {', '.join((*NAMES, *BUDGETS))}.")
        for name, value in parameters
        if value and name not in NAMES and not _of_budget(name)
    ]
    wrong += [
        problem
        for name, text in (("xr", asked.xr), ("yr", asked.yr))
        if text is not None and (problem := range_problem(name, text))
    ]
    # Both factors were in range; their product need not be.
    if asked.budget is not None and not 0 < asked.budget <= FARTHEST:
        wrong.append(Problem("budget", "out_of_range", "is no amount of memory.", "For example 8589934592, in bytes."))
    if asked.what_if is not None:
        try:
            what_if.nominal(asked.what_if)
        except Invalid as unknown:
            wrong += unknown.problems
    if wrong:
        raise Invalid.of(wrong)


def _of_budget(name: str) -> bool:
    word, _, quantity = name.partition(".")
    return bool(quantity) and (word in limits.DIRECTIONS or word == "per")


class Address:
    """The address of the page as it is, from which links to a neighbouring view are made."""

    def __init__(self, path: str, asked: Asked, budgets: Iterable[Limit]) -> None:
        said = {
            name: ("true" if value is True else f"{value:.12g}" if isinstance(value, float) else str(value))
            for name, value in asked.model_dump(exclude_defaults=True, exclude_none=True).items()
        }
        self.path = path
        self.parameters = said | dict(limits.written(limit) for limit in budgets)

    def at(self, **changes: str | None) -> str:
        """The same view but for some parameters; None leaves one out."""
        return self.changed(changes)

    def changed(self, changes: Mapping[str, str | None]) -> str:
        """As ``at``, for names that Python cannot spell."""
        kept = {name: value for name, value in (self.parameters | dict(changes)).items() if value is not None}
        query = urlencode(kept, safe="@,:", quote_via=quote)
        return f"{self.path}?{query}" if query else self.path

    def others(self, names: Sequence[str]) -> dict[str, str]:
        """What a form has to carry along besides the fields it has itself."""
        return {name: value for name, value in self.parameters.items() if name not in names}


class Pickable(NamedTuple):
    """A quantity that an axis or a chart can show."""

    quantity: Quantity
    has_effect: bool
    opens: str
    """Which axes it opens on: "", "x", "y"."""

    @property
    def interacts(self) -> bool:
        """Whether one run's effect may be held against another's, as the chart of interactions does."""
        return independent(self.quantity.aspect)


class Drawn(NamedTuple):
    """One chart of the tab."""

    drawing: Drawing
    tools: tuple[str, ...]
    still: Still | None
    """The trade-off as a picture, for readers without scripts."""
    devices: tuple[tuple[str, tuple[str, ...]], ...]
    """Titles of datasheets that the roofline can estimate for, in groups."""


class Budgets(NamedTuple):
    """The budgets of an address."""

    limits: tuple[Limit, ...]
    """Those that hold, under the full names of their quantities."""
    wrong: tuple[str, ...]
    """What is wrong with the others, a sentence or two each."""
    typed: dict[str, str]
    """What stood in the fields of those that are no amount, by the full name of the field."""


def budgets_of(parameters: Iterable[tuple[str, str]], compared: Comparison) -> Budgets:
    """Which budgets of an address hold in this study; before anything was measured, all that can be read."""
    given = dict(parameters)
    found, bad = limits.sifted(given.items())
    wrong = [str(one) for one in bad]
    typed: dict[str, str] = {}
    for one in bad:
        quantity = compared.quantity(one.field.partition(".")[2])
        if quantity is not None and one.field in given and not one.field.startswith("per."):
            typed[limit_field(quantity)] = given[one.field]
    if not compared.quantities:
        return Budgets(found, tuple(wrong), typed)
    held: list[Limit] = []
    for limit in found:
        try:
            held.append(named_limit(compared, limit))
        except UnknownQuantity as unknown:
            wrong.append(f"{unknown.field}: {unknown}. Measured: {', '.join(unknown.known)}.")
        except NotDrawn as turned:
            wrong.append(f"{limits.written(limit)[0]}: {turned}")
    return Budgets(tuple(held), tuple(wrong), typed)


def pickable(compared: Comparison) -> list[Pickable]:
    """What was measured, for the pickers."""
    effects = {key for run in compared.runs for key in run.effects}
    x, y = compared.axes or ("", "")
    return [
        Pickable(quantity, quantity.key in effects, "x" if quantity.key == x else "y" if quantity.key == y else "")
        for quantity in compared.quantities
    ]


def drawn(session: Session, compared: Comparison, asked: Asked, budgets: tuple[Limit, ...]) -> list[Drawn]:
    """The charts of the tab that is open; what cannot be drawn says why."""
    found: list[Drawn] = []
    for chart in CHARTS:
        if chart.tab == asked.tab:
            drawing = _drawing(session, chart, compared, asked.choice(chart.name, budgets))
            picture = still(drawing, asked.xr, asked.yr) if drawing.plane is not None else None
            tools = TOOLS.get(chart.name, ())
            found.append(Drawn(drawing, tools, picture, what_if.offered() if "what_if" in tools else ()))
    return found


def _drawing(session: Session, chart: StudyChart, compared: Comparison, choice: Choice) -> Drawing:
    """The chart; a link that names something this study has not measured leaves the page usable."""
    try:
        return draw_stored(session, chart, compared, choice)
    except UnknownQuantity as unknown:
        reason = f"{unknown.field}: {unknown}. Measured: {', '.join(unknown.known) or 'nothing yet'}."
    except NotSwept as unknown:
        reason = f"{unknown.field}: {unknown}. Swept: {', '.join(unknown.known) or 'nothing'}."
    return Drawing(name=chart.name, title=chart.title, answers=chart.answers, figure=None, reason=reason, caption="")
