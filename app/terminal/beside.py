"""Runs side by side as lines of text, for a terminal: ``tradespace compare``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.charts.units import between, digits, readable, several, times

GAP = "  "


def lines(side: Mapping[str, Any]) -> Iterator[str]:
    """What differs, then each quantity with a line for every run that has it.

    Args:
        side: what ``GET /api/v1/compare`` answers.
    """
    runs: Sequence[Mapping[str, Any]] = side["runs"]
    yield from aligned(
        (one["letter"], one["run"]["variant"], one["run"]["label"], one["study_name"], one["model"], one["workload"])
        for one in runs
    )
    obstacles = [one["field"] for one in (*side["environment"], *side["order"]) if one["affects"] == "values"]
    said = f"not comparable as measured: {', '.join(obstacles) or 'an environment is not known'}"
    yield "comparable as measured" if side["comparable"] else said
    if not side["same_baseline"]:
        yield "the ratios are over different baselines"
    yield ""
    yield from aligned(_rows(side["quantities"], runs))


def _rows(quantities: Iterable[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for quantity in quantities:
        title = str(quantity["title"])
        for one in runs:
            effect = one["run"]["effects"].get(quantity["key"])
            reading = one["run"]["readings"].get(quantity["key"])
            if effect is None and reading is None:
                continue
            # Each quantity is named once.
            yield (title, one["letter"], *_effect(effect), *_reading(reading, quantity["unit"]))
            title = ""


def _effect(effect: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    if effect is None:
        return "", "", "", ""
    exact = effect["low"] == effect["high"]
    span = "exact" if exact else f"{digits(effect['low'])}–{digits(effect['high'])}"
    items = effect["items"]
    behind = several(effect["pairs"], "pair") if items is None else several(items, "item")
    return times(effect["ratio"]), span, str(effect["verdict"]), f"n {behind}"


def _reading(reading: Mapping[str, Any] | None, unit: str) -> tuple[str, str]:
    if reading is None:
        return "", ""
    exact = reading["low"] == reading["high"]
    span = "exact" if exact else between(reading["low"], reading["high"], unit, reading["value"])
    return readable(reading["value"], unit), f"{span}, n {reading['n']}"


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as lines whose columns begin below each other."""
    read = list(rows)
    widths = [max(map(len, column)) for column in zip(*read, strict=True)]
    for row in read:
        yield GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
