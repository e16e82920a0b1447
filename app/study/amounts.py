"""Amounts as people write them in an address, with or without a unit."""

import math
import re
from decimal import Decimal

MULTIPLES: dict[str, dict[str, float]] = {
    "B": {
        **{prefix + "iB": 1024.0**power for power, prefix in enumerate("KMGT", start=1)},
        **{prefix + "B": 1000.0**power for power, prefix in enumerate("kMGT", start=1)},
        "B": 1.0,
    },
    "s": {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9, "min": 60.0},
}
"""Units that an amount may be written in, by base unit, and how many of those each is."""
PREFIXES = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "": 1.0}


def amount(text: str, unit: str) -> float | None:
    """A number as a person writes it, in base units: ``1.3 GiB``, ``12 ms``, ``8e9``; None when it is none.

    Args:
        text: the number, with or without a unit.
        unit: the base unit it stands for when it has none.
    """
    found = _AMOUNT.fullmatch(text.strip().removeprefix("×"))
    factor = _factor(found[2], unit) if found else None
    if found is None or factor is None:
        return None
    # As decimals, so that 21.3 ms are 0.0213 s and not the nearest product of two rounded numbers.
    number = float(Decimal(found[1].replace(",", "").replace("\u2212", "-")) * Decimal(repr(factor)))
    return number if math.isfinite(number) else None


def example(unit: str) -> str:
    """How an amount in a base unit can be written, as a sentence."""
    written = {"B": "8 GiB, or 8e9", "s": "20 ms, or 0.02", "1": "0.95"}.get(unit, f"2.5 {unit}")
    return f"For example {written}; without a unit it is in the base unit ({unit})."


_AMOUNT = re.compile(r"([-+\u2212]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(\S*)")


def _factor(word: str, unit: str) -> float | None:
    """Base units in one of a unit; None for a word that is no unit of these."""
    if word == "":
        return 1.0
    if unit in MULTIPLES:
        return MULTIPLES[unit].get(word)
    return PREFIXES.get(word.removesuffix("" if unit == "1" else unit))
