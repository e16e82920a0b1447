"""What the Explore page is made of besides results: addresses with one thing changed, and rows of limits."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from app.charts.units import THIN, digits, readable, scale, times
from app.results.facets import Budget, Range
from app.results.figures import BY_WORD, Figure, Part
from app.results.selection import RATIO, Limit, Selection
from app.study.amounts import MULTIPLES, amount

FIRST = ("memory", "perplexity", "accuracy", "agreement", "energy")
"""Figures whose limits are asked for most, besides those of the axes: will it fit, and is it still good."""


class Address(NamedTuple):
    """An address of ours with its query, and what it becomes when one thing changes."""

    path: str
    pairs: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.path + ("?" + urlencode(self.pairs, quote_via=quote, safe=",:") if self.pairs else "")

    def changed(self, **values: str | None) -> "Address":
        """Names with other values; None leaves a name out."""
        kept = [(name, value) for name, value in self.pairs if name not in values]
        return Address(self.path, (*kept, *((name, value) for name, value in values.items() if value is not None)))

    def having(self, name: str, value: str) -> "Address":
        """One more value of a name."""
        return self if (name, value) in self.pairs else Address(self.path, (*self.pairs, (name, value)))

    def without(self, name: str, value: str | None = None) -> "Address":
        """One value of a name less; without a value, all of them."""
        kept = (pair for pair in self.pairs if pair[0] != name or (value is not None and pair[1] != value))
        return Address(self.path, tuple(kept))


class LimitRow(NamedTuple):
    """One limit that can be set, or is."""

    name: str
    """In the address."""
    figure: Figure
    part: Part
    bound: str
    low: float
    """Ends of what was measured, in base units."""
    high: float
    value: float | None
    """The limit; None where there is none."""
    text: str
    """The limit as it stands in its field."""
    ends: str
    """What was measured, in words."""
    says: str
    """What the limit does."""
    relaxed: str
    """By how much it has to be relaxed for more options to fit, in words; empty where that brings nothing."""
    relax: str
    """Address with the relaxed limit."""
    gains: int
    """Options that fit then."""
    is_first: bool
    """Whether it stands among the first, and not under "more"."""


def limit_rows(
    selection: Selection, ranges: Sequence[Range], budgets: Sequence[Budget], address: Address
) -> list[LimitRow]:
    """Every limit that can be set on the good side of a measured figure, and every one that is set.

    Args:
        selection: what a reader picked.
        ranges: what was measured.
        budgets: what each limit does.
        address: of the page.
    """
    weighed = {budget.name: budget for budget in budgets}
    held = {limit.name: limit for limit in selection.limits}
    found: list[LimitRow] = []
    for one in ranges:
        figure = BY_WORD[one.figure]
        bounds = {"lower": ["lte"], "higher": ["gte"], "neither": []}[figure.better]
        bounds += [bound for bound in ("lte", "gte") if bound not in bounds and _name(one, bound) in held]
        for bound in bounds:
            name = _name(one, bound)
            limit = held.pop(name, None)
            found.append(_row(selection, one, bound, limit, weighed.get(name), address))
    for limit in held.values():
        # Nothing that is left measured the figure; the limit is there all the same, to be taken away.
        span = Range(figure=limit.figure, part=limit.part, count=0, low=limit.value, high=limit.value)
        found.append(_row(selection, span, limit.bound, limit, weighed.get(limit.name), address))
    return found


def entered(value: float, unit: str) -> str:
    """A value as it stands in a field: a short number and a unit, which ``amounts.amount`` reads back as the very same."""
    chosen = scale(unit, value)
    steps = [(chosen.divisor, chosen.unit.replace(THIN, ""))]
    if unit == "B":
        # A round number of bytes is seldom round in GiB, but in GB.
        steps += sorted(((size, word) for word, size in MULTIPLES["B"].items() if 1 < size <= abs(value)), reverse=True)
    texts = (f"{value / size:.6g} {word}".strip() for size, word in steps)
    return next((text for text in texts if amount(text, unit) == value), repr(value))


def _name(one: Range, bound: str) -> str:
    return f"{one.figure}{RATIO if one.part == 'ratio' else ''}__{bound}"


def _row(
    selection: Selection, one: Range, bound: str, limit: Limit | None, budget: Budget | None, address: Address
) -> LimitRow:
    figure = BY_WORD[one.figure]
    is_ratio = one.part == "ratio"
    name = _name(one, bound)

    def told(value: float) -> str:
        return times(value) if is_ratio else readable(value, figure.unit)

    relaxed = budget.next_value if budget is not None else None
    step = (
        "" if relaxed is None or limit is None else _step(abs(relaxed - limit.value), "1" if is_ratio else figure.unit)
    )
    of_axis = figure.word in (selection.x, selection.y) and one.part == selection.part(figure)
    return LimitRow(
        name=name,
        figure=figure,
        part=one.part,
        bound=bound,
        low=one.low,
        high=one.high,
        value=limit.value if limit else None,
        text="" if limit is None else entered(limit.value, "1" if is_ratio else figure.unit),
        ends=f"{told(one.low)} to {told(one.high)}",
        says=_says(budget) if budget else "",
        relaxed=step,
        relax=str(address.changed(**{name: f"{relaxed:.9g}"})) if relaxed is not None else "",
        gains=budget.gains if budget else 0,
        is_first=limit is not None or of_axis or (one.part == "value" and figure.word in FIRST),
    )


def _says(budget: Budget) -> str:
    """What a limit keeps out."""
    unmeasured = f", {budget.unmeasured:,} of them not measured" if budget.unmeasured else ""
    return f"Removes {budget.removes:,} of {budget.options:,}{unmeasured}."


def _step(by: float, unit: str) -> str:
    return digits(by) if unit == "1" else readable(by, unit)
