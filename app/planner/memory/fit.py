"""Whether something fits into a memory: surely, perhaps, or surely not. ``ways.py`` says what would make it fit."""

from typing import Literal

from app.planner.memory.parts import Needed

Verdict = Literal["fits", "tight", "no"]


def verdict(needed: Needed, budget: float) -> Verdict:
    """Whether memory suffices: surely, perhaps, or surely not.

    Bounds decide, not what lies between them: what is said to fit has to fit, although programs differ in what they keep.

    Args:
        needed: with its bounds.
        budget: bytes that are free.
    """
    return of_bounds(needed.low, needed.high, budget)


def of_bounds(low: float, high: float, budget: float) -> Verdict:
    """The same of bounds alone.

    Args:
        low: bytes that are needed at least.
        high: bytes that are needed at most.
        budget: bytes that are free.
    """
    if high <= budget:
        return "fits"
    return "no" if low > budget else "tight"
