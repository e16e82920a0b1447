"""What inference needs: weights, the cache of keys and values, and what a chunk of the prompt is computed in."""

from pydantic import Field

from app.frozen import Frozen
from app.planner import overheads
from app.planner.activations import copies
from app.planner.anatomy import Anatomy
from app.planner.formats import BY_WORD as FORMATS
from app.planner.formats import weight_bytes
from app.planner.parts import Instant, Needed, Part, about, exact

CACHE_BITS = {"fp32": 32.0, "bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits of each element of the cache, scales included."""


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
    computing: str = "bf16"
    cache: str = "bf16"
    on_gpu: bool = True


def needed(anatomy: Anatomy, asked: Inference) -> Needed:
    """Memory while the prompt is computed, and while the last token is generated."""
    kept, computing = FORMATS[asked.weights], FORMATS[asked.computing]
    size = weight_bytes(anatomy, kept, computing)
    weights = exact("weights", size, f"{anatomy.parameters:,} parameters, {kept.title}", kept.source)
    bits = CACHE_BITS[asked.cache]

    def cache(tokens: int) -> Part:
        elements = asked.batch * anatomy.cache_elements(tokens)
        return exact(
            "KV cache",
            elements * bits / 8,
            f"{asked.batch} × {anatomy.cache_elements(tokens):,} elements of {tokens:,} tokens × {bits / 8:g} B",
            "keys and values of every layer, as wide as the configuration has them",
        )

    last = asked.prompt + asked.generated
    instants = [
        Instant(
            name="prompt",
            parts=overheads.with_these(
                [weights, cache(asked.prompt), _working(anatomy, asked, asked.batch * asked.prompt)], asked.on_gpu
            ),
        )
    ]
    if asked.generated:
        instants.append(
            Instant(
                name="last token",
                parts=overheads.with_these([weights, cache(last), _working(anatomy, asked, asked.batch)], asked.on_gpu),
            )
        )
    return Needed(instants=tuple(instants))


def _working(anatomy: Anatomy, asked: Inference, tokens: int) -> Part:
    """Tensors of the layer at work, and the logits of each sequence's last token."""
    element_bytes = FORMATS[asked.computing].bits / 8
    chunk = min(tokens, asked.chunk or tokens)
    widths = anatomy.widths
    # Nothing is kept for a backward pass: the residual stream, and at a time either queries, keys and values or the two
    # wide tensors of the feed-forward layer.
    least = 2 * widths.hidden + max(widths.queries + 2 * widths.keys, (2 if widths.gated else 1) * widths.ffn)
    most = copies(widths, round(element_bytes))
    scores = asked.batch * anatomy.vocabulary * 4.0
    low, high = (chunk * each * element_bytes + scores for each in (least, most))
    return about(
        "working set",
        low,
        0.5 * low,
        high,
        f"{chunk:,} tokens × {least:,} elements × {element_bytes:g} B + 4 B × {asked.batch} × {anatomy.vocabulary:,} logits",
        "the widest tensors of one layer that live at the same time; at most what training would keep of it",
    )
