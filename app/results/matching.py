"""Which rows of all results a selection means: a mask for each filter and limit."""

from collections.abc import Mapping

import numpy as np

from app.results.columns import Floats, Mask, Table
from app.results.selection import RATIO, Limit, Selection


def selected(table: Table, selection: Selection) -> Mask:
    """Which rows a selection means."""
    return every(masks(table, selection), table.count)


def column(table: Table, name: str) -> Floats:
    """A figure, or with ``_ratio`` its ratio, of every row."""
    if name.endswith(RATIO):
        return table.column(name.removesuffix(RATIO), "ratio")
    return table.column(name, "value")


def masks(table: Table, selection: Selection) -> dict[str, Mask]:
    """Which rows each filter and limit lets in, by its name."""
    found: dict[str, Mask] = {}
    if not selection.null_tests:
        found["null_tests"] = ~having(table, "family", {"baseline"})
    for name, values in selection.words.items():
        found[name] = having(table, name, set(values))
    for name, sizes in selection.sizes.items():
        found[name] = np.isin(getattr(table, name), sizes)
    for limit in selection.limits:
        within = _within(table, limit)
        found[limit.name] = found[limit.name] & within if limit.name in found else within
    if selection.text:
        found["q"] = _holding(table, selection.text.casefold())
    return found


def every(found: Mapping[str, Mask], count: int, without: str | None = None) -> Mask:
    """Rows that every filter lets in, one of them passed over."""
    whole = np.ones(count, np.bool_)
    for name, mask in found.items():
        if name != without:
            whole &= mask
    return whole


def having(table: Table, name: str, values: set[str]) -> Mask:
    """Rows that have one of some words."""
    if name == "technique":
        codes, words = table.words["techniques"]
        wanted = [code for code, word in enumerate(words) if values & set(word.split("+"))]
    else:
        codes, words = table.words["study_id" if name == "study" else name]
        wanted = [code for code, word in enumerate(words) if word in values]
    found: Mask = np.isin(codes, wanted) if len(wanted) != 1 else codes == wanted[0]
    return found


def _within(table: Table, limit: Limit) -> Mask:
    values = table.column(limit.figure, limit.part)
    with np.errstate(invalid="ignore"):
        within: Mask = values <= limit.value if limit.bound == "lte" else values >= limit.value
    return within


def _holding(table: Table, text: str) -> Mask:
    """Rows in whose names a text stands."""
    names = (f"{row.study}\n{row.variant}\n{row.label}" for row in table.rows[: table.count])
    return np.fromiter((text in name.casefold() for name in names), np.bool_, table.count)
