"""What one layer keeps for its backward pass, tensor by tensor, as the code of each family has it.

Read off transformers 5.23 (``models/*/modeling_*.py``, dropout off): autograd keeps what the derivative of each operator asks for
(torch's ``derivatives.yaml``), each storage once. A product keeps both factors if both are trained, a sum nothing, a softmax its
result, RMSNorm the float32 input and what it multiplies its weight by, LayerNorm its input. ``make bench-planner`` holds the
sums against counts on fake tensors.
"""

from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.planner.models.anatomy import Anatomy

Norm = Literal["rms", "rms_float", "layer"]
"""RMSNorm that returns to the computing format before its weight or after it, and LayerNorm."""
STATISTIC = 4
"""Bytes of one float32 number a token or head: the norm's factor, attention's sum of exponents."""
INDEX = 8
"""Bytes of the place of a token among those that are sorted by their expert."""


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
    long_router: bool = False
    """Whether the router reads a float32 copy of the stream."""
    weighed_long: bool = False
    """Whether experts' results are weighed in float32."""
    gate_joined: bool = False
    """Whether both factors of the gate come from one matrix."""
    feed: int | None = None
    """Tensors of the feed-forward layer's width; None: 4 with a gate (both factors, the activation's input, their product), 2
    without (the activation's input and result)."""

    def readers(self, gated: bool) -> tuple[int, int]:
        """Matrices that read the stream in attention and in the feed-forward layer."""
        return 1 if self.joined else 3, 2 if gated and not self.gate_joined else 1


FAMILIES: dict[str, Layer] = {
    "gemma": Layer(norm="rms_float"),
    "gemma2": Layer(norm="rms_float", after=2),
    "gemma3_text": Layer(norm="rms_float", after=2),
    "glm4": Layer(after=2, concatenated=True, gate_joined=True),
    "olmo2": Layer(norm="rms_float", before=0, after=2, bare=2),
    "phi3": Layer(joined=True, concatenated=True, gate_joined=True),
    # GELU written out (NewGELUActivation): x, x / 2, the hyperbolic tangent, that and 1, and the product.
    "gpt2": Layer(norm="layer", joined=True, feed=5),
    "deepseek_v3": Layer(concatenated=True, long_router=True, weighed_long=True),
    "mixtral": Layer(weighed_long=True),
    "gpt_neox": Layer(norm="layer", joined=True, concatenated=True, parallel=True),
    "stablelm": Layer(norm="layer", concatenated=True),
}
"""Those that differ from Llama, by ``model_type``; what has no gate and is not named has LayerNorm."""


class Elements(NamedTuple):
    """Bytes of one element of what a layer computes."""

    products: int
    """Of the factors of matrix products and of attention."""
    stream: int
    """Of the residual stream and of what norms return; longer under autocast, which shortens factors alone."""

    @property
    def cast(self) -> bool:
        """Whether every matrix that reads the stream keeps a short copy of its own."""
        return self.products < self.stream


def layer(anatomy: Anatomy, of: Elements, *, flash: bool, rank: int | None = None) -> float:
    """Bytes that one layer keeps of each token, scores of attention apart.

    Args:
        anatomy: the model.
        of: elements that are computed with.
        flash: whether the attention kernel takes fewer keys than queries as they are; others have them repeated.
        rank: of adapters on all linear matrices, beside which nothing is trained; None trains everything.
    """
    widths, wired = anatomy.widths, wiring(anatomy)
    e, q, k = of.products, widths.queries, widths.keys
    source, scaled = _norm(wired.norm, of.stream, rank is not None)
    streams = min(wired.before, 1) if wired.parallel else wired.before
    size = float(widths.hidden * (streams * source + wired.before * scaled + _read(anatomy, of)))
    # What is normed before it is added comes out of a product.
    source, scaled = _norm(wired.norm, e, rank is not None)
    size += widths.hidden * wired.after * (source + scaled)
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
    size += (source + scaled + e) * widths.latents
    size += e * widths.ffn * _feed(anatomy) + _routed(anatomy, e)
    if rank is not None:
        size += e * rank * sum(matrix.count * matrix.active for matrix in anatomy.linear()) / anatomy.layers
    return size


def ending(anatomy: Anatomy, of: Elements, *, frozen: bool) -> float:
    """Bytes that the last norm and the head keep of each token."""
    source, scaled = _norm(wiring(anatomy).norm, of.stream, frozen)
    return float(anatomy.widths.hidden * (source + scaled + (0 if frozen else of.products)))


def passing(anatomy: Anatomy, of: Elements) -> float:
    """Bytes of each token that a layer's backward pass holds for a moment beyond what is kept: gradients of the widest tensors.

    In the feed-forward layer: of its result, and of both factors beside that of the product whose own memory has just gone.
    """
    widths, e = anatomy.widths, of.products
    wide = e * widths.ffn * (2 if widths.gated else 1)
    if widths.experts:
        # Of experts' results, which are gone when their factors' turn comes: gradients as they are put back to the order of their
        # expert, and on both sides of the weighing. A shared expert was through before; what it gives to the stream waits.
        long = max(e, STATISTIC) if wiring(anatomy).weighed_long else e
        shared = widths.ffn - widths.chosen * next(
            each.outputs for each in anatomy.matrices if each.name == "expert up"
        )
        through = e * (shared * _feed(anatomy) - widths.hidden) if shared else 0
        wide = max(3 * long * widths.chosen * widths.hidden - through, wide - e * widths.chosen * widths.hidden)
    return float(widths.hidden * (of.stream + e * of.cast) + wide)


def feeding(anatomy: Anatomy, of: Elements) -> float:
    """Bytes of each token that are kept by the feed-forward layer and its norm, and gone when attention's backward pass begins."""
    widths, wired = anatomy.widths, wiring(anatomy)
    source, scaled = _norm(wired.norm, of.stream, False)
    read = wired.readers(widths.gated)[1] if of.cast else 1
    normed = widths.hidden * (source + scaled + of.products * read) * (wired.before > 1)
    return float(normed + of.products * widths.ffn * _feed(anatomy))


def wiring(anatomy: Anatomy) -> Layer:
    """How the layers of a model are wired."""
    return FAMILIES.get(anatomy.family, Layer() if anatomy.widths.gated else Layer(norm="layer"))


def keeps_input(anatomy: Anatomy, of: Elements) -> bool:
    """Whether a layer's input is among what the layer keeps."""
    wired = wiring(anatomy)
    return of.stream == STATISTIC or wired.norm == "layer" or (wired.bare > 0 and not of.cast)


def _read(anatomy: Anatomy, of: Elements) -> int:
    """Bytes of each token and element of the width that matrices keep of the stream they read: one tensor for all, or each its copy."""
    wired = wiring(anatomy)
    return of.products * (sum(wired.readers(anatomy.widths.gated)) if of.cast else wired.before + wired.bare)


def _routed(anatomy: Anatomy, element_bytes: int) -> float:
    """Bytes of each token that choosing experts keeps, in the mean over layers, of which some may have none.

    The router's softmax, and what it reads if that is a copy; where each token goes and comes from; and of every chosen expert the token
    as it is sorted to it, the result before it is weighed, and its weight.
    """
    widths = anatomy.widths
    sparse = sum(each.count for each in anatomy.matrices if each.role == "router") / anatomy.layers
    copied = STATISTIC * widths.hidden * (wiring(anatomy).long_router and element_bytes < STATISTIC)
    sorted_to = widths.chosen * (2 * element_bytes * widths.hidden + element_bytes + 3 * INDEX)
    return sparse * (STATISTIC * widths.experts + copied + sorted_to)


def _feed(anatomy: Anatomy) -> int:
    found = wiring(anatomy).feed
    return found if found is not None else 4 if anatomy.widths.gated else 2


def _norm(norm: Norm, element_bytes: int, frozen: bool) -> tuple[int, int]:
    """Bytes of a norm's input and of what its weight multiplies; the latter is kept for the weight's gradient alone."""
    if norm == "layer":
        return element_bytes, 0
    scaled = STATISTIC if norm == "rms_float" else element_bytes
    return STATISTIC, 0 if frozen else scaled
