"""What inference needs: weights and how they come to be there, the cache of keys and values, and what is computed with."""

from typing import Literal

from pydantic import Field

from app.frozen import Frozen
from app.planner.memory import autocast, overheads
from app.planner.memory.activations import copies
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import Format, quantised, weight_bytes
from app.planner.memory.parts import Instant, Needed, Part, about, exact
from app.planner.models.anatomy import Anatomy

CACHE_BITS = {"fp32": 32.0, "bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits of each element of the cache, scales included."""
Loading = Literal["stored", "quantised", "converted", "fused"]
"""How weights come to have their format: a file has them so; each matrix is quantised as it arrives; all of them are, once they
are there; or a file has them so, and those of queries, keys and values are then joined, for a while beside the single ones."""
COPIES_WHILE_QUANTISED = 2
"""Of the matrix that is quantised: as it arrived, and in the format that the kernel takes."""


class Inference(Frozen):
    """Answers to some prompts at a time."""

    batch: int = Field(1, ge=1)
    prompt: int = Field(2_048, ge=1)
    """Tokens of each prompt."""
    generated: int = Field(0, ge=0)
    """Tokens of each answer."""
    chunk: int | None = Field(None, ge=1)
    """Tokens of the prompts that are computed at a time; None computes all at once."""
    weights: str = "bf16"
    stored_bytes: int | None = Field(None, ge=1)
    """Of all weights, where their file says it; None computes them from their format."""
    loading: Loading | None = None
    """None loads as is usual for the format."""
    quantised_head: bool = False
    """Whether the head is quantised too."""
    computing: str = "bf16"
    cache: str = "bf16"
    flash: bool = True
    """Whether scores of attention are never whole."""
    all_logits: bool = False
    """Whether logits of every token of the prompts are computed, and not of the last ones alone."""
    devices: int = Field(1, ge=1)
    """That share every matrix, and the cache's heads as far as there are any (tensor parallel)."""
    on_gpu: bool = True


def needed(anatomy: Anatomy, asked: Inference) -> Needed:
    """Memory while weights are loaded, while the prompt is computed, and while the last token is generated."""
    kept, computing = FORMATS[asked.weights], FORMATS[asked.computing]
    loading = asked.loading or ("quantised" if kept.at_loading else "stored")
    weights = _weights(anatomy, asked, kept)
    cast = autocast.acts(asked.weights, asked.computing) and asked.stored_bytes is None
    bits = CACHE_BITS[asked.cache]
    if cast and anatomy.widths.rotary and asked.cache == asked.computing:
        # Keys are rotated with float32 angles and kept as they come out; values are as their product left them.
        bits = (bits + 8 * autocast.STREAM_BYTES) / 2

    def cache(tokens: int) -> Part:
        elements = asked.batch * anatomy.cache_elements(tokens)
        share = anatomy.cache_share(tokens, asked.devices)
        of_each = f" × {share:.3g}, the share of a device's heads" if asked.devices > 1 else ""
        return exact(
            "KV cache",
            elements * bits / 8 * share,
            f"{asked.batch} × {anatomy.cache_elements(tokens):,} elements of {tokens:,} tokens × {bits / 8:g} B{of_each}",
            "keys and values of every layer, as wide as the configuration has them",
        )

    last = asked.prompt + asked.generated
    always = [weights, *([autocast.copied(anatomy, asked.computing, asked.devices)] * cast)]
    stream = autocast.STREAM_BYTES if cast else round(computing.bits / 8)
    prompt = [*always, cache(asked.prompt), _working(anatomy, asked, asked.batch * asked.prompt, asked.prompt, stream)]
    if kept.is_quantised:
        prompt.append(_unpacked(anatomy, asked, kept, computing))
    moments = [("prompt", prompt)]
    if asked.generated:
        moments.append(("last token", [*always, cache(last), _working(anatomy, asked, asked.batch, last, stream)]))
    instants = [
        Instant(name=name, parts=overheads.with_these(parts, asked.on_gpu, loading == "converted"))
        for name, parts in moments
    ]
    if loading != "stored":
        held = _loaded(anatomy, asked, loading, weights, kept, computing)
        instants.insert(0, Instant(name="loading", parts=overheads.with_these(held, asked.on_gpu)))
    return Needed(instants=tuple(instants))


def _weights(anatomy: Anatomy, asked: Inference, kept: Format) -> Part:
    if asked.stored_bytes is not None:
        size = asked.stored_bytes / asked.devices
        return exact("weights", size, f"bytes of all tensors{_over(asked)}", "the header of their file")
    size = weight_bytes(anatomy, kept, FORMATS[asked.computing], head=asked.quantised_head)
    said = f"{anatomy.parameters:,} parameters, {kept.title}{_over(asked)}"
    return exact("weights", size / asked.devices, said, kept.source)


def _over(asked: Inference) -> str:
    return f" / {asked.devices} devices" if asked.devices > 1 else ""


def _loaded(
    anatomy: Anatomy, asked: Inference, loading: Loading, weights: Part, kept: Format, computing: Format
) -> list[Part]:
    """Weights while they are loaded, and what is there besides."""
    if loading == "converted":
        whole = weight_bytes(anatomy, computing, computing) / asked.devices
        return [
            about(
                "weights",
                whole,
                weights.bytes,
                whole + weights.bytes,
                f"{anatomy.parameters:,} parameters, {computing.title}",
                "all in the computing format before the first is quantised; less where each is moved to the device on its own",
            )
        ]
    if loading == "fused":
        joined = [each for each in anatomy.matrices if each.name in ("query", "key", "value")]
        size = sum(kept.bytes(each) for each in joined)
        return [
            weights,
            about(
                "joined", size, 0.0, size, f"{kept.title} of queries, keys and values once more",
                "AutoAWQ's fused modules: the single matrices are freed after those of all layers are joined",
            ),
        ]  # fmt: skip
    widest = max(each.outputs * each.inputs for each in quantised(anatomy, asked.quantised_head))
    one = widest * computing.bits / 8
    return [
        weights,
        about(
            "being quantised", COPIES_WHILE_QUANTISED * one, one, 2 * COPIES_WHILE_QUANTISED * one,
            f"{COPIES_WHILE_QUANTISED} × {computing.bits / 8:g} B × {widest:,}",
            "bitsandbytes' Linear4bit: the widest matrix as it arrives and in the kernel's format; twice as much in float32",
        ),
    ]  # fmt: skip


def _unpacked(anatomy: Anatomy, asked: Inference, kept: Format, computing: Format) -> Part:
    """The widest matrix in the computing format, which kernels of many tokens may need."""
    widest = max(each.outputs * each.inputs for each in quantised(anatomy, asked.quantised_head))
    size = widest * computing.bits / 8
    return about(
        "dequantised", size if kept.unpacked else 0.0, size if kept.unpacked else 0.0, size,
        f"{computing.bits / 8:g} B × {widest:,}",
        "the widest matrix while a prompt is computed, unless the kernel multiplies with quantised weights",
    )  # fmt: skip


def _working(anatomy: Anatomy, asked: Inference, tokens: int, context: int, stream_bytes: int) -> Part:
    """Tensors of the layer at work, or the logits after it.

    Args:
        anatomy: the model.
        asked: what is asked.
        tokens: of all sequences, that are computed.
        context: tokens of each sequence that they attend to.
        stream_bytes: of an element of the residual stream.
    """
    element_bytes = round(FORMATS[asked.computing].bits / 8)
    chunk = min(tokens, asked.chunk or tokens)
    widths = anatomy.widths
    # Nothing is kept for a backward pass: the residual stream, and at a time either queries, keys and values or the wide
    # tensors of the feed-forward layer: both factors of the gate and their product.
    wide = max(widths.queries + 2 * widths.keys, (3 if widths.gated else 2) * widths.ffn)
    least = 2 * stream_bytes * widths.hidden + element_bytes * wide
    most = max(float(least), stream_bytes * copies(widths, element_bytes))
    low, high = chunk * least, chunk * most
    said = f"{chunk:,} tokens × ({stream_bytes} B × 2 × {widths.hidden:,} + {element_bytes} B × {wide:,})"
    if not asked.flash:
        # Scores and their mask's sum in the computing format, the softmax in float32; some code keeps copies of each.
        score = chunk * anatomy.heads * context
        low, high = low + (2 * element_bytes + 4) * score, high + (2 * element_bytes + 8) * score
        said += f" + {2 * element_bytes + 4} B × {chunk:,} × {anatomy.heads} × {context:,} scores"
    rows = chunk if asked.all_logits else asked.batch
    logits = float(rows * anatomy.vocabulary * (4 if element_bytes == 4 else 4 + element_bytes))
    return about(
        "working set",
        max(low, logits),
        0.5 * max(low, logits),
        max(high, logits),
        f"the larger of {said}, and {rows:,} × {anatomy.vocabulary:,} logits",
        "the widest tensors of one layer that live at the same time, at most what training would keep of it; or the logits",
    )
