"""What a training step keeps for its backward pass: copies of the layers' tensors, scores of attention, logits."""

from typing import Literal

from app.planner.anatomy import Anatomy, Widths
from app.planner.parts import Part, about, exact

Loss = Literal["naive", "in_place", "chunked"]
"""How cross-entropy is computed: with a float32 copy for each step of it, with one, or in chunks that keep nothing."""
LOGIT_BYTES: dict[Loss, float] = {"naive": 12.0, "in_place": 6.0, "chunked": 0.0}
"""Bytes of each logit at the peak: float32 logits, their log-softmax and their gradient; one of them and the bfloat16
ones; none."""
WITHIN = 0.06
"""Largest error of the copies against six models that were measured."""
SOURCE = (
    "Copies of a layer's tensors that autograd keeps, counted for rotary decoders with RMSNorm; within 6 % of what "
    "stas00/ml-engineering measured of six models"
)


def copies(widths: Widths, element_bytes: int) -> float:
    """Elements that one layer keeps of each token, without scores of attention.

    Args:
        widths: of the layer.
        element_bytes: of the computing format; below four, norms keep float32 copies besides.
    """
    of_norms = 9 if element_bytes < 4 else 5
    kept = of_norms * widths.hidden + 4 * widths.queries + 3 * widths.keys + (4 if widths.gated else 2) * widths.ffn
    if widths.qk_norm:
        kept += 3 * (widths.queries + widths.keys)
    if not widths.rotary:
        kept -= widths.queries + widths.keys
    return float(kept)


def kept(
    anatomy: Anatomy, *, batch: int, sequence: int, element_bytes: int, checkpointing: bool, flash: bool
) -> tuple[Part, Part]:
    """Activations at the start of the backward pass, and those of one layer alone.

    Args:
        anatomy: the model.
        batch: sequences.
        sequence: tokens of each.
        element_bytes: of the computing format.
        checkpointing: whether layers keep their input alone and compute the rest again.
        flash: whether scores of attention are never kept.
    """
    tokens, layers, h = batch * sequence, anatomy.layers, anatomy.widths.hidden
    count = copies(anatomy.widths, element_bytes)
    layer = element_bytes * count * tokens
    said = f"{element_bytes} B × {count / h:.4g} × {h:,} × {tokens:,} tokens"
    if not flash:
        # The softmax is computed in float32 and kept in both formats.
        score_bytes = 4 if element_bytes == 4 else 4 + element_bytes
        layer += score_bytes * batch * anatomy.heads * sequence**2
        said += f" + {score_bytes} B × {batch} × {anatomy.heads} × {sequence:,}²"
    one = about("activations", layer, layer * (1 - WITHIN), layer * (1 + WITHIN), f"one layer: {said}", SOURCE)
    if not checkpointing:
        whole = layers * layer
        return about(
            "activations", whole, whole * (1 - WITHIN), whole * (1 + WITHIN), f"{layers} layers × ({said})", SOURCE
        ), one
    inputs = float(element_bytes * layers * tokens * h)
    return about(
        "activations",
        inputs + layer,
        inputs + one.low,
        inputs + one.high,
        f"{layers} inputs × {element_bytes} B × {h:,} × {tokens:,} tokens + one layer computed again: {said}",
        SOURCE,
    ), one


def logits(anatomy: Anatomy, *, batch: int, sequence: int, loss: Loss) -> Part:
    """Logits and what cross-entropy makes of them, at their peak."""
    each = LOGIT_BYTES[loss]
    size = each * batch * sequence * anatomy.vocabulary
    return exact(
        "logits",
        size,
        f"{each:g} B × {batch * sequence:,} tokens × {anatomy.vocabulary:,} words",
        "float32 logits, log-softmax and gradient of torch's cross_entropy; half of it where logits are upcast in place, none "
        "where the loss is computed in chunks",
    )
