"""What a training step needs: full, or of low-rank adapters on frozen weights that may be quantised."""

from pydantic import Field

from app.frozen import Frozen
from app.planner.memory import activations, overheads, states
from app.planner.memory.activations import Loss
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import weight_bytes
from app.planner.memory.parts import Instant, Needed, Part, about, exact
from app.planner.memory.states import BY_WORD as OPTIMIZERS
from app.planner.memory.states import Optimizer, Sharding
from app.planner.models.anatomy import Anatomy, Matrix

GATHERED_LAYERS = 2
"""Layers that fully sharded training has whole at a time: the one at work and the one fetched ahead."""
BUCKET_BYTES = 25 * 2**20
"""Of DistributedDataParallel's gradient buckets, by default."""
GRADIENTS_OF_ADAPTERS = 4
TIED = (
    "the gradient of head and embedding together is a third tensor beside both (torch/csrc/autograd/input_buffer.cpp)"
)


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
    kept, computing, optimizer = FORMATS[asked.weights], FORMATS[asked.computing], OPTIMIZERS[asked.optimizer]
    element_bytes = round(computing.bits / 8)
    of_weights, of_gradients, of_states = states.shares(asked.sharding, asked.devices)
    adapters = states.adapter_parameters(anatomy, asked.rank) if asked.rank else 0
    trained = adapters or anatomy.parameters
    # Gradients have the format of what is trained, whatever is computed in.
    gradient_bytes = GRADIENTS_OF_ADAPTERS if adapters or asked.master else round(kept.bits / 8)
    always = [_weights(anatomy, asked, of_weights)]
    if adapters:
        always.append(
            exact(
                "adapters",
                of_weights * 4.0 * adapters,
                f"4 B × {adapters:,} of rank {asked.rank}",
                "LoRA, arXiv 2106.09685; float32",
            )
        )
    elif asked.master:
        always.append(
            exact(
                "master weights",
                of_states * 4.0 * trained,
                f"4 B × {trained:,}",
                "float32 copy of mixed precision, arXiv 1710.03740",
            )
        )
    moments = of_states * states.optimizer_bytes(optimizer, trained, *_moments(anatomy, asked.rank))
    always.append(exact("optimizer", moments, f"{optimizer.bytes:g} B × {trained:,}", optimizer.source))
    gradients = exact(
        "gradients",
        of_gradients * gradient_bytes * float(trained),
        f"{gradient_bytes} B × {trained:,}",
        "one of each trained parameter",
    )
    if kept.is_quantised:
        widest = max(anatomy.linear(), key=lambda matrix: matrix.outputs * matrix.inputs)
        size = widest.outputs * widest.inputs * computing.bits / 8
        always.append(
            exact(
                "dequantised",
                size,
                f"{computing.bits / 8:g} B × {widest.outputs:,} × {widest.inputs:,}",
                "the largest matrix, in the computing format while it works",
            )
        )
    always += _sharded(anatomy, asked, element_bytes)
    short = _autocast(anatomy, asked)
    held = activations.kept(
        anatomy, batch=asked.batch, sequence=asked.sequence, element_bytes=element_bytes,
        checkpointing=asked.checkpointing, flash=asked.flash, rank=asked.rank, stream_bytes=4 if asked.upcast else None,
    )  # fmt: skip
    scores = activations.logits(
        anatomy, batch=asked.batch, sequence=asked.sequence, loss=asked.loss, upcast=asked.upcast, on_gpu=asked.on_gpu
    )
    each = of_gradients * gradient_bytes
    end = anatomy.vocabulary * anatomy.widths.hidden
    # Adapters are spread evenly, and neither head nor embedding has any.
    ends = 0 if adapters else end * (1 if anatomy.tied else 2)
    before = trained - (trained - ends) / anatomy.layers - (0 if adapters or anatomy.tied else end)
    last = [] if adapters else [_gradients(each, end, "of the head")]
    instants = [
        ("start of the backward pass", [*always, *short, held.all, scores]),
        ("backward pass of the last layer", [*always, *short, *last, held.last]),
        ("end of the backward pass", [*always, _gradients(each, before, "of all but the first layer"), held.first]),
        ("optimizer's step", [*always, gradients, *_step(anatomy, asked, optimizer, of_states, trained)]),
    ]
    if anatomy.tied and not adapters:
        twice = exact("shared gradient", 2 * each * end, f"2 × {gradient_bytes} B × {end:,}", TIED)
        instants.insert(3, ("gradient of the embedding", [*always, gradients, twice]))
    return Needed(
        instants=tuple(Instant(name=name, parts=overheads.with_these(parts, asked.on_gpu)) for name, parts in instants)
    )


def _autocast(anatomy: Anatomy, asked: Training) -> list[Part]:
    """Copies of weights in the format that is computed in, which autocast keeps until their products' backward passes."""
    kept, computing = FORMATS[asked.weights], FORMATS[asked.computing]
    if kept.is_quantised or asked.master or computing.bits >= kept.bits:
        return []
    count = sum(each.weights for each in anatomy.matrices if each.role != "embedding")
    return [
        exact(
            "autocast copies",
            computing.bits / 8 * count,
            f"{computing.bits / 8:g} B × {count:,} of matrices that multiply",
            "torch.autocast's cache of weights, which the backward pass reads",
        )
    ]


def _gradients(each: float, count: float, whose: str) -> Part:
    return exact("gradients", each * count, f"{each:g} B × {count:,.0f} {whose}", "one of each trained parameter")


def _moments(anatomy: Anatomy, rank: int | None) -> tuple[tuple[Matrix, ...], int]:
    """Matrices that are trained, and elements of all else."""
    if rank is None:
        return anatomy.stored, anatomy.vectors + sum(matrix.biases for matrix in anatomy.stored)
    return tuple(
        matrix.model_copy(update={"name": f"{matrix.name} {end}", "outputs": outputs, "inputs": inputs})
        for matrix in anatomy.linear()
        for end, outputs, inputs in (("down", rank, matrix.inputs), ("up", matrix.outputs, rank))
    ), 0


def _step(anatomy: Anatomy, asked: Training, optimizer: Optimizer, share: float, trained: int) -> list[Part]:
    """Temporary tensors of the optimizer's step."""
    if asked.fused:
        return []
    if asked.foreach and optimizer.temporary:
        said = f"{optimizer.temporary:g} B × {trained:,}"
        return [
            exact("step", share * optimizer.temporary * trained, said, "temporary list of tensors, of all together")
        ]
    if not optimizer.largest or (asked.foreach and not optimizer.factored):
        return []
    most = max(matrix.outputs * matrix.inputs for matrix in _moments(anatomy, asked.rank)[0])
    return [
        exact(
            "step",
            optimizer.largest * most,
            f"{optimizer.largest:g} B × {most:,}",
            "temporary tensors of the largest one",
        )
    ]


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


def _sharded(anatomy: Anatomy, asked: Training, element_bytes: int) -> list[Part]:
    """What has to be whole at a time although its parts lie on several devices."""
    if asked.sharding == "zero3":
        kept = FORMATS[asked.weights]
        linear = anatomy.linear()
        # What is quantised is gathered as it is kept; the rest in the format that is computed in.
        of_all = sum(kept.bytes(each) if kept.is_quantised else each.weights * element_bytes for each in linear)
        layer = of_all / anatomy.layers
        size = GATHERED_LAYERS * layer
        return [
            exact(
                "gathered",
                size,
                f"{GATHERED_LAYERS} layers × {layer:,.0f} B",
                "ZeRO-3 and FSDP: the layer at work and the one fetched ahead",
            )
        ]
    if asked.sharding == "ddp":
        most = float(asked.devices > 1) * element_bytes * anatomy.parameters
        return [
            about(
                "buckets",
                min(BUCKET_BYTES, most),
                0.0,
                most,
                "25 MiB, up to a copy of all gradients unless they are views of the buckets",
                "torch.nn.parallel.DistributedDataParallel",
            )
        ]
    return []
