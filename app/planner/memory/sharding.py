"""What is whole at a time although its parts lie on several devices: units of fully sharded training, buckets of gradients."""

from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.parts import Part, about
from app.planner.memory.states import Sharding
from app.planner.models.anatomy import Anatomy

GATHERED_LAYERS = 2
"""Layers that are whole in the backward pass: the one at work and the one fetched ahead."""
REENTRANT_LAYERS = 1
"""The same with reentrant checkpoints. A layer is fetched ahead if it ran with gradients, and theirs first run without
(``_needs_pre_backward_unshard`` in torch/distributed/fsdp/_runtime_utils.py)."""
LAYERS = "ZeRO-3 and FSDP: the layer at work and the one fetched ahead, for which reentrant checkpoints give no sign"
ENDS = (
    "FSDP: what is in no layer is one unit, and stays whole from the first forward pass to the end of the backward pass"
)
BUCKET_BYTES = 25 * 2**20
"""Of DistributedDataParallel's gradient buckets, by default."""
ZERO_BUCKET_ELEMENTS = 5e8
"""Of DeepSpeed's ``reduce_bucket_size`` and ``allgather_bucket_size``, by default (deepspeed/runtime/zero/config.py)."""


def gathered(
    anatomy: Anatomy, sharding: Sharding, weights: str, element_bytes: int, reentrant: bool
) -> tuple[list[Part], list[Part]]:
    """Embedding and head, and layers, where they are gathered from all devices.

    Args:
        anatomy: the model.
        sharding: how devices share; ZeRO-3 alone gathers weights.
        weights: format of the layers' weights; what is quantised is gathered as it is kept.
        element_bytes: of the computing format, in which all else is gathered.
        reentrant: whether checkpoints run a layer first without gradients.
    """
    if sharding != "zero3":
        return [], []
    kept = FORMATS[weights]
    of_all = sum(kept.bytes(each) if kept.is_quantised else each.weights * element_bytes for each in anatomy.linear())
    layer, layers = of_all / anatomy.layers, REENTRANT_LAYERS if reentrant else GATHERED_LAYERS
    ends = [element_bytes * each.weights for each in anatomy.stored if each.role in ("embedding", "head")]
    # Programs that make units of embedding and head have each whole while it works.
    whole = about(
        "gathered embedding and head", sum(ends), max(ends), sum(ends), f"{sum(ends):,} B of embedding and head in {element_bytes} B", ENDS
    )  # fmt: skip
    said = f"{layers} × {layer:,.0f} B of a layer"
    return [whole], [about("gathered layers", layers * layer, layer, GATHERED_LAYERS * layer, said, LAYERS)]


def buckets(sharding: Sharding, trained: int, gradient_bytes: int) -> list[Part]:
    """Where gradients are gathered before they are sent.

    Args:
        sharding: how devices share.
        trained: parameters that have gradients.
        gradient_bytes: of each gradient.
    """
    most = float(gradient_bytes * trained)
    if sharding == "ddp":
        said = "25 MiB, up to a copy of all gradients unless they are views of the buckets"
        source = "torch.nn.parallel.DistributedDataParallel"
        return [about("buckets", min(BUCKET_BYTES, most), 0.0, most, said, source)]
    if sharding in ("zero1", "zero2"):
        most = min(most, gradient_bytes * ZERO_BUCKET_ELEMENTS)
        said = f"0, up to {gradient_bytes} B × {most / gradient_bytes:,.0f} elements"
        source = "DeepSpeed's reduce_bucket_size of 5e8; none where every gradient is sent by itself"
        return [about("buckets", 0.0, 0.0, most, said, source)]
    return []
