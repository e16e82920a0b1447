"""Base units become readable ones: the prefix that fits, three significant digits. Pages and charts share this."""

from typing import NamedTuple

THIN = "\u202f"
"""Narrow no-break space between a number and its unit."""
MINUS = "\u2212"
BINARY = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Scale(NamedTuple):
    """A readable unit and how many base units it holds."""

    divisor: float
    unit: str


def scale(unit: str, magnitude: float) -> Scale:
    """The unit in which a value of about this magnitude reads best.

    Args:
        unit: a base unit of the metrics, for example ``s`` or ``B``.
        magnitude: a value in that unit.
    """
    size = abs(magnitude)
    if unit == "B":
        return next((Scale(*step) for step in BINARY if size >= step[0]), Scale(1.0, "B"))
    if unit == "s":
        fallback = Scale(1.0, "s") if size == 0 else Scale(*TIME[-1])
        return next((Scale(*step) for step in TIME if size >= step[0]), fallback)
    word = "" if unit == "1" else unit
    if unit == "nat":
        return Scale(1.0, word)
    for divisor, prefix in DECIMAL:
        if size >= divisor and (divisor != 1e3 or size >= 1e5 or unit.startswith("FLOP")):
            return Scale(divisor, f"{prefix}{THIN if prefix and unit[:1].islower() else ''}{word}")
    return Scale(1.0, word)


def digits(value: float, significant: int = 3) -> str:
    """A number with so many significant digits, thousands separated, powers of ten below a thousandth."""
    if value == 0:
        return "0"
    exponent = int(f"{value:.{significant - 1}e}".split("e")[1])
    if exponent < -3:
        mantissa = value / 10.0**exponent
        text = f"{mantissa:.{max(0, significant - 2)}f}×10{str(exponent).translate(SUPERSCRIPT)}"
    else:
        text = f"{value:,.{max(0, significant - 1 - exponent)}f}"
    return text.replace("-", MINUS)


def readable(value: float, unit: str, significant: int = 3) -> str:
    """A value with its unit, for example ``12.4 ms`` or ``1.30 GiB``."""
    chosen = scale(unit, value)
    number = digits(value / chosen.divisor, significant)
    return f"{number}{THIN}{chosen.unit}" if chosen.unit else number


def between(low: float, high: float, unit: str, magnitude: float) -> str:
    """An interval in the unit in which ``magnitude`` is shown, without the unit: ``12.1–12.8``."""
    divisor = scale(unit, magnitude).divisor
    return f"{digits(low / divisor)}–{digits(high / divisor)}"


def times(ratio: float) -> str:
    """A ratio against the baseline, for example ``×0.52``."""
    return f"×{digits(ratio, 3 if ratio >= 1 else 2 if ratio < 0.995 else 3)}"


def several(count: int, noun: str) -> str:
    """How many of something there are, for example ``1 pair`` or ``2,048 items``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
