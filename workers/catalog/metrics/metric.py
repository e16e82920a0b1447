"""What a quantity is: name, unit, direction, and exactly what its number means."""

from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "neither"]
Aspect = Literal["speed", "memory", "size", "energy", "quality", "work"]


class Metric(NamedTuple):
    """One quantity. Values are kept in the base unit (seconds, bytes, tokens per second)."""

    name: str
    title: str
    unit: str
    better: Better
    aspect: Aspect
    definition: str
    version: int = 1
    """Of the definition. It rises when the same work would give another number; every stored figure names the version it followed."""
