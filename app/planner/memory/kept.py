"""What one layer keeps for its backward pass, tensor by tensor, as the code of each family has it.

Read off transformers 5.23 (``models/*/modeling_*.py``, dropout off): autograd keeps what the derivative of each operator asks for
(torch's ``derivatives.yaml``), each storage once. A product keeps both factors if both are trained, a sum nothing, a softmax its
result, RMSNorm the float32 input and what it multiplies its weight by, LayerNorm its input. ``make bench-planner`` holds the
sums against counts on fake tensors.
"""

from typing import Literal

from app.frozen import Frozen
from app.planner.models.anatomy import Anatomy

Norm = Literal["rms", "rms_float", "layer"]
"""RMSNorm that returns to the computing format before its weight or after it, and LayerNorm."""
STATISTIC = 4
"""Bytes of one float32 number a token or head: the norm's factor, attention's sum of exponents."""


class Layer(Frozen):
    """How a family's layers are wired."""

    norm: Norm = "rms"
    before: int = 2
    """Norms whose result goes into matrices."""
    after: int = 0
    """Norms whose result is added to the residual stream."""
    bare: int = 0
    """Times the residual stream goes into matrices as it is."""
    parallel: bool = False
    """Whether attention and feed-forward layer read the same stream."""
    joined: bool = False
    """Whether queries, keys and values are parts of one tensor, all of which lives as long as the values do."""
    concatenated: bool = False
    """Whether what is rotated is concatenated with what is not, which lays heads before tokens; attention's result lies as its
    queries do, and is copied once more when its heads are joined."""
    feed: int | None = None
    """Tensors of the feed-forward layer's width; None: 4 with a gate (both factors, the activation's input, their product), 2
    without (the activation's input and result)."""


FAMILIES: dict[str, Layer] = {
    "gemma": Layer(norm="rms_float"),
    "gemma2": Layer(norm="rms_float", after=2),
    "gemma3_text": Layer(norm="rms_float", after=2),
    "glm4": Layer(after=2, concatenated=True),
    "olmo2": Layer(norm="rms_float", before=0, after=2, bare=2),
    "phi3": Layer(joined=True, concatenated=True),
    # GELU written out (NewGELUActivation): x, x / 2, the hyperbolic tangent, that and 1, and the product.
    "gpt2": Layer(norm="layer", joined=True, feed=5),
    "gpt_neox": Layer(norm="layer", joined=True, concatenated=True, parallel=True),
    "stablelm": Layer(norm="layer", concatenated=True),
}
"""Those that differ from Llama, by ``model_type``; what has no gate and is not named has LayerNorm."""


def layer(anatomy: Anatomy, element_bytes: int, *, flash: bool, rank: int | None = None) -> float:
    """Bytes that one layer keeps of each token, scores of attention apart.

    Args:
        anatomy: the model.
        element_bytes: of the computing format.
        flash: whether the attention kernel takes fewer keys than queries as they are; others have them repeated.
        rank: of adapters on all linear matrices, beside which nothing is trained; None trains everything.
    """
    widths, wired = anatomy.widths, wiring(anatomy)
    e, q, k = element_bytes, widths.queries, widths.keys
    source, scaled = _norm(wired.norm, e, rank is not None)
    streams = min(wired.before, 1) if wired.parallel else wired.before
    size = float(widths.hidden * (streams * source + wired.before * (scaled + e)))
    size += widths.hidden * (wired.after * (source + scaled) + wired.bare * e)
    size += STATISTIC * (wired.before + wired.after)
    if not flash:
        size += 4 * e * q
    else:
        # Queries, keys, values and the result; rotated queries and keys lie apart from the tensor that values are a part of.
        size += 2 * e * (q + k) + e * q * wired.concatenated
        size += e * (q + k) * (wired.joined and widths.rotary)
    if widths.qk_norm:
        size += (source + scaled) * (q + k) + STATISTIC * anatomy.heads * (1 + k / q)
    size += STATISTIC * anatomy.heads if flash else 0
    size += e * widths.ffn * _feed(anatomy)
    if rank is not None:
        size += e * rank * sum(matrix.count * matrix.active for matrix in anatomy.linear()) / anatomy.layers
    return size


def ending(anatomy: Anatomy, element_bytes: int, *, frozen: bool) -> float:
    """Bytes that the last norm and the head keep of each token."""
    source, scaled = _norm(wiring(anatomy).norm, element_bytes, frozen)
    return float(anatomy.widths.hidden * (source + scaled + (0 if frozen else element_bytes)))


def passing(anatomy: Anatomy, element_bytes: int) -> float:
    """Bytes of each token that a layer's backward pass holds for a moment beyond what is kept: gradients of the widest tensors.

    In the feed-forward layer: of its result, and of both factors beside that of the product whose own memory has just gone.
    """
    return float(element_bytes * (anatomy.widths.hidden + anatomy.widths.ffn * (2 if anatomy.widths.gated else 1)))


def feeding(anatomy: Anatomy, element_bytes: int) -> float:
    """Bytes of each token that are kept by the feed-forward layer and its norm, and gone when attention's backward pass begins."""
    widths, wired = anatomy.widths, wiring(anatomy)
    source, scaled = _norm(wired.norm, element_bytes, False)
    normed = widths.hidden * (source + scaled + element_bytes) * (wired.before > 1)
    return float(normed + element_bytes * widths.ffn * _feed(anatomy))


def wiring(anatomy: Anatomy) -> Layer:
    """How the layers of a model are wired."""
    return FAMILIES.get(anatomy.family, Layer() if anatomy.widths.gated else Layer(norm="layer"))


def keeps_input(anatomy: Anatomy, element_bytes: int) -> bool:
    """Whether a layer's input is among what the layer keeps."""
    wired = wiring(anatomy)
    return element_bytes == STATISTIC or wired.norm == "layer" or wired.bare > 0


def _feed(anatomy: Anatomy) -> int:
    found = wiring(anatomy).feed
    return found if found is not None else 4 if anatomy.widths.gated else 2


def _norm(norm: Norm, element_bytes: int, frozen: bool) -> tuple[int, int]:
    """Bytes of a norm's input and of what its weight multiplies; the latter is kept for the weight's gradient alone."""
    if norm == "layer":
        return element_bytes, 0
    scaled = STATISTIC if norm == "rms_float" else element_bytes
    return STATISTIC, 0 if frozen else scaled
