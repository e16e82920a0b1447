"""Effects of one study over one another: two variants through their baseline, and a stack over what its parts do apart.

When two techniques do not touch each other, the ratio of both together is the product of their ratios. An interaction is
the ratio of both over that product. Pure functions.
"""

import math
from typing import Literal, NamedTuple, Protocol

from workers.catalog.metrics import Better
from workers.catalog.verdict import COUNTED_MARGIN, SAME_MARGIN

Says = Literal["adds", "cancels", "independent", "undecided"]


class Estimate(Protocol):
    """A ratio with its 95 % interval; all three above 0."""

    @property
    def ratio(self) -> float:
        """Variant over baseline."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""

    @property
    def high(self) -> float:
        """Upper end of the interval."""


class Quotient(NamedTuple):
    """One effect over the product of others, with its 95 % interval."""

    ratio: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """How far from 1 counts as the same: less where nothing varied."""
        return COUNTED_MARGIN if self.low == self.high else SAME_MARGIN

    def says(self, better: Better) -> Says:
        """What a stack over its parts means: adds when both together bring more than the product, cancels when less."""
        if 1 / (1 + self.margin) <= self.low and self.high <= 1 + self.margin:
            return "independent"
        if self.low <= 1 <= self.high:
            return "undecided"
        return "adds" if (self.high < 1) == (better == "lower") else "cancels"


def independent(aspect: str) -> bool:
    """Whether the errors of effects from several runs are independent, by the aspect of their metric.

    Each run took turns with a baseline arm of its own, and its times share nothing with another's. All variants are scored
    on the same items against the same baseline, though: what these items happen to favour is in every score.
    """
    return aspect != "quality"


def quotient(above: Estimate, *below: Estimate) -> Quotient:
    """One effect over the product of others.

    The errors have to be independent: the distances from estimate to limit are added in squares, in logarithms and for each
    side by itself (MOVER: Zou and Donner, Statistics in Medicine 27, 2008). The interval is wider than any one's.

    Args:
        above: the effect above the line.
        below: those below it, over the same baseline.
    """
    middle = above.ratio / math.prod(one.ratio for one in below)
    down = math.hypot(math.log(above.ratio / above.low), *(math.log(one.high / one.ratio) for one in below))
    up = math.hypot(math.log(above.high / above.ratio), *(math.log(one.ratio / one.low) for one in below))
    return Quotient(middle, middle * math.exp(-down), middle * math.exp(up))
