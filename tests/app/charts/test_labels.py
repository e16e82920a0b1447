"""Names beside points: none covers another or a point that has one, none leaves the plot, and minor ones give way."""

import itertools
import random

from app.charts import labels, trade_off
from app.charts.chart import Choice
from app.charts.drawing import draw
from app.charts.labels import HEIGHT, PLACES, Box, Spot, places
from app.charts.still import ANCHORS, ASCENT, Label, still
from app.study.comparison import compare
from tests import demo

WIDTH, TALL = 640.0, 350.0
CROWD = (
    "static cache",
    "growing cache",
    "paged cache",
    "sliding cache",
    "rolling cache",
    "quantised cache",
    "no cache",
)
"""Variants that ``tests.demo`` gives nearly the same figures."""


def crosses(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def crowd(dice: random.Random, size: int) -> list[Spot]:
    """Points close to one another, some of them at the edge, some without a name."""
    return [
        Spot(
            dice.choice((dice.uniform(0, WIDTH), dice.gauss(320, 40))),
            dice.choice((dice.uniform(0, TALL), dice.gauss(170, 20))),
            dice.choice((4.0, 6.0, 15.0)),
            dice.choice((0.0, 28.0, 95.0, 190.0)),
            dice.random() < 0.4,
        )
        for _ in range(size)
    ]


def test_a_single_name_stands_above_its_point() -> None:
    assert places([Spot(320, 170, 6, 60)]) == ["top center"]


def test_near_points_have_their_names_on_different_sides() -> None:
    near = [Spot(320, 170, 6, 80), Spot(326, 173, 6, 90)]
    one, other = places(near)
    assert one is not None
    assert other is not None
    assert not crosses(near[0].beside(one), near[1].beside(other))


def test_whatever_the_crowd_no_name_covers_another_or_leaves_the_plot() -> None:
    dice = random.Random(4)
    placed = dropped = 0
    for _ in range(300):
        spots = crowd(dice, dice.randint(0, 14))
        found = places(spots, WIDTH, TALL)
        named = [spot for spot in spots if spot.width]
        boxes = [(spot, spot.beside(place)) for spot, place in zip(spots, found, strict=True) if place]
        assert not [1 for (_, one), (_, other) in itertools.combinations(boxes, 2) if crosses(one, other)]
        for own, box in boxes:
            assert own.width
            assert not [other for other in named if other is not own and crosses(box, other.mark)]
            assert min(box[:2]) >= 0
            assert box[2] <= WIDTH
            assert box[3] <= TALL
        placed += len(boxes)
        dropped += len(named) - len(boxes)
    assert placed > 1000
    assert dropped > 50, "so that a free place was truly lacking now and then"


def test_a_name_is_left_out_only_where_no_place_is_free() -> None:
    dice = random.Random(5)
    for _ in range(200):
        spots = crowd(dice, 12)
        found = places(spots, WIDTH, TALL)
        taken = [spot.beside(place) for spot, place in zip(spots, found, strict=True) if place]
        for at, spot in enumerate(spots):
            if found[at] is not None or not spot.width:
                continue
            kept = [*taken, *(other.mark for other in spots if other.width and other is not spot)]
            for box in map(spot.beside, PLACES):
                inside = min(box[:2]) >= 0 and box[2] <= WIDTH and box[3] <= TALL
                assert not inside or any(crosses(box, other) for other in kept)


def test_minor_names_give_way() -> None:
    """Beside one place there is room for four names."""
    same = [Spot(320, 170, 6, 80)] * 5
    assert [place is None for place in places(same)] == [False] * 4 + [True]
    assert places([same[0]._replace(minor=True), *same[1:]]) == [None, *places(same)[:4]]


def test_lines_and_nameless_points_are_covered_only_where_it_cannot_be_helped() -> None:
    spot = Spot(320, 170, 6, 80)
    above, below = Spot(320, 150, 4, 0), Spot(320, 190, 4, 0)
    assert places([spot, above]) == ["bottom center", None]
    assert places([spot, above, below]) == ["middle right", None, None]
    line = labels.along([(0, 170), (640, 170), (640, 0)])
    assert places([spot, above, below], around=line)[0] == "top right"
    wall: list[Box] = [(0, 0, 640, 350)]
    assert places([spot], around=wall) == ["top center"]


def test_a_figure_keeps_every_name() -> None:
    found = labels.usual([(0.5, 0.5, 4), (0.5, 0.52, 4), *[(0.5, 0.5, 90)] * 6])
    assert set(found) <= set(PLACES)
    assert found[0] != found[1]


def covers(label: Label) -> Box:
    """What a name of the picture covers."""
    width = len(label.text) * labels.CHARACTER
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]
    left, top = label.x - share * width, label.y - ASCENT
    return (left, top, left + width, top + HEIGHT)


def test_the_picture_without_scripts_names_what_has_room() -> None:
    variants = [
        {"name": name, "stack": [{"technique": "precision", "dtype": "bf16"}]}
        for name in (*CROWD, "a name that is far too long to stand beside a point")
    ]
    picture = still(draw(trade_off.CHART, compare(*demo.rows(demo.order(variants=variants))), Choice()))
    named = [point.label for point in picture.points if point.label]
    assert 1 < len(named) < len(picture.points)
    assert not [1 for one, other in itertools.combinations(map(covers, named), 2) if crosses(one, other)]
    assert {label.anchor for label in named} <= set(ANCHORS.values())
    left, top, right, bottom = picture.box
    for covered in map(covers, named):
        assert left - 0.1 <= covered[0] < covered[2] <= right + 0.1
        assert top - 0.1 <= covered[1] < covered[3] <= bottom + 0.1
    assert {point.name for point in picture.points} >= set(CROWD), "the pointer finds those without room, too"
