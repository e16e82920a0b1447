"""What a training step keeps for its backward pass: copies of the layers' tensors, scores of attention, logits."""

from typing import Literal

from app.frozen import Frozen
from app.planner.memory import kept as tensors
from app.planner.memory.kept import Elements
from app.planner.memory.parts import Part, about
from app.planner.models.anatomy import Anatomy, Widths

Loss = Literal["naive", "in_place", "chunked"]
"""How cross-entropy is computed: with a float32 copy for each step of it, with one, or in chunks that keep nothing."""
LOGIT_BYTES: dict[Loss, float] = {"naive": 12.0, "in_place": 8.0, "chunked": 0.0}
"""Bytes of each logit at the peak: float32 logits, their log-softmax and their gradient; float32 logits that become their
gradient in place, beside the bfloat16 ones and the gradient of those; none."""
SHORT_LOGIT_BYTES = 4.0
"""Of these, what logits of 16 bits and their gradient take where they become float32 in place; none where they are float32."""
LOGITS: dict[Loss, str] = {
    "naive": "float32 logits, log-softmax and gradient of torch's cross_entropy",
    "in_place": "float32 logits that become their gradient in place",
    "chunked": "a loss computed in chunks, which keeps none",
}
"""What these bytes are."""
MOST_LOGIT_BYTES: dict[Loss, float] = {"naive": 16.0, "in_place": 8.0, "chunked": 0.0}
"""The same on GPUs at most, as peaks that were published show: another copy lives beside (llm-toolkit of foundation-model-stack:
16 where the head is float32)."""
BELOW, ABOVE = 0.06, 0.15
"""Shares of what layers keep by which other code may keep less or more: stas00/ml-engineering measured 28 tensors of the model's
width in bfloat16 layers of Llama with an earlier transformers, where 24.5 are counted now."""
UNCOUNTED_BELOW, UNCOUNTED_ABOVE = 0.5, 1.0
"""The same where layers of a family were not held against counts."""
KEPT_SOURCE = (
    "Tensors that autograd keeps, counted in the code of transformers 5.23; held against counts on fake tensors"
)
UNCOUNTED_SOURCE = (
    "As if all layers were attention and feed-forward layers; this family's were not held against any count"
)


def copies(widths: Widths, element_bytes: int) -> float:
    """Elements that one layer makes of each token, without scores of attention.

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


class Kept(Frozen):
    """Activations of a training step."""

    all: Part
    """While the backward pass begins: of all layers, or their inputs where layers are computed again."""
    last: Part
    """While the last layer's backward pass runs."""
    first: Part
    """While the first layer's does: its own alone."""
    again: Part | None = None
    """While the last layer's does that is computed again, where there are layers after it, which are through."""


def kept(
    anatomy: Anatomy,
    *,
    batch: int,
    sequence: int,
    of: Elements,
    checkpointing: bool,
    flash: bool,
    rank: int | None,
    every: int = 1,
    inputs_bytes: int | None = None,
    inputs_stay: bool = False,
) -> Kept:
    """Activations at three instants of a step.

    Args:
        anatomy: the model.
        batch: sequences.
        sequence: tokens of each.
        of: elements that are computed with.
        checkpointing: whether layers keep their input alone and compute the rest again.
        flash: whether scores of attention are never kept.
        rank: of adapters beside which nothing is trained; None trains everything.
        every: of how many layers the first is computed again, where any is.
        inputs_bytes: of an element of what goes from layer to layer; None is the residual stream's.
        inputs_stay: whether inputs that were kept, and their gradients, are let go at the end of the backward pass alone.
    """
    tokens, layers, h = batch * sequence, anatomy.layers, anatomy.widths.hidden
    each = tensors.layer(anatomy, of, flash=flash, rank=rank)
    layer, said = each * tokens, f"{each:,.0f} B × {tokens:,} tokens"
    passing = tensors.passing(anatomy, of) * tokens
    gradients = f"{tensors.passing(anatomy, of):,.0f} B × {tokens:,} tokens of passing gradients"
    if not flash:
        # The softmax is computed in float32 and kept in both formats; its backward pass holds two more.
        short = 0 if of.products == 4 else of.products
        scores = batch * anatomy.heads * sequence**2
        layer += (4 + short) * scores
        said += f" + {4 + short} B × {batch} × {anatomy.heads} × {sequence:,}²"
        gone = tensors.feeding(anatomy, of) * tokens
        if (8 + short) * scores - gone > passing:
            passing = (8 + short) * scores - gone
            gradients = f"{8 + short} B × {batch} × {anatomy.heads} × {sequence:,}² of passing scores - {gone:,.0f} B gone by then"
    ending = tensors.ending(anatomy, of, frozen=rank is not None) * tokens
    one = f"one layer: {said} + {gradients}"
    if not checkpointing:
        whole = layers * layer
        words = f"{layers} layers × ({said})"
        return Kept(
            all=_between(anatomy, whole + ending, whole, f"{words} + last norm"),
            last=_between(anatomy, whole + passing, whole, f"{words} + {gradients}"),
            first=_between(anatomy, layer + passing, layer, one),
        )
    stream = inputs_bytes or of.stream
    inputs = float(stream * tokens * h)
    kept_inputs = -(-layers // every)
    entire = (layers - kept_inputs) * layer
    whole = kept_inputs * inputs + entire
    words = f"{kept_inputs} inputs × {stream} B × {h:,} × {tokens:,} tokens"
    if entire:
        words += f" + {layers - kept_inputs} layers × ({said})"
    # What the norm keeps of a layer's input is the input itself, where it needs no float32 copy of it.
    own = 0.0 if tensors.keeps_input(anatomy, of) else inputs
    first = own + layer + passing
    later = (layers - 1) % every * layer
    again = _between(anatomy, whole - later - inputs + first, entire - later + layer + passing, f"{words} + {one}")
    left = max(0, 2 * kept_inputs - 3) * inputs if inputs_stay else 0.0
    staying = f" + inputs of {kept_inputs} layers and their gradients" if left else ""
    return Kept(
        all=_between(anatomy, whole + ending, entire, f"{words} + last norm"),
        last=_between(anatomy, whole + passing, entire + passing, f"{words} + {gradients}") if later else again,
        first=_between(anatomy, first + left, layer + passing, one + staying),
        again=again if later else None,
    )


def _between(anatomy: Anatomy, size: float, counted: float, formula: str) -> Part:
    """A part of which so much is kept by code that may differ from what was counted."""
    below, above = (BELOW, ABOVE) if anatomy.counted else (UNCOUNTED_BELOW, UNCOUNTED_ABOVE)
    source = KEPT_SOURCE if anatomy.counted else UNCOUNTED_SOURCE
    return about("activations", size, size - below * counted, size + above * counted, formula, source)


def logits(
    anatomy: Anatomy,
    *,
    batch: int,
    sequence: int,
    loss: Loss,
    element_bytes: int,
    upcast: bool = False,
    on_gpu: bool = False,
) -> Part:
    """Logits and what cross-entropy makes of them, at their peak.

    Args:
        anatomy: the model.
        batch: sequences.
        sequence: tokens of each.
        loss: how it is computed.
        element_bytes: of the computing format.
        upcast: whether the head is float32, so that there are float32 logits before the loss makes its own.
        on_gpu: whether other code than torch's plain loss may run, which keeps more.
    """
    count = float(batch * sequence * anatomy.vocabulary)
    copied = SHORT_LOGIT_BYTES if loss == "in_place" and element_bytes < 4 else 0.0
    unshared = SHORT_LOGIT_BYTES - copied if loss == "in_place" else 0.0
    least, most = LOGIT_BYTES[loss] - unshared, MOST_LOGIT_BYTES[loss] - unshared
    each = most if upcast else least
    beside = ", beside those of 16 bits and their gradient" if copied else ""
    more = f"; on GPUs up to {most:g} B, where another copy lives beside" if on_gpu and most > each else ""
    return about(
        "logits",
        each * count,
        each * count,
        (most if on_gpu else each) * count,
        f"{each:g} B × {batch * sequence:,} tokens × {anatomy.vocabulary:,} words",
        f"{LOGITS[loss]}{beside}{more}",
    )
