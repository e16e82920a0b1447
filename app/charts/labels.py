"""Where names stand beside their points, so that none covers another.

``static/js/labels.js`` does the same for charts in the browser, which know how large they are.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

HEIGHT = 16.0
"""Pixels of a name."""
CHARACTER = 6.8
"""Pixels of a character, where it cannot be measured."""
SPACE = 6.0
"""Pixels between two names side by side."""
CLEAR = 2.0
"""Pixels that are kept clear on both sides of a line."""
WIDTHS, HEIGHTS = 640.0, 350.0
"""Pixels of a usual plot."""
RADIUS = 6.0
"""Pixels of a usual point."""
PLACES = {
    "top center": (0, -1),
    "bottom center": (0, 1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top right": (1, -1),
    "bottom right": (1, 1),
    "top left": (-1, -1),
    "bottom left": (-1, 1),
}
"""As Plotly names them, and which way from the point; what is read most easily comes first."""


class Spot(NamedTuple):
    """A point, in pixels from the top left corner of the plot."""

    x: float
    y: float
    radius: float
    width: float
    """Of its name; 0 where it has none."""
    minor: bool = False
    """Whether its name gives way to others."""

    @property
    def gap(self) -> float:
        """Pixels from the middle of the point to its name, as Plotly has it."""
        return self.radius / 0.8 + 1

    @property
    def mark(self) -> Box:
        """What the point itself covers."""
        return (self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)

    def beside(self, place: str) -> Box:
        """What its name covers there."""
        across, down = PLACES[place]
        left = self.x + across * self.gap - (1 - across) * self.width / 2
        top = self.y + down * self.gap - (1 - down) * HEIGHT / 2
        return (left, top, left + self.width, top + HEIGHT)


def places(
    spots: Sequence[Spot], width: float = WIDTHS, height: float = HEIGHTS, around: Sequence[Box] = ()
) -> list[str | None]:
    """The place of each name; None where a point has no name, or no place is free.

    A place is free inside the plot where the name covers no other name and no point that has one. Of the free places a name
    takes the one where it covers least of ``around`` and of the points without a name.

    Args:
        spots: the points; among equals the first one chooses first.
        width: pixels of the plot.
        height: pixels of the plot.
        around: what is better left uncovered, such as a line.
    """
    named = sorted((at for at, spot in enumerate(spots) if spot.width > 0), key=lambda at: spots[at].minor)
    spare = [*around, *(spot.mark for spot in spots if spot.width <= 0)]
    taken: list[Box] = []
    found: list[str | None] = [None] * len(spots)
    for at in named:
        kept = [*taken, *(spots[other].mark for other in named if other != at)]
        least: int | None = None
        for place in PLACES:
            box = spots[at].beside(place)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
            if not inside or _covered(box, kept):
                continue
            covers = _covered(box, spare)
            if least is None or covers < least:
                least, found[at] = covers, place
        chosen = found[at]
        if chosen is not None:
            taken.append(spots[at].beside(chosen))
    return found


def wide(characters: int) -> float:
    """Pixels of a name with the space beside it."""
    return characters * CHARACTER + SPACE


def usual(points: Sequence[tuple[float, float, int]], line: Sequence[tuple[float, float]] = ()) -> list[str]:
    """Places in a figure of which nobody knows how large it will be drawn; a name without a free one stands above its point.

    Args:
        points: for each its share of the width, its share of the height from the bottom, and the characters of its name.
        line: corners of a line that names keep clear of, as such shares.
    """
    spots = [Spot(x * WIDTHS, (1 - y) * HEIGHTS, RADIUS, wide(count)) for x, y, count in points]
    around = along([(x * WIDTHS, (1 - y) * HEIGHTS) for x, y in line])
    return [place or next(iter(PLACES)) for place in places(spots, around=around)]


def along(line: Sequence[tuple[float, float]]) -> list[Box]:
    """What a line with upright and level parts covers."""
    return [
        (min(x0, x1) - CLEAR, min(y0, y1) - CLEAR, max(x0, x1) + CLEAR, max(y0, y1) + CLEAR)
        for (x0, y0), (x1, y1) in itertools.pairwise(line)
    ]


def _covered(box: Box, others: Sequence[Box]) -> int:
    """How many of the others a box covers a part of."""
    left, top, right, bottom = box
    return sum(1 for a, b, c, d in others if left < c and a < right and top < d and b < bottom)
