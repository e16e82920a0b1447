"""What would have to be given up for another answer: one limit at a time, by as little as it takes."""

from collections.abc import Iterable, Sequence
from typing import Literal

from app.frozen import Frozen
from app.guide import memory
from app.guide.compose import Composed
from app.guide.options import Limit, Option
from app.guide.rank import EPSILON
from app.guide.situation import Decoder, Situation
from app.guide.techniques import by_word

Given = Literal["budget", "tolerance", "latency", "effort", "sequence", "batch", "model"]
LIMIT_WORDS: dict[Limit, str] = {
    "budget": "memory", "tolerance": "loss of quality", "latency": "time", "effort": "effort",
}  # fmt: skip
SHORTEST = 128
"""Tokens below which no shorter sequence is offered."""
STEPS = 12
"""Halvings of the search for a model's largest share of layers."""


class Relaxation(Frozen):
    """One thing that would be asked otherwise, and what would then be advised."""

    gives: Given
    """What changes: a limit, or what is asked for."""
    now: float
    """Bytes, relative loss, seconds, place of effort, tokens, sequences, or parameters."""
    then: float
    factor: float
    """Of the larger over the smaller of both, as far as they can be divided."""
    words: tuple[str, ...]
    titles: tuple[str, ...]
    says: str


def of_limits(options: Sequence[Option], situation: Situation, better_than: Option | None = None) -> list[Relaxation]:
    """For each limit the least by which it alone has to give way, the smallest first.

    Args:
        options: stacks, those that break limits among them.
        situation: what is asked.
        better_than: the pick; only stacks that are clearly faster count then.
    """
    found: dict[Limit, tuple[float, Option, float]] = {}
    for one in options:
        limits = {broken.limit for broken in one.broken}
        if len(limits) != 1 or one.loss_unknown or one.unknown:
            continue
        if better_than is not None and one.ratio.value > better_than.ratio.value * (1 - 2 * EPSILON):
            continue
        (broken,) = one.broken
        now = allowed(broken.limit, situation)
        factor = broken.asks / now if now > 0 else 1.0 + broken.asks
        if broken.limit not in found or factor < found[broken.limit][0]:
            found[broken.limit] = (factor, one, broken.asks)
    return sorted(
        (_relaxation(limit, factor, one, asks, situation) for limit, (factor, one, asks) in found.items()),
        key=lambda each: each.factor,
    )


def of_work(smallest: Composed, situation: Situation) -> list[Relaxation]:
    """Smaller work with which the smallest stack surely fits: shorter sequences, fewer at a time, a model with fewer layers.

    Args:
        smallest: the stack that needs least memory.
        situation: what is asked.
    """
    return list(_smaller_work(smallest, situation))


def _smaller_work(smallest: Composed, situation: Situation) -> Iterable[Relaxation]:
    def fits(values: dict[str, object], share: float = 1.0) -> bool:
        settings = smallest.settings.model_copy(update={"share": smallest.settings.share * share})
        return memory.needed(situation.model_copy(update=values), settings).high <= situation.free

    titles = tuple(by_word()[word].title for word in smallest.words)
    if situation.model.kind == "decoder":
        length = situation.sequence // 2
        while length >= SHORTEST and not fits({"sequence": length}):
            length //= 2
        if length >= SHORTEST:
            yield Relaxation(
                gives="sequence", now=situation.sequence, then=length, factor=situation.sequence / length, words=smallest.words,
                titles=titles, says=f"Sequences of {length:,} tokens surely fit.",
            )  # fmt: skip
    batch = situation.batch // 2
    if smallest.settings.parts == 1:
        while batch >= 1 and not fits({"batch": batch}):
            batch //= 2
        if batch >= 1:
            yield Relaxation(
                gives="batch", now=situation.batch, then=batch, factor=situation.batch / batch, words=smallest.words,
                titles=titles, says=f"{batch:,} at a time surely fit.",
            )  # fmt: skip
    if isinstance(situation.model, Decoder):
        low, high = 0.0, 1.0
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if fits({}, middle) else (low, middle)
        if low > 0:
            left = memory.shrunk(situation.model.anatomy, smallest.settings.share * low).parameters
            if fits({}, low):
                yield Relaxation(
                    gives="model", now=situation.model.parameters, then=left, factor=situation.model.parameters / left,
                    words=smallest.words, titles=titles,
                    says=f"A model of the same shape with {left / situation.model.parameters:.0%} of the parameters surely fits.",
                )  # fmt: skip


def allowed(limit: Limit, situation: Situation) -> float:
    """What a limit allows: bytes, relative loss or seconds; 0 where it is no amount."""
    values: dict[Limit, float] = {
        "budget": situation.free,
        "tolerance": situation.tolerance,
        "latency": situation.latency or 0.0,
        "effort": 0.0,
    }
    return values[limit]


def _relaxation(limit: Limit, factor: float, one: Option, asks: float, situation: Situation) -> Relaxation:
    if limit == "effort":
        said = f"With {one.effort.replace('_', ' ')} effort: {', '.join(one.titles)}."
    elif limit == "tolerance":
        said = f"If a loss of {asks:.1%} were allowed: {', '.join(one.titles)}."
    else:
        said = f"With {factor:.2f} times the {LIMIT_WORDS[limit]}: {', '.join(one.titles)}."
    return Relaxation(
        gives=limit, now=allowed(limit, situation), then=asks, factor=factor, words=one.words, titles=one.titles, says=said
    )  # fmt: skip
