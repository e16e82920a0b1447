"""Student's t for whole degrees of freedom: probabilities in closed form, and the quantile that belongs to one.

Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4. Written out because neither the server nor
a measuring machine needs scipy for anything else.
"""

from __future__ import annotations

import functools
import math

ACCURACY = 1e-12
"""Relative width at which the bisection for a quantile stops."""


def two_sided(t: float, freedom: int) -> float:
    """Probability that |T| is at least ``t``.

    Args:
        t: Any value; its sign does not matter.
        freedom: Degrees of freedom, at least 1.

    Raises:
        ValueError: fewer than one degree of freedom.
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    angle = math.atan(abs(t) / math.sqrt(freedom))
    if freedom % 2:
        total = 0.0
        term = math.cos(angle)
        for step in range(1, freedom - 1, 2):
            total += term
            term *= math.cos(angle) ** 2 * (step + 1) / (step + 2)
        inside = 2 / math.pi * (angle + math.sin(angle) * total)
    else:
        total = term = 1.0
        for step in range(1, freedom - 2, 2):
            term *= math.cos(angle) ** 2 * step / (step + 1)
            total += term
        inside = math.sin(angle) * total
    return min(max(1 - inside, 0.0), 1.0)


@functools.cache
def quantile(freedom: int, confidence: float = 0.95) -> float:
    """How far |T| reaches with this probability."""
    low, high = 0.0, 1.0
    while two_sided(high, freedom) > 1 - confidence:
        low, high = high, high * 2
    while high - low > ACCURACY * high:
        middle = (low + high) / 2
        if two_sided(middle, freedom) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high
