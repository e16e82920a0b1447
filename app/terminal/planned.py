"""The planner's answer as lines of text, for a terminal: ``tradespace plan``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.charts.units import MINUS, between, digits, readable, several
from app.door.limits import HEADER_BYTES
from app.errors import Invalid
from app.guide.rejected import CLASS_WORDS
from app.planner.plan import Plan, plan
from app.planner.question import Question, of_address
from app.terminal.beside import aligned
from app.terminal.client import Client
from app.terminal.typed import named, typed
from workers.catalog.declared import Problem

SAID = {"fits": "fits", "tight": "may fit, or may not", "no": "does not fit"}


def answered(model: str, words: Iterable[str], client: Client | None = None) -> Plan:
    """Answer what was typed, here, or on a server that knows its team's devices.

    Args:
        model: a well-known name, or the path of a config.json or a GGUF file.
        words: the question's other fields as ``name=value``.
        client: of the server; None asks none.

    Raises:
        Invalid: every field that is wrong, with what would do.
        ClientError: the server refuses, or does not answer.
    """
    given = typed(words, Question.model_fields)
    path = Path(model)
    if path.suffix == ".gguf":
        # A file's header is read where the file is.
        header = _beginning(path)
        if client is None:
            return plan(of_address(given, header=header))
        return Plan.model_validate(client.plan_of_file(given, header))
    given |= named(model)
    return plan(of_address(given)) if client is None else Plan.model_validate(client.plan(given))


def lines(found: Plan) -> Iterator[str]:
    """Verdict, parts, what would make it fit, how fast, and where it fits."""
    fit = found.fit
    yield f"{found.model.name}: {found.model.parameters:,} parameters"
    yield _sum(found)
    yield ""
    parts = next(each.parts for each in found.instants if each.name == found.peak)
    yield f"At the {found.peak}:"
    yield from aligned(
        (f"  {part.name}", readable(part.bytes, "B"), between(part.low, part.high, "B", part.bytes), part.formula)
        for part in sorted(parts, key=lambda part: -part.bytes)
        if part.high > 0
    )
    if fit and fit.verdict != "fits":
        yield ""
        yield from _ways(found)
    basis = "from ceilings measured on it" if fit and fit.measured else "from the datasheet"
    for speed in fit.speeds if fit else ():
        likely, low, high = speed.per_second
        yield ""
        yield f"{speed.what}: {readable(speed.seconds, 's')} ({readable(speed.low, 's')} to {readable(speed.high, 's')})"
        yield f"  {digits(likely)} tokens a second ({digits(low)} to {digits(high)}); {CLASS_WORDS[speed.binds]} binds; {basis}"
    fitting = [
        f"{one.title} (no {one.lacks})" if one.lacks else one.title for one in found.devices if one.verdict == "fits"
    ]
    yield ""
    yield f"Fits on {len(fitting)} of {several(len(found.devices), 'device')}: {', '.join(fitting) or 'none'}"
    yield from found.remarks


def _sum(found: Plan) -> str:
    needed = f"{readable(found.bytes, 'B')} ({between(found.low, found.high, 'B', found.bytes)}) needed"
    fit = found.fit
    return needed if fit is None else f"{fit.title}: {SAID[fit.verdict]}; {needed}, {readable(fit.free, 'B')} free"


def _ways(found: Plan) -> Iterator[str]:
    if not found.ways:
        least = "" if found.least is None else f"; with all at once it needs {readable(found.least, 'B')}"
        yield f"No change known here makes it fit{least}."
        return
    for number, way in enumerate(found.ways, start=1):
        yield f"What would make it fit, {number}:" if way.verdict == "fits" else f"What might make it fit, {number}:"
        before = found.bytes
        rows = []
        for step in way.steps:
            less = before - step.bytes
            rows.append((f"  {step.words}", f"{MINUS}{readable(less, 'B')}", f"leaves {readable(step.bytes, 'B')}", f"costs {step.costs}"))  # fmt: skip
            before = step.bytes
        yield from aligned(rows)
    if found.smaller:
        yield f"Smaller models that fit as asked: {', '.join(one.name for one in found.smaller)}"


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as error:
        raise Invalid.of(
            [Problem("model", "unreadable", f"cannot be read: {error}.", "The path of a GGUF file.")]
        ) from None
