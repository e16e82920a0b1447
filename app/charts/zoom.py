"""The part of an axis that is shown, as it stands in an address: ``low,high`` in the quantity's base unit."""

import math

from workers.catalog.declared import Problem


def ends(text: str) -> tuple[float, float] | None:
    """Both ends, in the quantity's base unit; None for what is not two finite numbers, small and large."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        return None
    return (low, high) if -math.inf < low < high < math.inf else None


def range_problem(name: str, text: str) -> Problem | None:
    """What is wrong with the part under a name; None where nothing is."""
    if ends(text) is not None:
        return None
    return Problem(name, "not_a_range", "is not two numbers, small and large.", "For example 0.5,2 in base units.")
