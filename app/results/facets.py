"""What is left to choose from among all results: counted values of filters, spans of figures, what limits cost, failures."""

from collections.abc import Sequence

import numpy as np

from app.frozen import Frozen
from app.results.columns import Floats, Places, Table
from app.results.figures import FIGURES, Figure, Part
from app.results.matching import Matched
from app.results.selection import FACETS, SIZES, Selection, parts
from app.study.budgets import loosened

Axes = Sequence[Figure] | None
"""The figures of parallel coordinates; None for the plane of the objectives."""
MEASURED = ("model", "workload", "hardware", "environment")
"""What has to be the same for values as measured to stand in one picture, besides every size and switch of the workload."""


class Choice(Frozen):
    """One value of a filter, and how many results it would leave with all other filters as they are."""

    value: str
    count: int
    chosen: bool


class Facet(Frozen):
    """One filter with its values, most frequent first."""

    name: str
    title: str
    choices: tuple[Choice, ...]


class Budget(Frozen):
    """What one limit does, the others staying as they are; in the words of ``app/study/budgets.py``."""

    name: str
    figure: str
    part: str
    bound: str
    value: float
    options: int
    """Results that can be chosen: those that the filters leave, with figures, and that did not fall back."""
    removes: int
    """Options over it, whether or not they are over other limits too."""
    unmeasured: int
    """How many of these did not measure the figure."""
    alone: int
    """Options that would fit but for it."""
    next_value: float | None
    """The least loosening at which more options fit; None where loosening it alone brings nothing."""
    gains: int
    """How many more fit then."""


class Range(Frozen):
    """One figure, or its ratio, among the results that the filters leave when no limit is set."""

    figure: str
    part: Part
    count: int
    """Results that measured it."""
    low: float
    high: float


def facets(matched: Matched) -> tuple[Facet, ...]:
    """Every filter's values with their counts."""
    table, selection = matched.table, matched.selection
    found = []
    for name, title in FACETS.items():
        codes, words = table.words["techniques" if name == "technique" else name]
        tally = np.bincount(codes[matched.without(name)], minlength=len(words))
        counts: dict[str, int] = dict.fromkeys(selection.words.get(name, ()), 0)
        for word, count in zip(words, tally.tolist(), strict=False):
            for value in word.split("+") if name == "technique" else (word,):
                if value and count:
                    counts[value] = counts.get(value, 0) + count
        found.append(_facet(name, title, counts, selection))
    return (*found, *(_sizes(matched, name, title) for name, title in SIZES.items()))


def ranges(matched: Matched) -> tuple[Range, ...]:
    """What every figure and ratio spans, in the order of the figures; those that no result measured are left out."""
    found = []
    for figure in FIGURES:
        for part in parts(figure):
            values = matched.table.column(figure.word, part)[matched.unlimited]
            values = values[~np.isnan(values)]
            if len(values):
                low, high = float(values.min()), float(values.max())
                found.append(Range(figure=figure.word, part=part, count=len(values), low=low, high=high))
    return tuple(found)


def failures(matched: Matched) -> dict[str, int]:
    """How many of the results ended without figures, by outcome, whatever the limits; most frequent first."""
    codes, words = matched.table.words["outcome"]
    tally = np.bincount(codes[matched.failed], minlength=len(words)).tolist()
    return _most_first({word: count for word, count in zip(words, tally, strict=False) if count})


def budgets(matched: Matched) -> tuple[Budget, ...]:
    """For each limit: how many options it removes, and what the least loosening of it alone would bring back."""
    options = matched.options
    over = {limit.name: options & ~matched.masks[limit.name] for limit in matched.selection.limits}
    times_over = sum((each.astype(np.int16) for each in over.values()), np.zeros(matched.table.count, np.int16))
    found = []
    for limit in matched.selection.limits:
        values = matched.table.column(limit.figure, limit.part)
        removed = over[limit.name]
        alone = removed & (times_over == 1)
        reach = values[alone & ~np.isnan(values)]
        moved = None
        if len(reach):
            near = float(reach.min() if limit.bound == "lte" else reach.max())
            moved = loosened(near, "lower" if limit.bound == "lte" else "higher")
        fit = np.zeros(0) if moved is None else reach <= moved if limit.bound == "lte" else reach >= moved
        found.append(
            Budget(
                name=limit.name,
                figure=limit.figure,
                part=limit.part,
                bound=limit.bound,
                value=limit.value,
                options=int(np.count_nonzero(options)),
                removes=int(np.count_nonzero(removed)),
                unmeasured=int(np.count_nonzero(np.isnan(values[removed]))),
                alone=int(np.count_nonzero(alone)),
                next_value=moved,
                gains=int(np.count_nonzero(fit)),
            )
        )
    return tuple(found)


def placed(matched: Matched, axes: Axes = None) -> Places:
    """The results that can be drawn on the scale that was picked: in the plane those that have every figure that the front is of,
    along axes those that have figures on at least two, because a line has two ends."""
    figures = matched.selection.objectives if axes is None else axes
    known = np.zeros(matched.table.count, np.int16)
    for figure in figures:
        known += ~np.isnan(matched.table.column(figure.word, matched.selection.part(figure)))
    return np.flatnonzero(matched.rows & (known >= (len(figures) if axes is None else 2)))


def mixed(matched: Matched, places: Places, axes: Axes = None) -> dict[str, int]:
    """Of what has to be alike among some rows for their figures to stand in one picture, what is not, and in how many values."""
    found = {name: len(_values(matched.table, places, name)) for name in _alike(matched.selection, axes)}
    return {name: count for name, count in found.items() if count > 1}


def apart(matched: Matched, axes: Axes = None) -> tuple[Facet, ...]:
    """What ``mixed`` finds among the results that can be drawn, with the values there are."""
    places = placed(matched, axes)
    titles = {**FACETS, **SIZES, "environment": "Environment"}
    return tuple(
        _facet(name, titles[name], _values(matched.table, places, name), matched.selection)
        for name in mixed(matched, places, axes)
    )


def _alike(selection: Selection, axes: Axes) -> tuple[str, ...]:
    """What has to be the same for the figures of some rows to stand in one picture.

    Values as measured need one place and one work; what is over a baseline needs the same stack in it, wherever it was measured;
    and scores of quality need the same items.
    """
    figures, measured = selection.objectives if axes is None else axes, selection.scale == "measured"
    compared = not measured or any(figure.relative for figure in figures)
    scored = any(figure.scored for figure in figures)
    return (
        *(MEASURED if measured else ()),
        *(("against",) if compared else ()),
        *(("evaluation",) if scored else ()),
        *(SIZES if measured else ()),
    )


def _sizes(matched: Matched, name: str, title: str) -> Facet:
    """A filter by a whole number, with its values from small to large."""
    counts = dict.fromkeys(matched.selection.sizes.get(name, ()), 0)
    counts |= _tally(matched.table.size(name)[matched.without(name)])
    return _facet(name, title, {str(size): counts[size] for size in sorted(counts)}, matched.selection, ordered=True)


def _values(table: Table, places: Places, name: str) -> dict[str, int]:
    """What some rows have in one respect, and how often. A row that was not scored has no evaluation to be unlike another's."""
    if name in SIZES:
        return {str(size): count for size, count in _tally(table.size(name)[places]).items()}
    codes, words = table.words[name]
    counts = np.bincount(codes[places], minlength=len(words)).tolist()
    return {word: count for word, count in zip(words, counts, strict=True) if count and (word or name != "evaluation")}


def _tally(sizes: Floats) -> dict[int, int]:
    """How often each whole number is there; what is none is left out."""
    found, counts = np.unique(sizes[~np.isnan(sizes)], return_counts=True)
    return {int(size): count for size, count in zip(found.tolist(), counts.tolist(), strict=True)}


def _facet(name: str, title: str, counts: dict[str, int], selection: Selection, *, ordered: bool = False) -> Facet:
    """A filter's values, most frequent first unless they have an order of their own."""
    chosen = {*selection.words.get(name, ()), *map(str, selection.sizes.get(name, ()))}
    counts = counts if ordered else _most_first(counts)
    choices = (Choice(value=value, count=count, chosen=value in chosen) for value, count in counts.items())
    return Facet(name=name, title=title, choices=tuple(choices))


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
