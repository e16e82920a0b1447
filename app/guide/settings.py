"""What a stack makes of a situation: formats, what is kept, what is split, how it is executed. Techniques set it field by field."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from app.guide.situation import Situation
from app.guide.techniques import Technique, chosen
from app.planner.memory.inference import Loading
from app.planner.memory.states import Sharding
from app.planner.work import TORCH_NAMES, Step


class Settings(Step):
    """Everything memory and time depend on: how a step is computed, as the planner has it, and what is done around it."""

    loading: Loading | None = None
    """How weights come to have their format; None loads as is usual for it."""
    activations: str | None = None
    """Format of activations that are moved; None for the computing one."""
    sharding: Sharding = "none"
    tensor_parallel: bool = False
    parts: int | None = 1
    """Parts that a batch is taken in, one after the other; None for one sequence or image at a time."""
    reuse: bool = False
    """Whether keys and values of earlier tokens are kept."""
    draft_tokens: int = 1
    """Tokens that a decoding step checks together."""
    share: float = 1.0
    """Of the layers' weights that remain."""


def plain(situation: Situation) -> tuple[str, ...]:
    """Words of the stack that somebody has who chose nothing: inference in the published format if the device computes in it.

    Attention is then torch's own (SDPA), which never writes out its scores; it has no word.
    """
    words = []
    if situation.phase == "inference":
        published = situation.model.published
        if published != "fp32" and situation.device.computes(TORCH_NAMES[published]):
            words.append(published)
    if situation.task == "chat":
        words.append("kv_cache")
    return tuple(words)


def applied(stack: Sequence[Technique]) -> Settings:
    """Settings of a stack whose techniques stand in the order in which they act."""
    values: dict[str, Any] = {}
    for technique in stack:
        for name, value in technique.sets.items():
            if value == "@computing":
                value = values.get("computing", "fp32")
            values[name] = value
        for name, factor in technique.times.items():
            if name == "linear_operators":
                values[name] = values.get(name, 0.0) + factor
            else:
                values[name] = values.get(name, 1.0) * factor
    return Settings.model_validate(values)


@cache
def of_words(words: tuple[str, ...]) -> Settings:
    """Settings of a stack by the words of its techniques, in any order.

    Raises:
        Invalid: as ``chosen``.
    """
    return applied(chosen(words))
