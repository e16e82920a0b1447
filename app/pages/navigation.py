"""Where a reader can go from every page: the places, and the keys that lead there."""

from collections.abc import Iterable
from typing import NamedTuple


class Place(NamedTuple):
    """An entry of the navigation."""

    word: str
    """What a page calls itself, as ``here``."""
    href: str
    title: str
    keys: str
    """Pressed one after the other."""


PLACES = (
    Place("home", "/", "Home", "g h"),
    Place("plan", "/plan", "Planner", "g p"),
    Place("guide", "/guide", "Guide", "g u"),
    Place("studies", "/studies", "Studies", "g s"),
    Place("explore", "/explore", "Explore", "g e"),
    Place("compare", "/compare", "Compare", "g c"),
    Place("runs", "/runs", "Runs", "g r"),
    Place("techniques", "/techniques", "Techniques", "g t"),
    Place("hardware", "/hardware", "Hardware", "g d"),
    Place("workers", "/workers", "Workers", "g w"),
    Place("new", "/studies/new", "New study", "n"),
)
"""In the order in which they are shown."""


def present(paths: Iterable[str | None]) -> tuple[Place, ...]:
    """The places that have a page.

    Args:
        paths: of the routes that there are.
    """
    known = frozenset(paths)
    return tuple(place for place in PLACES if place.href in known)
