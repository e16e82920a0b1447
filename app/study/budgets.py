"""Budgets: limits on measured quantities, which options keep them, and what loosening one would bring. Pure functions.

``static/js/front.js`` does the same in the browser while a slider moves; a test holds the two against each other.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.frozen import Frozen
from workers.catalog.metrics import Better

DIGITS = 5
"""Significant digits of a limit that was moved to a measured value."""
TINY = 1e-300
"""Below this there is no step to round to."""


class Option(NamedTuple):
    """One thing that can be chosen, with what it was measured to take."""

    key: str
    values: Mapping[str, float]
    """In base units, by quantity."""


class Limit(Frozen):
    """One budget: at most this much where less is better, at least this much where more is."""

    quantity: str
    better: Better
    """Either ``lower`` or ``higher``."""
    value: float
    """In the quantity's base unit."""

    def broken_by(self, option: Option) -> bool:
        """Whether an option is over it; one that was not measured is, because nobody knows that it fits."""
        found = option.values.get(self.quantity)
        if found is None:
            return True
        return found > self.value if self.better == "lower" else found < self.value


class Weighed(Frozen):
    """What one budget does, the others staying as they are."""

    limit: Limit
    removes: int
    """Options over it, whether or not they are over others too."""
    unmeasured: int
    """How many of these were not measured."""
    alone: int
    """Options that would fit but for it."""
    next_value: float | None
    """The least loosening at which more options fit; None where loosening it alone brings nothing."""
    gains: int
    """How many more fit then."""


def broken(option: Option, limits: Sequence[Limit]) -> tuple[str, ...]:
    """Quantities whose budgets an option is over."""
    return tuple(limit.quantity for limit in limits if limit.broken_by(option))


def weigh(options: Sequence[Option], limits: Sequence[Limit]) -> tuple[Weighed, ...]:
    """For each budget: how many options it removes, and what the least loosening of it alone would bring back."""
    over = [broken(option, limits) for option in options]
    found: list[Weighed] = []
    for limit in limits:
        removed = [option for option, names in zip(options, over, strict=True) if limit.quantity in names]
        alone = [option for option, names in zip(options, over, strict=True) if names == (limit.quantity,)]
        reach = [option.values[limit.quantity] for option in alone if limit.quantity in option.values]
        near = (min(reach) if limit.better == "lower" else max(reach)) if reach else None
        moved = loosened(near, limit.better) if near is not None else None
        found.append(
            Weighed(
                limit=limit,
                removes=len(removed),
                unmeasured=sum(1 for option in removed if limit.quantity not in option.values),
                alone=len(alone),
                next_value=moved,
                gains=0
                if moved is None
                else sum(1 for value in reach if (value <= moved if limit.better == "lower" else value >= moved)),
            )
        )
    return tuple(found)


def loosened(value: float, better: Better) -> float:
    """The nearest round limit that still lets a value through."""
    if abs(value) < TINY:
        return value
    rounded = float(f"{value:.{DIGITS - 1}e}")
    if not (rounded >= value if better == "lower" else rounded <= value):
        step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - DIGITS)
        rounded = float(f"{rounded + (step if better == 'lower' else -step):.{DIGITS - 1}e}")
    return rounded
