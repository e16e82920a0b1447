"""Memory of one instant, part by part, each with its bounds, its formula in words and where that comes from."""

from app.frozen import Frozen


class Part(Frozen):
    """One part of the memory of an instant, in bytes."""

    name: str
    bytes: float
    low: float
    high: float
    formula: str
    """With the numbers of this model in it."""
    source: str


class Instant(Frozen):
    """One instant of a phase at which memory may be largest: parts that are held at the same time."""

    name: str
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> float:
        """Everything held."""
        return sum(part.bytes for part in self.parts)

    @property
    def low(self) -> float:
        """At least."""
        return sum(part.low for part in self.parts)

    @property
    def high(self) -> float:
        """At most."""
        return sum(part.high for part in self.parts)


class Needed(Frozen):
    """What a phase needs: its instants, of which the largest decides; what they hold never adds up over instants."""

    instants: tuple[Instant, ...]

    @property
    def peak(self) -> Instant:
        """The instant that needs most."""
        return max(self.instants, key=lambda instant: instant.bytes)

    @property
    def low(self) -> float:
        """Bytes below which it cannot work."""
        return max(instant.low for instant in self.instants)

    @property
    def high(self) -> float:
        """Bytes with which it works."""
        return max(instant.high for instant in self.instants)


def exact(name: str, size: float, formula: str, source: str) -> Part:
    """A part that follows from shapes alone."""
    return Part(name=name, bytes=size, low=size, high=size, formula=formula, source=source)


def about(name: str, size: float, low: float, high: float, formula: str, source: str) -> Part:
    """A part that is known between two bounds."""
    return Part(name=name, bytes=size, low=low, high=high, formula=formula, source=source)
