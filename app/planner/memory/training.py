"""What a training step needs: full, or of low-rank adapters on frozen weights that may be quantised."""

from typing import NamedTuple

from pydantic import Field

from app.frozen import Frozen
from app.planner.memory import activations, autocast, overheads, sharding, states
from app.planner.memory.activations import Loss
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import weight_bytes
from app.planner.memory.kept import Elements
from app.planner.memory.parts import Instant, Needed, Part, exact
from app.planner.memory.states import BY_WORD as OPTIMIZERS
from app.planner.memory.states import Sharding
from app.planner.models.anatomy import Anatomy, Matrix

GRADIENTS_OF_ADAPTERS = 4
AGAIN, EMBEDDING = "backward pass of the last layer computed again", "gradient of the embedding"
"""Instants that not every step has."""
GRADIENTS = "one of each trained parameter"
TIED = (
    "the gradient of head and embedding together is a third tensor beside both (torch/csrc/autograd/input_buffer.cpp)"
)
NEW = "the largest gradient, until it is added to that of earlier micro-batches"


class Training(Frozen):
    """A training step."""

    batch: int = Field(1, ge=1)
    """Sequences a device takes at a time."""
    sequence: int = Field(2_048, ge=1)
    weights: str = "bf16"
    """Format of the weights; a quantised one needs adapters."""
    computing: str = "bf16"
    master: bool = False
    """Whether float32 weights are kept besides, and float32 gradients."""
    optimizer: str = "adamw"
    fused: bool = True
    """Whether the optimizer's step needs no temporary tensors."""
    foreach: bool = True
    """Whether a step that is not fused takes all tensors together, as torch does on a GPU, or one after the other."""
    checkpointing: bool = False
    every: int = Field(1, ge=1)
    """Of how many layers the first is computed again, where any is."""
    reentrant: bool = False
    """Whether checkpoints are torch's older kind, which runs a layer first without gradients."""
    accumulating: bool = False
    """Whether gradients of earlier micro-batches lie there already."""
    flash: bool = True
    loss: Loss = "naive"
    upcast: bool = False
    """Whether all that is not quantised is float32, embedding, head and residual stream among it, as PEFT's
    ``prepare_model_for_kbit_training`` makes it."""
    rank: int | None = Field(None, ge=1)
    """Of adapters on all linear layers; None trains all weights."""
    sharding: Sharding = "none"
    devices: int = Field(1, ge=1)
    on_gpu: bool = True
    """Whether a device's context and its allocator count."""


def needed(anatomy: Anatomy, asked: Training) -> Needed:
    """Memory of each device at the instants at which a step may need most.

    Gradients grow from the head to the embedding while activations go, layer by layer, so what both hold is largest at one end.

    Args:
        anatomy: the model.
        asked: how it is trained.
    """
    element_bytes = round(FORMATS[asked.computing].bits / 8)
    # Fully sharded training shortens weights as it gathers them; a master copy is the long one.
    cast = autocast.acts(asked.weights, asked.computing) and asked.sharding != "zero3" and not asked.master
    adapters = states.adapter_parameters(anatomy, asked.rank) if asked.rank else 0
    always = [
        *_states(anatomy, asked, adapters),
        *sharding.buckets(asked.sharding, adapters or anatomy.parameters, _gradient_bytes(asked)),
    ]
    held = activations.kept(
        anatomy, batch=asked.batch, sequence=asked.sequence, of=Elements(element_bytes, autocast.STREAM_BYTES if cast else element_bytes),
        checkpointing=asked.checkpointing, every=asked.every, flash=asked.flash, rank=asked.rank,
        inputs_bytes=4 if asked.upcast else None,
        inputs_stay=asked.sharding == "zero3" and bool(adapters) and asked.reentrant,
    )  # fmt: skip
    scores = activations.logits(
        anatomy,
        batch=asked.batch,
        sequence=asked.sequence,
        loss=asked.loss,
        element_bytes=element_bytes,
        upcast=asked.upcast,
        on_gpu=asked.on_gpu,
    )
    gradients = _gradients(anatomy, asked, adapters, element_bytes)
    # Layers that are computed again keep no copies, and at the end those of other layers are gone, unless autocast keeps all.
    copies, late = (
        [autocast.copies(anatomy, asked.computing, sure=sure)] * cast for sure in (not asked.checkpointing, False)
    )
    ends, layers = sharding.gathered(anatomy, asked.sharding, asked.weights, element_bytes, asked.reentrant)
    instants = [
        ("start of the backward pass", [*always, *copies, *ends, *gradients.start, held.all, scores]),
        ("backward pass of the last layer", [*always, *copies, *ends, *layers, *gradients.last, held.last]),
        (AGAIN, [*always, *copies, *ends, *layers, *gradients.again, *([held.again] if held.again else [])]),
        ("end of the backward pass", [*always, *late, *ends, *layers, *gradients.first, held.first]),
        (EMBEDDING, [*always, *late, *ends, *gradients.embedding]),
        ("optimizer's step", [*always, gradients.all, *_step(anatomy, asked, adapters)]),
    ]
    return Needed(
        instants=tuple(
            Instant(name=name, parts=overheads.with_these(parts, asked.on_gpu))
            for name, parts in instants
            if (name != EMBEDDING or gradients.embedding) and (name != AGAIN or held.again)
        )
    )


def _states(anatomy: Anatomy, asked: Training, adapters: int) -> list[Part]:
    """What is there all the time: weights, adapters or master weights, states of the optimizer, a matrix that is dequantised."""
    kept, optimizer = FORMATS[asked.weights], OPTIMIZERS[asked.optimizer]
    of_weights, _, of_states = states.shares(asked.sharding, asked.devices)
    trained = adapters or anatomy.parameters
    found = [_weights(anatomy, asked, of_weights)]
    if adapters:
        said = f"4 B × {adapters:,} of rank {asked.rank}"
        found.append(exact("adapters", of_weights * 4.0 * adapters, said, "LoRA, arXiv 2106.09685; float32"))
    elif asked.master:
        source = "float32 copy of mixed precision, arXiv 1710.03740"
        found.append(exact("master weights", of_states * 4.0 * trained, f"4 B × {trained:,}", source))
    moments = of_states * states.optimizer_bytes(optimizer, trained, *_moments(anatomy, asked.rank))
    found.append(exact("optimizer", moments, f"{optimizer.bytes:g} B × {trained:,}", optimizer.source))
    if kept.is_quantised:
        widest = max(anatomy.linear(), key=lambda matrix: matrix.outputs * matrix.inputs)
        each = FORMATS[asked.computing].bits / 8
        found.append(
            exact(
                "dequantised",
                widest.outputs * widest.inputs * each,
                f"{each:g} B × {widest.outputs:,} × {widest.inputs:,}",
                "the largest matrix, in the computing format while it works",
            )
        )
    return found


class _Gradients(NamedTuple):
    """Gradients that are there at each instant."""

    start: list[Part]
    last: list[Part]
    again: list[Part]
    first: list[Part]
    embedding: list[Part]
    """Where that instant may be the largest; empty elsewhere."""
    all: Part


def _gradients(anatomy: Anatomy, asked: Training, adapters: int, element_bytes: int) -> _Gradients:
    _, share, _ = states.shares(asked.sharding, asked.devices)
    single = _gradient_bytes(asked)
    trained = adapters or anatomy.parameters
    end = 0 if adapters else anatomy.vocabulary * anatomy.widths.hidden

    def part(each: float, count: float, whose: str) -> Part:
        return exact("gradients", each * count, f"{each:g} B × {count:,.0f} {whose}", GRADIENTS)

    def shared(times: int) -> list[Part]:
        said = f"{times} × {single} B × {end:,}"
        return [exact("shared gradient", times * share * single * end, said, TIED)] if end and anatomy.tied else []

    every = part(share * single, trained, "of all that is trained")
    if asked.accumulating:
        # A new gradient is added at once and is gone; that of a head which is the embedding too waits for the embedding's.
        new = shared(3) or ([exact("new gradient", share * single * end, f"{single} B × {end:,}", NEW)] if end else [])
        held = [every, *shared(1)]
        return _Gradients([every], held, held, held, [every, *new] if end else [], every)
    # Adapters are spread evenly, and neither head nor embedding has any.
    of_layer = (trained - end * (1 if anatomy.tied else 2)) / anatomy.layers
    before = trained - of_layer - (0 if anatomy.tied else end)
    later = (anatomy.layers - 1) % asked.every
    # It is whole until each device has been sent its share.
    of_head = single if share == 1 else max(share * single, min(single, element_bytes))
    return _Gradients(
        start=[],
        last=[part(of_head, end, "of the head")] if end else [],
        again=[part(share * single, end + later * of_layer, "of what comes after it")],
        first=[part(share * single, before, "of all but the first layer")],
        embedding=[every, *shared(2)] if shared(2) else [],
        all=every,
    )


def _gradient_bytes(asked: Training) -> int:
    """Of an element: gradients have the format of what is trained, whatever is computed in."""
    return GRADIENTS_OF_ADAPTERS if asked.rank or asked.master else round(FORMATS[asked.weights].bits / 8)


def _moments(anatomy: Anatomy, rank: int | None) -> tuple[tuple[Matrix, ...], int]:
    """Matrices that are trained, and elements of all else."""
    if rank is None:
        return anatomy.stored, anatomy.vectors + sum(matrix.biases for matrix in anatomy.stored)
    return tuple(
        matrix.model_copy(update={"name": f"{matrix.name} {end}", "outputs": outputs, "inputs": inputs})
        for matrix in anatomy.linear()
        for end, outputs, inputs in (("down", rank, matrix.inputs), ("up", matrix.outputs, rank))
    ), 0


def _step(anatomy: Anatomy, asked: Training, adapters: int) -> list[Part]:
    """Temporary tensors of the optimizer's step."""
    optimizer = OPTIMIZERS[asked.optimizer]
    if asked.fused:
        return []
    if asked.foreach and optimizer.temporary:
        trained = adapters or anatomy.parameters
        _, _, share = states.shares(asked.sharding, asked.devices)
        size, said = share * optimizer.temporary * trained, f"{optimizer.temporary:g} B × {trained:,}"
        return [exact("step", size, said, "temporary list of tensors, of all together")]
    if not optimizer.largest or (asked.foreach and not optimizer.factored):
        return []
    most = max(matrix.outputs * matrix.inputs for matrix in _moments(anatomy, asked.rank)[0])
    said = f"{optimizer.largest:g} B × {most:,}"
    return [exact("step", optimizer.largest * most, said, "temporary tensors of the largest one")]


def _weights(anatomy: Anatomy, asked: Training, share: float) -> Part:
    kept, computing = FORMATS[asked.weights], FORMATS["fp32" if asked.upcast else asked.computing]
    size = share * weight_bytes(anatomy, kept, computing)
    return exact(
        "weights",
        size,
        f"{anatomy.parameters:,} parameters, {kept.title}"
        + (f", the rest {computing.title}" if kept.is_quantised else ""),
        kept.source,
    )
