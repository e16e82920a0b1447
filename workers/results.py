"""What measured runs brought, for a terminal: of each run a table of both arms, and what a reader must know beside it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from workers.catalog import metrics
from workers.catalog.multiplicity import Claim, Corrected, corrected
from workers.catalog.report import IMPROVES, WORSENS, WORST_FIRST, Effect, Report, Verdict
from workers.catalog.spec import PlannedRun

BINARY = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"))
COUNTED = re.compile(r"^(tokens|samples)/s$")
SIGNIFICANT = 3
Together = Mapping[tuple[int, str, str], Corrected]


class Ended(NamedTuple):
    """A run and what it brought back."""

    planned: PlannedRun
    report: Report


def shown(ended: Sequence[Ended]) -> Group:
    """Every run with its figures, then how to read them.

    Verdicts are those that are left when all comparisons of the study are looked at together.
    """
    together = corrections(ended)
    parts: list[RenderableType] = []
    for run, each in enumerate(ended):
        parts.append(Text.assemble((title(each.planned), "bold"), ": ", _outcome(each.report)))
        if each.report.effects:
            parts.append(_table(run, each.report, together))
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in _remarks(run, each.report, together)]
        parts.append(Text())
    legend = "Ratio: variant over baseline; below 1 is less of it than the baseline has."
    if any(found.comparisons > 1 for found in together.values()):
        legend += " Verdicts are corrected for how many comparisons the study makes (Holm)."
    return Group(*parts, Text(legend, style="dim"))


def title(planned: PlannedRun) -> str:
    """What a run is called: its variant, and where it stands in the sweep."""
    point = " ".join(f"{name}={value}" for name, value in planned.point.items())
    against = " (against itself)" if planned.is_baseline else ""
    return f"{planned.variant.name}{against} {point}".rstrip()


def corrections(ended: Sequence[Ended]) -> dict[tuple[int, str, str], Corrected]:
    """Verdicts among all comparisons of the study, by place of the run, metric and phase; null tests have none."""
    return corrected(
        {
            (run, effect.metric, effect.phase): Claim(effect.metric, effect.phase, effect.verdict, effect.p_value)
            for run, (planned, report) in enumerate(ended)
            if not planned.is_baseline
            for effect in report.effects
        }
    )


def quantity(value: float, unit: str) -> str:
    """A value of a base unit as people read it: ``12.4 ms``, ``1.30 GiB``, ``24,038 tokens/s``."""
    size = abs(value)
    steps = BINARY if unit == "B" else TIME if unit == "s" else ()
    if steps:
        divisor, word = next((step for step in steps if size >= step[0]), steps[-1] if size else (1.0, unit))
        return f"{_digits(value / divisor)} {word}"
    word = "" if unit == "1" else unit
    for divisor, prefix in DECIMAL:
        if size >= divisor:
            gap = " " if word[:1].islower() else ""
            return f"{_digits(value / divisor)} {prefix}{gap}{word}"
    return f"{_digits(value)} {word}".rstrip()


def _digits(value: float) -> str:
    """A number with three significant digits, or all before the point; powers of ten below a thousandth."""
    if value == 0:
        return "0"
    exponent = int(f"{value:.{SIGNIFICANT - 1}e}".partition("e")[2])
    if exponent < -3:
        return f"{value:.{SIGNIFICANT - 1}e}"
    return f"{value:,.{max(0, SIGNIFICANT - 1 - exponent)}f}"


def _named(metric: str, phase: str) -> str:
    """A metric's title and the phase it is of, where the title does not say that already."""
    known = metrics.BY_NAME.get(metric)
    if known is None:
        return f"{metric}, {phase}"
    own = known.aspect == "quality" or known.title.lower() == phase.replace("_", " ")
    return known.title if own else f"{known.title}, {phase}"


def _table(run: int, report: Report, together: Together) -> Table:
    """One line for each ratio, with the values of both arms; what is too wide breaks between words, the widest column first."""
    values = {
        # What is counted stands in the title, and 80 columns are few.
        (each.metric, each.phase, each.arm): quantity(each.value, COUNTED.sub("/s", each.unit))
        for each in report.measurements
        if math.isfinite(each.value)
    }
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    drawn.add_column("metric", overflow="fold")
    for arm in ("baseline", "variant"):
        drawn.add_column(arm, justify="right", overflow="fold")
    drawn.add_column("ratio", justify="right", no_wrap=True)
    drawn.add_column("95 % interval", justify="right", overflow="fold")
    drawn.add_column("verdict", no_wrap=True)
    for effect in report.effects:
        key = (effect.metric, effect.phase)
        drawn.add_row(
            Text(_named(*key)),
            Text(values.get((*key, "baseline"), "")),
            Text(values.get((*key, "variant"), "")),
            _digits(effect.ratio),
            f"{_digits(effect.low)} to {_digits(effect.high)}",
            _coloured(_verdict(effect, together.get((run, *key)))),
        )
    return drawn


def _verdict(effect: Effect, together: Corrected | None) -> Verdict:
    return together.verdict if together else effect.verdict


def _coloured(verdict: Verdict) -> Text:
    return Text(verdict, style="green" if verdict in IMPROVES else "red" if verdict in WORSENS else "")


def _outcome(report: Report) -> Text:
    if report.outcome != "ok":
        return Text.assemble((report.outcome, "red"), f": {report.message}" if report.message else "")
    strayed = any(proof.arm == "variant" and proof.ran == "fell_back" for proof in report.proofs)
    return Text("fell back", style="red") if strayed else Text("ok")


def _remarks(run: int, report: Report, together: Together) -> Iterator[str]:
    """What a reader must know of a run beside its figures."""
    yield from _reversed(run, report, together)
    yield from _proven(report)
    unclear = [f"{bound.phase} of the {bound.arm}" for bound in report.bottlenecks if bound.kind == "unclear"]
    for bound in report.bottlenecks:
        if bound.kind != "unclear":
            yield f"What binds {bound.phase} of the {bound.arm}: {bound.sentence}"
    if unclear:
        yield f"What binds is unclear: {', '.join(unclear)}."
    for each in report.measurements:
        if each.metric == metrics.BREAK_EVEN.name:
            calls = f"{each.value:,.0f} calls (95 % interval: {each.low:,.0f} to {each.high:,.0f})"
            yield f"The variant's one-off cost is paid back after {calls}."
    for sentence in report.unmet:
        yield f"Goal not met: {sentence}"
    # A report repeats as notes what fell back or was emulated, which stands above.
    details = tuple(proof.detail for proof in report.proofs if proof.ran != "as_asked" and proof.detail)
    for note in report.notes:
        if not (details and note.endswith(details)):
            yield f"Note: {note}"


def _reversed(run: int, report: Report, together: Together) -> Iterator[str]:
    """Verdicts that a run has alone and loses among all comparisons of the study."""
    for effect in report.effects:
        among = together.get((run, effect.metric, effect.phase))
        if among and among.verdict != effect.verdict:
            yield (
                f"{_named(effect.metric, effect.phase)}: {among.verdict} after correction for {among.comparisons} "
                f"comparisons ({effect.verdict} alone)."
            )


def _proven(report: Report) -> Iterator[str]:
    """What was asked against what ran: worst first, and in detail where it is not the same."""
    for ran in WORST_FIRST:
        those = [proof for proof in report.proofs if proof.ran == ran]
        if ran == "as_asked" and those:
            each = dict.fromkeys(f"{proof.technique} in the {proof.arm}" for proof in those)
            yield f"Ran as asked: {', '.join(each)}."
        elif ran != "as_asked":
            for proof in those:
                yield f"{ran.capitalize().replace('_', ' ')}: {proof.technique} in the {proof.arm}: {proof.detail}"
