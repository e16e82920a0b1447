"""What would make it fit: the smallest changes to a question, those that cost nothing first."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from app.frozen import Frozen
from app.planner.memory import inference, training
from app.planner.memory.fit import Verdict, verdict
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.inference import CACHE_BITS
from app.planner.memory.parts import Needed
from app.planner.models.anatomy import Anatomy
from app.planner.question import Question
from app.planner.question import inference as of_inference
from app.planner.question import training as of_training

MOST_CHANGES = 4
SHORTEST = 256
"""Tokens below which no shorter sequence is proposed."""
CHUNK = 2_048
"""Tokens of prompts that engines compute at a time."""

Fields = Mapping[str, Any]


class Change(NamedTuple):
    """One thing that can be asked for otherwise."""

    words: str
    costs: str
    """What is paid for it, in words."""
    about: str
    """Of changes about the same thing, one is made."""
    fields: Callable[[Question], Fields | None]
    """What to ask instead; None where it changes nothing or does not apply."""


class Step(Frozen):
    """One change of a way, after those before it."""

    words: str
    costs: str
    bytes: float
    """Needed with it."""
    low: float
    high: float


class Way(Frozen):
    """Changes that together make it fit, in the order of their cost."""

    verdict: Verdict
    steps: tuple[Step, ...]
    question: Question


def needed(anatomy: Anatomy, question: Question, on_gpu: bool = True) -> Needed:
    """Memory of each device at every instant that may be the largest."""
    if question.phase == "inference":
        return inference.needed(anatomy, of_inference(question, on_gpu))
    return training.needed(anatomy, of_training(question, on_gpu))


def _of_training(field: str, wanted: Any) -> Callable[[Question], Fields | None]:
    def fields(question: Question) -> Fields | None:
        return {field: wanted} if question.phase != "inference" and getattr(question, field) != wanted else None

    return fields


def _recompute(question: Question) -> Fields | None:
    return {"checkpointing": True} if question.phase != "inference" and not question.recomputes else None


def _one_at_a_time(question: Question) -> Fields | None:
    # An update stays what it was: training adds up the gradients of as many steps.
    return {"batch": 1, "accumulating": question.phase != "inference"} if question.batch > 1 else None


def _shorter(times: int) -> Callable[[Question], Fields | None]:
    def fields(question: Question) -> Fields | None:
        return {"sequence": question.sequence // times} if question.sequence >= times * SHORTEST else None

    return fields


def _eight_bit_states(question: Question) -> Fields | None:
    fits = question.phase != "inference" and question.kept_optimizer in ("adamw", "adamw_bf16", "lion")
    return {"optimizer": "adamw_8bit"} if fits else None


def _no_master(question: Question) -> Fields | None:
    if question.phase == "training" and (question.master or question.kept_weights == "fp32"):
        return {"weights": None, "computing": "bf16", "master": False}
    return None


def _adapters(question: Question) -> Fields | None:
    return {"phase": "lora", "master": False} if question.phase == "training" else None


def _quantised_adapters(question: Question) -> Fields | None:
    if question.phase not in ("training", "lora"):
        return None
    return {"phase": "qlora", "weights": None, "master": False}


def _weights(word: str) -> Callable[[Question], Fields | None]:
    def fields(question: Question) -> Fields | None:
        fewer = FORMATS[word].bits < FORMATS[question.kept_weights].bits
        changed = {"weights": word, "loading": None}
        # What a file holds is not changed by asking: without a model's name there is nothing to quantise.
        named = question.model is not None or question.config is not None
        if FORMATS[word].mixture is not None and question.kept_cache == "fp8":
            # llama.cpp keeps no FP8; its 8 bits are these.
            changed["cache"] = "q8_0"
        return changed if question.phase == "inference" and fewer and named else None

    return fields


def _cache(word: str) -> Callable[[Question], Fields | None]:
    def fields(question: Question) -> Fields | None:
        fewer = CACHE_BITS[word] < CACHE_BITS[question.kept_cache]
        return {"cache": word} if question.phase == "inference" and fewer else None

    return fields


def _chunked(question: Question) -> Fields | None:
    tokens = question.batch * question.sequence
    if question.phase != "inference" or tokens <= CHUNK or (question.chunk or tokens) <= CHUNK:
        return None
    return {"chunk": CHUNK}


CHANGES: Sequence[Change] = (
    Change("flash attention", "nothing", "attention", _of_training("flash", True)),
    Change("loss in chunks, or fused with the head", "nothing", "loss", _of_training("loss", "chunked")),
    Change("fused optimizer step", "nothing", "step", _of_training("fused", True)),
    Change(f"prompts in chunks of {CHUNK:,} tokens", "next to nothing", "chunk", _chunked),
    Change("embedding, head and inputs in BF16, not upcast", "precision of norms and head", "upcast", _of_training("upcast", False)),
    Change("gradient checkpointing", "a forward pass more for each step", "checkpointing", _recompute),
    Change("one sequence at a time", "speed; in training, accumulate gradients over as many steps", "batch", _one_at_a_time),
    Change("8-bit optimizer states", "precision of the states", "states", _eight_bit_states),
    Change("weights and gradients in BF16 alone", "precision of small updates", "precision", _no_master),
    Change("KV cache in 8 bits", "precision of keys and values", "cache", _cache("fp8")),
    Change("weights in INT8", "a little quality", "weights", _weights("int8")),
    Change("adapters instead of all weights (LoRA)", "which weights are trained", "adapters", _adapters),
    Change("adapters on NF4 weights (QLoRA)", "which weights are trained, precision of the frozen ones", "adapters", _quantised_adapters),
    Change("KV cache in 4 bits", "precision of keys and values", "cache", _cache("q4_0")),
    Change("weights in INT4", "quality, more of it in small models", "weights", _weights("int4")),
    Change("weights in Q3_K_M, as a GGUF file in llama.cpp", "much quality in small models", "weights", _weights("q3_k_m")),
    Change("weights in Q2_K, as a GGUF file in llama.cpp", "much quality", "weights", _weights("q2_k")),
    Change("sequences half as long", "context", "sequence", _shorter(2)),
    Change("sequences a quarter as long", "context", "sequence", _shorter(4)),
)  # fmt: skip
"""The smallest first: what costs nothing, then time, then precision, then what is trained, then what is asked."""


def ways(anatomy: Anatomy, question: Question, budget: float, on_gpu: bool = True, most: int = 3) -> list[Way]:
    """The smallest sets of changes with which it fits, fewest changes first; where none surely fits, those that might.

    Args:
        anatomy: the model.
        question: what does not fit.
        budget: bytes that are free.
        on_gpu: whether a GPU's overheads count.
        most: how many to find; no set contains another.
    """
    if least(anatomy, question, on_gpu).low > budget:
        return []
    able = [change for change in CHANGES if change.fields(question) is not None]
    # With the most of everything but one: where that is not enough, every way has a change about that.
    most_of = {change.about: change for change in able}
    without = {about: _without(anatomy, question, most_of, about, on_gpu) for about in most_of}
    held: dict[frozenset[str], tuple[Question, Needed] | None] = {}
    for wanted, refused in (("fits", ("tight", "no")), ("tight", ("no",))):
        must = {about for about, left in without.items() if verdict(left, budget) in refused}
        found: dict[tuple[Change, ...], Way] = {}
        for chosen in _sets(able, must):
            words = frozenset(change.words for change in chosen)
            if any(_goes_further(chosen, known) for known in found):
                continue
            if words not in held:
                changed = applied(question, chosen)
                held[words] = None if changed is None else (changed, needed(anatomy, changed, on_gpu))
            reached = held[words]
            if reached is not None and verdict(reached[1], budget) == wanted:
                found[chosen] = _way(anatomy, question, chosen, wanted, on_gpu)
                if len(found) == most:
                    break
        if found and wanted == "tight":
            # More changes than were tried in every combination may surely do.
            longer = _long(anatomy, question, budget, on_gpu)
            return [*(way for way in longer if way.verdict == "fits"), *found.values()][:most]
        if found:
            return list(found.values())
    return _long(anatomy, question, budget, on_gpu)


def _goes_further(chosen: Sequence[Change], known: Sequence[Change]) -> bool:
    """Whether a set changes all that another one changes, and as much or more: what it costs besides buys nothing."""
    places = {change.about: CHANGES.index(change) for change in chosen}
    return all(places.get(change.about, -1) >= CHANGES.index(change) for change in known)


def _long(anatomy: Anatomy, question: Question, budget: float, on_gpu: bool) -> list[Way]:
    """One set of more changes: in their order until it fits, then without those that are not needed."""
    chosen: list[Change] = []
    best: Verdict = "no"
    for change in CHANGES:
        changed = applied(question, [*chosen, change])
        if changed is None or any(change.about == one.about == "sequence" for one in chosen):
            continue
        chosen.append(change)
        best = verdict(needed(anatomy, changed, on_gpu), budget)
        if best == "fits":
            break
    if best == "no":
        return []
    for change in chosen[:-1] if best == "fits" else chosen:
        fewer = [one for one in chosen if one is not change]
        changed = applied(question, fewer)
        if changed is not None and verdict(needed(anatomy, changed, on_gpu), budget) == best:
            chosen = fewer
    return [_way(anatomy, question, chosen, best, on_gpu)]


def applied(question: Question, changes: Sequence[Change]) -> Question | None:
    """With all changes; None where one of them changes nothing after those before it."""
    for change in changes:
        fields = change.fields(question)
        if fields is None:
            return None
        question = question.model_copy(update=dict(fields))
    return question


def _without(anatomy: Anatomy, question: Question, most_of: Mapping[str, Change], about: str, on_gpu: bool) -> Needed:
    """What is needed with the largest change about each thing but one."""
    for one, change in most_of.items():
        if one != about:
            question = question.model_copy(update=dict(change.fields(question) or {}))
    return needed(anatomy, question, on_gpu)


def least(anatomy: Anatomy, question: Question, on_gpu: bool = True) -> Needed:
    """What is needed with every change, one after the other."""
    taken: set[str] = set()
    for change in CHANGES:
        changed = applied(question, [change])
        if changed is not None and not (change.about == "sequence" and "sequence" in taken):
            question = changed
            taken.add(change.about)
    return needed(anatomy, question, on_gpu)


def _way(anatomy: Anatomy, question: Question, changes: Sequence[Change], reached: Verdict, on_gpu: bool) -> Way:
    steps = []
    for change in changes:
        question = question.model_copy(update=dict(change.fields(question) or {}))
        now = needed(anatomy, question, on_gpu)
        steps.append(Step(words=change.words, costs=change.costs, bytes=now.peak.bytes, low=now.low, high=now.high))
    return Way(verdict=reached, steps=tuple(steps), question=question)


def _sets(able: Sequence[Change], must: Set[str]) -> Iterator[tuple[Change, ...]]:
    """All of few changes, about different things, those among them that there must be."""
    for size in range(max(1, len(must)), MOST_CHANGES + 1):
        for chosen in itertools.combinations(able, size):
            about = {change.about for change in chosen}
            if len(about) == size and must <= about:
                yield chosen
