"""Values become words, here and in the charts' units alone: Jinja filters for numbers, times, states and outcomes."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from pydantic import JsonValue

from app.charts.anatomy import TITLES
from app.charts.basis import behind
from app.charts.chart import certainty
from app.charts.plane import Plane, Spot
from app.charts.units import THIN, Scale, between, digits, readable, scale, times
from app.study.comparison import Comparison
from app.study.outcomes import RAN, ended
from app.study.pareto import Reading
from app.study.quantities import Quantity
from app.study.verdicts import Ratio
from workers.catalog.report import Ran
from workers.catalog.spec import Point

STATES = {
    "queued": "queued",
    "leased": "starting",
    "running": "running",
    "cancelling": "cancelling",
    "done": "done",
    "cancelled": "cancelled",
    "quarantined": "given up",
    "expired": "expired",
}
HEADLINE = ("gpu.name", "device.name", "cpu.model", "torch", "python", "os.release", "os")
"""Fields of an environment that are worth seeing before it is opened; the first whose name holds the words."""
HEADLINE_FIELDS = 4
STRIP_ENDS = 4.0
"""An interval strip reaches from one over this to this."""


def epoch(moment: float | str) -> float:
    """Seconds since 1970 of a moment, which the API writes as text and the ledger as a number."""
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else moment


def iso(moment: float | str) -> str:
    """A moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(epoch(moment), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(moment: float | str, now: float | None = None) -> str:
    """How long a moment lies back, in the coarsest honest unit."""
    passed = max(0.0, (time.time() if now is None else now) - epoch(moment))
    for size, word in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


def until(moment: float | str, now: float | None = None) -> str:
    """How far off a moment is, to the quarter of a minute; it is never sure to the second."""
    left = epoch(moment) - (time.time() if now is None else now)
    if left < 15:
        return "any moment now"
    return f"in about {duration(round(left / 15) * 15 if left < 600 else round(left / 60) * 60)}"


def duration(seconds: float) -> str:
    """A span of wall time, for example ``48 s`` or ``3 min 20 s``."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def point(values: Point) -> str:
    """A point of a sweep in words, for example ``sequence length 128, batch size 1``."""
    return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in values.items())


def interval(reading: Reading, unit: str) -> str:
    """A reading's interval in the unit its value is shown in."""
    return between(reading.low, reading.high, unit, reading.value)


def middle_half(reading: Reading, unit: str) -> str:
    """Between the quartiles of a reading's samples, in the unit its value is shown in; empty for what has no samples."""
    return "" if reading.q1 is None or reading.q3 is None else between(reading.q1, reading.q3, unit, reading.value)


def span(effect: Ratio) -> str:
    """A ratio's interval; counts have none."""
    return "exact" if effect.low == effect.high else f"{digits(effect.low)}–{digits(effect.high)}"


def strip_place(ratio: float) -> str:
    """Where a ratio lies on an interval strip, as a percentage of its width."""
    clamped = min(max(ratio, 1 / STRIP_ENDS), STRIP_ENDS)
    return f"{50 + 50 * math.log(clamped, STRIP_ENDS):.2f}%"


def state(word: str) -> str:
    """A state of a run or a study in a word."""
    return STATES.get(word, word)


def ran(word: Ran) -> str:
    """What ran against what was asked, in words."""
    return RAN[word]


def strays(comparison: Comparison) -> int:
    """How many runs have a technique that did not run as asked."""
    return sum(1 for run in comparison.runs if run.ran not in (None, "as_asked"))


def mattering(comparison: Comparison) -> list[str]:
    """Fields in which the environments of a study's runs differ so that figures may differ too."""
    return list(dict.fromkeys(c.field for other in comparison.elsewhere for c in other.changes if c.matters))


def remarks(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Notes and unmet criteria of all runs, equal sentences once, with the variants they come from."""
    who: dict[str, list[str]] = {}
    for run in comparison.runs:
        for text in (*run.unmet, *run.notes):
            who.setdefault(text, []).append(run.variant)
    return [(text, list(dict.fromkeys(names))) for text, names in who.items()]


def flat(fields: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested fields as dotted names with text values, for a two-column table."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield f"{prefix}{name}", ", ".join(str(item) for item in value) or "–"
        else:
            yield f"{prefix}{name}", "–" if value is None else str(value)


def value(found: JsonValue) -> str:
    """One field of an environment in words."""
    return (
        dict(flat({"": found})).get("", "–")
        if not isinstance(found, Mapping)
        else ", ".join(f"{name} {text}" for name, text in flat(found))
    )


def percent(share: float) -> str:
    """A share, for example ``12 %``."""
    return f"{share:.1%}".replace("%", f"{THIN}%") if 0 < share < 0.1 else f"{share:.0%}".replace("%", f"{THIN}%")


def headline(fields: Mapping[str, JsonValue]) -> str:
    """A few telling fields of an environment in one line."""
    known = [(name.lower(), value) for name, value in flat(fields)]
    found = [next((value for name, value in known if word in name and value != "–"), None) for word in HEADLINE]
    return " · ".join(list(dict.fromkeys(_short(found)))[:HEADLINE_FIELDS])


def _short(values: Iterable[str | None]) -> Iterator[str]:
    for value in values:
        if value:
            yield value if len(value) <= 48 else f"{value[:47]}…"


def budget_unit(quantity: Quantity, most: float) -> Scale:
    """The unit in which a budget of a quantity is set: that in which its largest value reads best."""
    return scale(quantity.unit, most)


def standing(spot: Spot, plane: Plane) -> str:
    """Where an option stands on the trade-off, in a few words."""
    if spot.standing == "over":
        titles = {budget.quantity.key: budget.quantity.title for budget in plane.budgets}
        return f"over budget: {', '.join(titles[key] for key in spot.over)}"
    words = {
        "front": "on the front",
        "possible": "possibly on the front",
        "dominated": "beaten",
        "fell_back": "fell back",
    }
    return words.get(spot.standing or "", "no front here") + (", its knee" if spot.run == plane.knee else "")


def exactly(number: float) -> str:
    """A number for an address."""
    return f"{number:.12g}"


def query(values: Mapping[str, str | None]) -> str:
    """The part of an address after the question mark, without what is not set."""
    return urlencode({name: value for name, value in values.items() if value})


FILTERS = {
    "ago": ago,
    "budget_unit": budget_unit,
    "behind": behind,
    "between": interval,
    "middle_half": middle_half,
    "certainty": certainty,
    "digits": digits,
    "duration": duration,
    "exactly": exactly,
    "ended": ended,
    "flat": flat,
    "headline": headline,
    "iso": iso,
    "mattering": mattering,
    "part": TITLES.__getitem__,
    "percent": percent,
    "point": point,
    "query": query,
    "ran": ran,
    "readable": readable,
    "span": span,
    "standing": standing,
    "state": state,
    "strays": strays,
    "strip_place": strip_place,
    "times": times,
    "until": until,
    "value": value,
}
