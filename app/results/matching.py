"""Which rows of all results a selection means: a mask for each filter and limit, made once however many questions follow."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from app.results.columns import Floats, Mask, Table
from app.results.selection import RATIO, Limit, Selection


class Matched:
    """The rows that a selection means, and those that it would mean without some of what was picked."""

    def __init__(self, table: Table, selection: Selection) -> None:
        self.table = table
        self.selection = selection
        self.masks = _masks(table, selection)
        """Which rows each filter and limit lets in, by its name."""

    @cached_property
    def rows(self) -> Mask:
        """Those that every filter and limit lets in."""
        return self._all(self.masks)

    @cached_property
    def unlimited(self) -> Mask:
        """Those that every filter lets in, whatever the limits."""
        limits = {limit.name for limit in self.selection.limits}
        return self._all(name for name in self.masks if name not in limits) if limits else self.rows

    @cached_property
    def failed(self) -> Mask:
        """Those that ended without figures, whatever the limits: there is nothing to hold against them."""
        return self.unlimited & ~having(self.table, "outcome", {"ok"})

    @cached_property
    def options(self) -> Mask:
        """Those that can be chosen: all with figures that did not fall back, whatever the limits."""
        return self.unlimited & having(self.table, "outcome", {"ok"}) & ~having(self.table, "ran", {"fell_back"})

    def without(self, name: str) -> Mask:
        """Those that every filter and limit but one lets in."""
        return self._all(other for other in self.masks if other != name) if name in self.masks else self.rows

    def _all(self, names: Iterable[str]) -> Mask:
        whole = np.ones(self.table.count, np.bool_)
        for name in names:
            whole &= self.masks[name]
        return whole


def column(table: Table, name: str) -> Floats:
    """A figure, or with ``_ratio`` its ratio, of every row."""
    if name.endswith(RATIO):
        return table.column(name.removesuffix(RATIO), "ratio")
    return table.column(name, "value")


def having(table: Table, name: str, values: set[str]) -> Mask:
    """Rows that have one of some words."""
    if name == "technique":
        codes, words = table.words["techniques"]
        wanted = [code for code, word in enumerate(words) if values & set(word.split("+"))]
    else:
        codes, words = table.words["study_id" if name == "study" else name]
        wanted = [code for code, word in enumerate(words) if word in values]
    if len(wanted) == 1:
        found: Mask = codes == wanted[0]
        return found
    known = np.zeros(len(words), np.bool_)
    known[wanted] = True
    return known[codes]


def within(table: Table, limit: Limit) -> Mask:
    """Rows that keep a limit; one that did not measure the figure does not, because nobody knows that it fits."""
    values = table.column(limit.figure, limit.part)
    with np.errstate(invalid="ignore"):
        kept: Mask = values <= limit.value if limit.bound == "lte" else values >= limit.value
    return kept


def _masks(table: Table, selection: Selection) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    if not selection.null_tests:
        found["null_tests"] = ~having(table, "family", {"baseline"})
    for name, values in selection.words.items():
        found[name] = having(table, name, set(values))
    for name, sizes in selection.sizes.items():
        found[name] = np.isin(table.size(name), sizes)
    for limit in selection.limits:
        kept = within(table, limit)
        found[limit.name] = found[limit.name] & kept if limit.name in found else kept
    if selection.text:
        found["q"] = _holding(table, selection.text.casefold())
    return found


def _holding(table: Table, text: str) -> Mask:
    """Rows in whose names a text stands."""
    names = (f"{row.study}\n{row.variant}\n{row.label}" for row in table.rows[: table.count])
    return np.fromiter((text in name.casefold() for name in names), np.bool_, table.count)
