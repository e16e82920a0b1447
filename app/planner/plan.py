"""The answer to a question: what it needs, part by part; where it fits; what would make it fit; how fast it may be."""

from collections.abc import Iterator

from app.frozen import Frozen
from app.planner import machines
from app.planner.machines import Machine
from app.planner.memory.fit import Verdict, verdict
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.parts import Needed, Part
from app.planner.models import known
from app.planner.models.anatomy import Anatomy
from app.planner.question import Question, Read
from app.planner.speed import Speed, speeds
from app.planner.ways import Way, least, needed, ways
from app.planner.work import TORCH_NAMES

FREE_MEMORY = "free memory"
"""Stands for a device where an amount alone was given."""
SMALLER = 3
"""Smaller models that are named."""
GIB = 2**30
WORTH_A_REMARK = GIB / 4


class ModelFacts(Frozen):
    """What the answer rests on of the model."""

    name: str
    source: str | None
    family: str
    parameters: int
    active_parameters: int
    """That are multiplied for each token."""
    layers: int
    hidden: int
    heads: int
    vocabulary: int
    context: int | None
    cache_bytes: float
    """Of keys and values of one token more, in 16 bits, before any window is full."""


class ShownInstant(Frozen):
    """An instant at which memory may be largest."""

    name: str
    bytes: float
    low: float
    high: float
    parts: tuple[Part, ...]


class Fit(Frozen):
    """One device, or one amount of memory."""

    title: str
    url: str | None
    """Its page, where it is the team's own."""
    measured: bool
    """Whether its speeds rest on ceilings that were measured on it."""
    memory: int
    """Bytes it has."""
    free: float
    """Bytes of them that the verdict is about."""
    verdict: Verdict
    """Of its memory."""
    lacks: str | None
    """The format to compute in, where the device has no units for it."""
    speeds: tuple[Speed, ...]


class Smaller(Frozen):
    """A smaller well-known model with which the question, unchanged, fits."""

    name: str
    parameters: int
    bytes: float


class Plan(Frozen):
    """The whole answer."""

    question: Question
    """With every setting that was left out."""
    model: ModelFacts
    bytes: float
    """At the peak."""
    low: float
    high: float
    peak: str
    """The instant that decides."""
    instants: tuple[ShownInstant, ...]
    fit: Fit | None
    """On the device or in the memory of the question; None where neither was named."""
    ways: tuple[Way, ...]
    """What would make it fit; empty where it fits, or where nothing does."""
    least: float | None
    """Where nothing makes it fit: bytes that it needs with every change at once."""
    smaller: tuple[Smaller, ...]
    devices: tuple[Fit, ...]
    """Every device with a datasheet."""
    remarks: tuple[str, ...]
    header_bytes: int | None
    """Of a GGUF file's beginning, how much of it was needed."""


def plan(read: Read) -> Plan:
    """Answer a question."""
    question, anatomy, machine = read.question, read.anatomy, read.machine
    on_gpu = machine is None or machine.gpu
    needs = {True: needed(anatomy, question), False: needed(anatomy, question, on_gpu=False)}
    found = needs[on_gpu]
    fit = _fit(read, found)
    wanting = fit is not None and fit.verdict != "fits"
    tries = ways(anatomy, question, fit.free, on_gpu) if fit and wanting else []
    return Plan(
        question=question.model_copy(update=_said(question)),
        model=_facts(read),
        bytes=found.peak.bytes,
        low=found.low,
        high=found.high,
        peak=found.peak.name,
        instants=tuple(
            ShownInstant(name=each.name, bytes=each.bytes, low=each.low, high=each.high, parts=each.parts)
            for each in found.instants
        ),
        fit=fit,
        ways=tuple(tries),
        least=_least(anatomy, question, on_gpu, found.high) if wanting and not tries else None,
        smaller=_smaller(read, fit.free, on_gpu) if fit and wanting and read.header_bytes is None else (),
        devices=tuple(
            _on(each, anatomy, question, needs[each.gpu], each.free) for each in (*read.own, *machines.known())
        ),
        remarks=tuple(_remarks(read, fit)),
        header_bytes=read.header_bytes,
    )


def _least(anatomy: Anatomy, question: Question, on_gpu: bool, now: float) -> float | None:
    """With every change at once; None where that is no less than now."""
    found = least(anatomy, question, on_gpu).high
    return found if found < now else None


def _said(question: Question) -> dict[str, str | bool | None]:
    """What was left out, as it was taken; of a file's weights only their bytes are said."""
    weights = question.kept_weights if question.stored_bytes is None else None
    computed_again = question.recomputes if question.phase != "inference" else None
    optimizer = question.kept_optimizer if question.phase != "inference" else None
    return {"weights": weights, "cache": question.kept_cache, "checkpointing": computed_again, "optimizer": optimizer}


def _fit(read: Read, found: Needed) -> Fit | None:
    question, machine = read.question, read.machine
    if machine is not None:
        free = float(question.memory) if question.memory is not None else machine.free
        return _on(machine, read.anatomy, question, found, free)
    if question.memory is None:
        return None
    return Fit(
        title=FREE_MEMORY,
        url=None,
        measured=False,
        memory=question.memory,
        free=float(question.memory),
        verdict=verdict(found, question.memory),
        lacks=None,
        speeds=(),
    )


def _on(machine: Machine, anatomy: Anatomy, question: Question, found: Needed, free: float) -> Fit:
    return Fit(
        title=machine.title,
        url=machine.url,
        measured=machine.measured,
        memory=machine.memory,
        free=free,
        verdict=verdict(found, free),
        lacks=None if machine.computes(TORCH_NAMES[question.computing]) else question.computing,
        speeds=speeds(anatomy, question, machine),
    )


def _facts(read: Read) -> ModelFacts:
    anatomy = read.anatomy
    return ModelFacts(
        name=read.name,
        source=read.source,
        family=anatomy.family,
        parameters=anatomy.parameters,
        active_parameters=round(anatomy.active_parameters),
        layers=anatomy.layers,
        hidden=anatomy.widths.hidden,
        heads=anatomy.heads,
        vocabulary=anatomy.vocabulary,
        context=anatomy.context,
        cache_bytes=2.0 * anatomy.cache_elements(1),
    )


def _smaller(read: Read, free: float, on_gpu: bool) -> tuple[Smaller, ...]:
    """The largest of those that surely fit."""
    found: list[Smaller] = []
    question = read.question
    for one in reversed(known.models()):
        if one.parameters >= read.anatomy.parameters:
            continue
        need = needed(known.anatomy(one.name), question, on_gpu)
        if verdict(need, free) == "fits":
            found.append(Smaller(name=one.name, parameters=one.parameters, bytes=need.peak.bytes))
            if len(found) == SMALLER:
                break
    return tuple(found)


def beyond_context(anatomy: Anatomy, tokens: int) -> str | None:
    """What to know of more tokens than a model was made for; None where there are no more.

    Args:
        anatomy: the model.
        tokens: of a prompt with its answer, or of a sequence.
    """
    if anatomy.context is None or tokens <= anatomy.context:
        return None
    learned = any(each.name == "positions" for each in anatomy.matrices)
    how = (
        "its positions are learned, and there are none beyond."
        if learned
        else "beyond that its positions have to be stretched (rope_scaling), at a price in quality that is not predicted here."
    )
    return f"The model was made for {anatomy.context:,} tokens, {tokens:,} are asked for: {how}"


def _remarks(read: Read, fit: Fit | None) -> Iterator[str]:
    question, anatomy, machine = read.question, read.anatomy, read.machine
    longest = question.sequence + (question.generated if question.phase == "inference" else 0)
    if said := beyond_context(anatomy, longest):
        yield said
    if fit is not None and fit.lacks is not None and machine is not None:
        yield _emulated(fit, fit.lacks, machine)
    if not anatomy.counted and question.phase != "inference":
        yield (
            "What this family's layers keep in a training step was not held against counts: activations are taken for those of "
            "attention, and the interval is wide."
        )
    if question.sharding == "zero3" and question.phase != "training" and question.recomputes:
        # Beside what is reckoned: the inputs of all layers but the first, and their gradients but that which is passing.
        elements = max(0, 2 * anatomy.layers - 3) * question.batch * question.sequence * anatomy.widths.hidden
        stay = FORMATS[question.computing].bits / 8 * elements
        if stay > WORTH_A_REMARK:
            yield (
                "FSDP 1 with frozen weights and reentrant checkpoints (transformers' Trainer before version 5) holds every layer's input "
                f"and its gradient until the backward pass is over, {stay / GIB:,.2g} GiB more here: give use_reentrant=False, or take FSDP 2."
            )
    if question.phase == "training" and question.kept_optimizer == "adamw_bf16":
        yield (
            "torch.optim.AdamW keeps moments in the format of the weights, here of 16 bits. Programs that keep them in float32 "
            f"(DeepSpeed, Megatron) need {4 * anatomy.parameters / 1e9:,.0f} GB more: ask with optimizer adamw."
        )
    if question.phase == "training" and question.kept_optimizer == "adamw":
        moments = 8 * anatomy.parameters
        yield (
            f"AdamW's two float32 moments are 8 bytes a parameter, {moments / 1e9:,.0f} GB here. Figures twice as high that go "
            "around count the gradients and a float32 copy of the weights with them."
        )
    if question.phase == "qlora" and not question.upcast:
        ends = {each.name: each.weights for each in anatomy.stored if each.role in ("embedding", "head")}
        yield (
            "This is QLoRA as torchtune and Unsloth do it. PEFT's prepare_model_for_kbit_training keeps embedding, head and the "
            f"layers' inputs in float32: {2 * sum(ends.values()) / GIB:.2g} GiB more of weights, and larger activations; ask with upcast."
        )
    if question.devices > 1 and (question.phase != "inference" or machine is None or machine.link is None):
        yield "Time is that of each device's own work; what devices send to each other comes on top."


def _emulated(fit: Fit, lacks: str, machine: Machine) -> str:
    """What a device without units for the computing format does instead."""
    if machine.gpu:
        instead = "take fp16, and in training a scaler of gradients" if lacks == "bf16" else "take a format that it has"
    else:
        instead = f"{lacks} saves memory there, and no time over fp32"
    slower = machine.measured and machine.peak(TORCH_NAMES[lacks]) < machine.peak("float32")
    known_pace = ", and times are by what was measured of it" if slower else ", and times are by the peak of that"
    pace = known_pace if fit.speeds else ", at what speed is not known"
    return f"{machine.title} has no units for {lacks}: it is computed in fp32 with conversions{pace}; {instead}."
