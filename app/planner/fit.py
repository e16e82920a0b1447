"""Whether something fits into a memory, and the smallest changes of a training step that make it fit."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.planner import training
from app.planner.anatomy import Anatomy
from app.planner.formats import BY_WORD as FORMATS
from app.planner.parts import Needed
from app.planner.training import Training

Verdict = Literal["fits", "tight", "no"]
MOST_CHANGES = 4
RANK = 16
"""Of adapters that are proposed."""
SHORTEST = 512
"""Tokens below which no shorter sequence is proposed."""


def verdict(needed: Needed, budget: float) -> Verdict:
    """Whether memory suffices: surely, perhaps, or surely not.

    Args:
        needed: with its bounds.
        budget: bytes that are free.
    """
    if needed.high <= budget:
        return "fits"
    return "no" if needed.low > budget else "tight"


class Change(NamedTuple):
    """One thing that can be asked for otherwise."""

    words: str
    costs: str
    """What is paid for it, in words."""
    changed: Callable[[Training], Training | None]
    """None where it changes nothing."""


class Way(Frozen):
    """Changes that make it fit together."""

    words: tuple[str, ...]
    costs: tuple[str, ...]
    asked: Training
    needed: Needed


def _with(**values: object) -> Callable[[Training], Training | None]:
    def changed(asked: Training) -> Training | None:
        new = asked.model_copy(update=values)
        return None if new == asked else new

    return changed


def _adapters(quantised: bool) -> Callable[[Training], Training | None]:
    def changed(asked: Training) -> Training | None:
        weights = "nf4_double" if quantised else asked.weights
        if asked.rank is not None and weights == asked.weights:
            return None
        if quantised and FORMATS[asked.weights].is_quantised:
            return None
        return asked.model_copy(update={"rank": asked.rank or RANK, "weights": weights, "master": False})

    return changed


def _one_at_a_time(asked: Training) -> Training | None:
    return asked.model_copy(update={"batch": 1}) if asked.batch > 1 else None


def _half_as_long(asked: Training) -> Training | None:
    return asked.model_copy(update={"sequence": asked.sequence // 2}) if asked.sequence >= 2 * SHORTEST else None


def _eight_bits(asked: Training) -> Training | None:
    return asked.model_copy(update={"optimizer": "adamw_8bit"}) if asked.optimizer in ("adamw", "adamw_bf16") else None


CHANGES: Sequence[Change] = (
    Change("flash attention", "nothing", _with(flash=True)),
    Change("loss in chunks", "nothing", _with(loss="chunked")),
    Change("fused optimizer", "nothing", _with(fused=True)),
    Change("gradient checkpointing", "a forward pass more for each step", _with(checkpointing=True)),
    Change("one sequence at a time, gradients accumulated", "less work at a time", _one_at_a_time),
    Change("8-bit optimizer states", "their precision", _eight_bits),
    Change("BF16 weights without a float32 copy", "precision of small updates", _with(weights="bf16", computing="bf16", master=False)),
    Change(f"adapters of rank {RANK} (LoRA)", "weights that are trained", _adapters(quantised=False)),
    Change("adapters on NF4 weights (QLoRA)", "precision of the frozen weights", _adapters(quantised=True)),
    Change("sequences half as long", "context", _half_as_long),
)  # fmt: skip
"""The smallest first: what costs nothing, then time, then precision, then what is trained, then what is asked."""


def ways(anatomy: Anatomy, asked: Training, budget: float, most: int = 3) -> list[Way]:
    """The smallest sets of changes with which a training step surely fits, fewest changes first.

    Args:
        anatomy: the model.
        asked: what does not fit.
        budget: bytes that are free.
        most: how many to find; no set contains another.
    """
    found: list[tuple[tuple[int, ...], Way]] = []
    for places in _sets(len(CHANGES)):
        if any(set(known) <= set(places) for known, _ in found):
            continue
        new = _applied(asked, [CHANGES[place] for place in places])
        if new is None:
            continue
        needed = training.needed(anatomy, new)
        if needed.high <= budget:
            chosen = [CHANGES[place] for place in places]
            way = Way(
                words=tuple(each.words for each in chosen),
                costs=tuple(each.costs for each in chosen),
                asked=new,
                needed=needed,
            )
            found.append((places, way))
            if len(found) == most:
                break
    return [way for _, way in found]


def _sets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, MOST_CHANGES + 1):
        yield from itertools.combinations(range(count), size)


def _applied(asked: Training, changes: Sequence[Change]) -> Training | None:
    """With all changes; None where one of them changes nothing."""
    for change in changes:
        changed = change.changed(asked)
        if changed is None:
            return None
        asked = changed
    return asked
