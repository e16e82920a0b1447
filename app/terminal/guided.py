"""The guide's answer as lines of text, for a terminal: ``tradespace guide``."""

from collections.abc import Iterable, Iterator

from app.charts.units import between, digits, readable, times
from app.guide.answer import Answer, answer
from app.guide.options import Figure, Option
from app.guide.question import GuideQuestion, of_address
from app.guide.rejected import STAGES
from app.terminal.beside import aligned
from app.terminal.client import Client
from app.terminal.typed import named, typed

SHOWN = 5
"""Stacks that are listed."""
PER_CENT = 100


def answered(model: str, words: Iterable[str], client: Client | None = None) -> Answer:
    """Answer what was typed, from the literature and formulas alone, or from a server with what its team measured too.

    Args:
        model: the name of a model, or the path of a config.json.
        words: the question's other fields as ``name=value``.
        client: of the server; None asks none.

    Raises:
        Invalid: every field that is wrong, with what would do.
    """
    given = typed(words, GuideQuestion.model_fields) | named(model)
    return answer(of_address(given)) if client is None else Answer.model_validate(client.guide(given))


def lines(found: Answer) -> Iterator[str]:
    """The pick with its reasons, the stacks in order, what would change the answer, what was rejected and why."""
    advice = found.advice
    yield advice.headline
    for reason in advice.reasons:
        yield f"  {reason}"
    yield f"Now: {advice.regime.says} {' '.join(advice.assumed)}".rstrip()
    if advice.ranked:
        yield ""
        yield from aligned(
            [("Stack", "time", "memory", "loss of quality", "evidence"), *map(_row, advice.ranked[:SHOWN])]
        )
        yield from (f"  {' + '.join(one.titles)}: {one.remark}" for one in advice.ranked[:SHOWN] if one.remark)
    if advice.changes or advice.preferences:
        yield ""
        yield "What would change the answer:"
        yield from (f"  {one.says}" for one in advice.changes)
        yield from (f"  {said}" for said in advice.preferences)
    if advice.experiments:
        yield ""
        yield "What to measure next:"
        yield from (f"  {' + '.join(one.titles)}: {one.because}" for one in advice.experiments)
    for stage, title in STAGES.items():
        those = [one for one in advice.rejected if one.stage == stage]
        if those:
            yield ""
            yield f"Left out, {title}:"
            yield from (f"  {one.title}: {one.because}" for one in those)


def _row(one: Option) -> tuple[str, str, str, str, str]:
    loss = (
        "unknown, measure"
        if one.loss_unknown
        else f"{PER_CENT * one.loss.value:.1f} % (at most {PER_CENT * one.loss.high:.1f})"
    )
    span = f"{times(one.ratio.value)} ({digits(one.ratio.low, 2)}–{digits(one.ratio.high, 2)})"
    return (
        " + ".join(one.titles) or "nothing chosen",
        span,
        _bytes(one.memory),
        loss,
        f"{one.ratio.kind}, grade {one.grade}",
    )


def _bytes(figure: Figure) -> str:
    return f"{readable(figure.value, 'B')} ({between(figure.low, figure.high, 'B', figure.value)})"
