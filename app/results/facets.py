"""What is left to choose from among all results: counted values of filters, spans of figures, what limits cost, failures."""

from collections.abc import Mapping

import numpy as np

from app.frozen import Frozen
from app.results.columns import Mask, Places, Table
from app.results.figures import FIGURES, Part
from app.results.matching import every, having, masks, selected
from app.results.selection import AXES, FACETS, SIZES, Selection, parts

ALIKE = ("model", "workload", "hardware", "environment")
"""What has to be the same for values as measured to stand in one picture, besides batch size and length."""


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
    """What one limit does."""

    name: str
    figure: str
    part: str
    bound: str
    value: float
    removes: int
    """Results that this limit alone keeps out."""
    unknown: int
    """Of these, results that did not measure the figure."""
    relaxed: float | None
    """The nearest value that would let more in; None when no value would."""
    gains: int
    """How many it would let in."""


class Range(Frozen):
    """One figure, or its ratio, among the results that the filters leave when no limit is set."""

    figure: str
    part: Part
    count: int
    """Results that measured it."""
    low: float
    high: float


def facets(table: Table, selection: Selection) -> tuple[Facet, ...]:
    """Every filter's values with their counts."""
    found = []
    by_name = masks(table, selection)
    for name, title in FACETS.items():
        mask = every(by_name, table.count, without=name)
        codes, words = table.words["techniques" if name == "technique" else name]
        tally = np.bincount(codes[mask], minlength=len(words))
        counts: dict[str, int] = dict.fromkeys(selection.words.get(name, ()), 0)
        for word, count in zip(words, tally.tolist(), strict=False):
            for value in word.split("+") if name == "technique" else (word,):
                if value and count:
                    counts[value] = counts.get(value, 0) + count
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        chosen = selection.words.get(name, ())
        found.append(
            Facet(
                name=name,
                title=title,
                choices=tuple(Choice(value=value, count=count, chosen=value in chosen) for value, count in ordered),
            )
        )
    found += [_sizes(table, selection, by_name, name, title) for name, title in SIZES.items()]
    return tuple(found)


def ranges(table: Table, selection: Selection) -> tuple[Range, ...]:
    """What every figure and ratio spans, in the order of the figures; those that no result measured are left out."""
    mask = selected(table, selection.model_copy(update={"limits": ()}))
    found = []
    for figure in FIGURES:
        for part in parts(figure):
            values = table.column(figure.word, part)[mask]
            values = values[~np.isnan(values)]
            if len(values):
                low, high = float(values.min()), float(values.max())
                found.append(Range(figure=figure.word, part=part, count=len(values), low=low, high=high))
    return tuple(found)


def failures(table: Table, selection: Selection) -> dict[str, int]:
    """How many of the results ended without figures, by outcome, whatever the limits; most frequent first."""
    codes, words = table.words["outcome"]
    tally = np.bincount(codes[failing(table, selection)], minlength=len(words)).tolist()
    counts = {word: count for word, count in zip(words, tally, strict=False) if count}
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def apart(table: Table, selection: Selection) -> tuple[Facet, ...]:
    """Of what has to be alike for values as measured to stand in one picture, what is not, with the values there are."""
    across, up = (table.column(selection.figure(axis).word, "value") for axis in AXES)
    placed = np.flatnonzero(selected(table, selection) & ~np.isnan(across) & ~np.isnan(up))
    return tuple(_values(table, placed, name, selection) for name in mixed(table, placed))


def budgets(table: Table, selection: Selection) -> tuple[Budget, ...]:
    """What each limit keeps out, and what relaxing it to the nearest value would gain."""
    return weighed(table, selection, masks(table, selection))


def weighed(table: Table, selection: Selection, by_name: Mapping[str, Mask]) -> tuple[Budget, ...]:
    """As ``budgets``, for whoever has the mask of each filter and limit already."""
    found = []
    for limit in selection.limits:
        values = table.column(limit.figure, limit.part)
        out = every(by_name, table.count, without=limit.name) & ~by_name[limit.name]
        beyond = values[out & ~np.isnan(values)]
        relaxed = (beyond.min() if limit.bound == "lte" else beyond.max()) if len(beyond) else None
        found.append(
            Budget(
                name=limit.name,
                figure=limit.figure,
                part=limit.part,
                bound=limit.bound,
                value=limit.value,
                removes=int(np.count_nonzero(out)),
                unknown=int(np.count_nonzero(out)) - len(beyond),
                relaxed=None if relaxed is None else float(relaxed),
                gains=0 if relaxed is None else int(np.count_nonzero(beyond == relaxed)),
            )
        )
    return tuple(found)


def failing(table: Table, selection: Selection) -> Mask:
    """Results that ended without figures, whatever the limits: there is nothing to hold against those."""
    mask = selected(table, selection.model_copy(update={"limits": ()}))
    return mask & ~having(table, "outcome", {"ok"})


def _sizes(table: Table, selection: Selection, by_name: Mapping[str, Mask], name: str, title: str) -> Facet:
    """A filter by a whole number, with its values from small to large."""
    values = getattr(table, name)[every(by_name, table.count, without=name)]
    found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    chosen = selection.sizes.get(name, ())
    tally = dict.fromkeys(chosen, 0) | {int(size): count for size, count in zip(found, counts.tolist(), strict=True)}
    choices = (Choice(value=str(size), count=tally[size], chosen=size in chosen) for size in sorted(tally))
    return Facet(name=name, title=title, choices=tuple(choices))


def _values(table: Table, placed: Places, name: str, selection: Selection) -> Facet:
    """What some rows have in one respect, most frequent first."""
    if name in SIZES:
        sizes = getattr(table, name)[placed]
        found, counts = np.unique(sizes[~np.isnan(sizes)], return_counts=True)
        tally = {str(int(size)): count for size, count in zip(found, counts.tolist(), strict=True)}
    else:
        codes, words = table.words[name]
        found, counts = np.unique(codes[placed], return_counts=True)
        tally = {words[code]: count for code, count in zip(found, counts.tolist(), strict=True)}
    ordered = sorted(tally.items(), key=lambda one: (-one[1], one[0]))
    title = {**FACETS, **SIZES, "environment": "Environment"}[name]
    chosen = {*selection.words.get(name, ()), *map(str, selection.sizes.get(name, ()))}
    return Facet(
        name=name,
        title=title,
        choices=tuple(Choice(value=value, count=count, chosen=value in chosen) for value, count in ordered),
    )


def mixed(table: Table, placed: Places) -> dict[str, int]:
    """Of what has to be alike among some rows, what is not, and in how many values."""
    found = {name: len(np.unique(table.words[name][0][placed])) for name in ALIKE}
    for name in SIZES:
        sizes = getattr(table, name)[placed]
        found[name] = len(np.unique(sizes[~np.isnan(sizes)]))
    return {name: count for name, count in found.items() if count > 1}
