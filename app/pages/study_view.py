"""What a reader looks at on a study's page: the tab, the choices that stand in its address, and the charts they draw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from sqlmodel import Session

from app.charts import CHARTS
from app.charts.chart import Choice, NotSwept, StudyChart, UnknownQuantity, View
from app.charts.drawing import Drawing, draw_stored
from app.charts.still import Still, still
from app.study import limits
from app.study.budgets import Limit
from app.study.comparison import Comparison, Quantity, Scale
from app.study.limits import BadLimit

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
    "energy": ("price", "scale"),
    "quality": ("scale",),
}
"""What a reader picks for each chart; the words stand in the address, and ``quantity`` is what the chart calls x."""

Name = Annotated[str | None, BeforeValidator(lambda text: text or None), Field(max_length=200)]
Span = Annotated[
    str | None,
    BeforeValidator(lambda text: text or None),
    Field(max_length=60, pattern=r"^-?\d+(\.\d+)?(e[+-]?\d+)?,-?\d+(\.\d+)?(e[+-]?\d+)?$"),
]
Amount = Annotated[float | None, BeforeValidator(lambda text: text or None), Field(gt=0, allow_inf_nan=False)]


class Asked(BaseModel):
    """What the address of a study's page says; what a form left empty is not said."""

    tab: Annotated[Tab, BeforeValidator(lambda text: text or "trade-off")] = "trade-off"
    point: int = Field(0, ge=0, le=10_000)
    across_environments: bool = False
    x: Name = None
    y: Name = None
    colour: Name = None
    size: Name = None
    scale: Annotated[Scale | None, BeforeValidator(lambda text: text or None)] = None
    xr: Span = None
    """Part of the horizontal axis that is shown, in the quantity's base unit: ``low,high``."""
    yr: Span = None
    quantity: Name = None
    """Of the charts that show one quantity."""
    over: Name = None
    view: Annotated[View, BeforeValidator(lambda text: text or "shares")] = "shares"
    budget: Amount = None
    """Bytes, for the waterfall."""
    budget_per: float = Field(1.0, alias="per.budget", gt=0, allow_inf_nan=False)
    """Bytes in one unit of the budget, from a form without scripts."""
    price: Amount = None

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


class Drawn(NamedTuple):
    """One chart of the tab."""

    drawing: Drawing
    tools: tuple[str, ...]
    still: Still | None
    """The trade-off as a picture, for readers without scripts."""


def budgets_of(parameters: Iterable[tuple[str, str]], compared: Comparison) -> tuple[tuple[Limit, ...], str | None]:
    """The budgets of an address under the full names of their quantities, or none and what is wrong with them."""
    try:
        found = limits.read(parameters)
    except BadLimit as bad:
        return (), str(bad)
    named = [(limit, compared.quantity(limit.quantity)) for limit in found]
    return tuple(limit.model_copy(update={"quantity": q.key}) if q else limit for limit, q in named), None


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
            found.append(Drawn(drawing, TOOLS.get(chart.name, ()), picture))
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
