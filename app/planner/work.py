"""What a step does: operations, bytes and calls of a prompt, of one token more, and of training, whatever it runs on.

Planner and guide reckon with these counts and no others; ``roofline.py`` turns them into seconds. Several devices' share of them
is taken there.
"""

from typing import Literal

from app.frozen import Frozen
from app.planner.memory import states
from app.planner.memory.activations import LOGIT_BYTES, Loss
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import matrix_bytes
from app.planner.memory.inference import CACHE_BITS
from app.planner.models.anatomy import Anatomy, Matrix

Execution = Literal["eager", "compiled", "graphs", "engine"]
TORCH_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Formats that are computed in, as torch names them."""
SUMS = 2
"""Results of a layer that devices which share its matrices sum up: attention's and the feed-forward layer's (arXiv 1909.08053)."""
EAGER_OPERATORS = 36
"""Operators of one decoder layer forward in transformers: two norms of 6, seven products, rotary positions 11, cache 2,
attention 1, gate 2, residuals 1 or 2."""
FUSED_KERNELS = 12
"""Kernels of one layer forward after compiling: seven products, attention, and four fused ones."""
ADAPTER_OPERATORS = 4
"""Operators that an adapter adds to each matrix: two products, scale, sum."""
UNPACKED = (0.9, 0.75, 0.89)
"""Rate of products while arithmetic binds, against plain ones, where weights are unpacked to be multiplied in 16 bits, from 8 bits,
from 4, and in llama.cpp: QLoRA at 0.64 to 0.78 of LoRA's speed (Lightning-AI/litgpt, torchtune), INT4 at 0.75 with batch 8 (H200),
prompts of Q8_0 and Q4_K_M at 0.89 of F16's (llama.cpp)."""
UNPACKING = {"int8": 3.5, "nf4": 3.5, "nf4_double": 3.5}
"""Operators that each matrix costs beyond its product where torch calls unpack it: 24.35 tokens a second with NF4 and 38.8 in
bfloat16 of an 8B model on an A100 (derekl35/quantization-benchmarks). Kernels that read packed INT4 need none."""
AS_KEPT = frozenset({"int8", "float8_e4m3fn"})
"""Formats of factors that are multiplied as they are kept, with nothing to unpack."""


class Step(Frozen):
    """How a step is computed; words of formats are the planner's."""

    weights: str = "fp32"
    computing: str = "fp32"
    arithmetic: str | None = None
    """Format of the factors of products, as torch names it; None for the computing one."""
    cache: str | None = None
    """Format of the KV cache; None for the computing one."""
    flash: bool = True
    """Whether scores of attention are never whole, as in torch's own attention (SDPA) and in engines."""
    attention_rate: float = 1.0
    """Of attention between tokens, against the kernel that torch takes by itself."""
    checkpointing: bool = False
    loss: Loss = "naive"
    optimizer: str = "adamw"
    rank: int | None = None
    """Of adapters on all linear layers; None trains everything."""
    execution: Execution = "eager"
    opaque: bool = False
    """Whether its operators stay calls of their own, because no compiler sees through them."""
    linear_operators: float | None = None
    """Operators that each matrix costs beyond its product, unless execution is compiled or an engine; None for what is usual for the
    weights' format."""
    efficiency: float | None = None
    """Of products while arithmetic binds, against plain ones; None for what is usual for the weights' format."""

    @property
    def products(self) -> str:
        """Format of the factors of products, as torch names it."""
        return self.arithmetic or TORCH_NAMES[self.computing]

    @property
    def rate(self) -> float:
        """Of products while arithmetic binds, against plain ones."""
        if self.efficiency is not None:
            return self.efficiency
        kept = FORMATS[self.weights]
        if not kept.is_quantised or self.arithmetic in AS_KEPT:
            return 1.0
        eight, four, llama_cpp = UNPACKED
        return llama_cpp if kept.mixture is not None else eight if kept.bits >= 8 else four

    @property
    def unpacking(self) -> float:
        """Operators that each matrix costs beyond its product, unless execution is compiled or an engine."""
        return UNPACKING.get(self.weights, 0.0) if self.linear_operators is None else self.linear_operators

    @property
    def kept_cache(self) -> str:
        """Format of the KV cache."""
        return self.cache or self.computing


class Work(Frozen):
    """Counts of one step."""

    products: float
    """Operations of products with weights; multiply and add are two."""
    scores: float
    """Operations of attention between tokens, causal: half of its square."""
    weights: float
    """Bytes of weights that are read."""
    cache: float
    """Bytes of keys and values that are read of earlier tokens, or written for later ones."""
    activations: float
    """Bytes moved between plain kernels; compiling fuses some of them."""
    others: float = 0.0
    """Bytes moved besides, which nothing fuses: whole scores, logits and their gradients, gradients and states."""
    layers: float
    """Layers that are passed, backward and again counted."""
    operators: float
    """That plain code calls."""
    kernels: float
    """That are left once it is compiled."""
    matrices: float
    """Products with weights among them."""
    cache_heads: int = 1
    """Among which devices can share the cache."""
    results: float = 0.0
    """Bytes that all layers' attention and feed-forward results have, which devices that share matrices sum up."""

    @property
    def operations(self) -> float:
        """All of them."""
        return self.products + self.scores

    @property
    def bytes(self) -> float:
        """Of weights and caches."""
        return self.weights + self.cache

    def cached(self, devices: int) -> float:
        """Bytes of the cache that each of several devices reads: of whole heads."""
        return self.cache * -(-self.cache_heads // devices) / self.cache_heads


def forward(
    anatomy: Anatomy, step: Step, batch: int, new: int, context: int, *, all_logits: bool = False, kept: bool = True,
    stored_bytes: int | None = None,
) -> Work:  # fmt: skip
    """A forward pass over ``new`` tokens of each sequence that see ``context`` tokens.

    Args:
        anatomy: the model.
        step: how it is computed.
        batch: sequences.
        new: tokens of each that are computed.
        context: tokens that the last of them sees; equal to ``new`` where there are none before.
        all_logits: whether logits are computed of every token, not of each sequence's last alone.
        kept: whether keys and values are.
        stored_bytes: of all weights, where their file says it; None reckons them by their formats.
    """
    tokens = batch * new
    widths, layers = anatomy.widths, anatomy.layers
    head = _head(anatomy)
    rows = tokens if all_logits or new < context else batch
    attending = sum(cache.layers for cache in anatomy.caches if not cache.state)
    seen = sum(cache.layers * cache.seen(new, context) for cache in anatomy.caches)
    element = FORMATS[step.computing].bits / 8
    moved = 9 * widths.hidden + 4 * widths.queries + 3 * widths.keys + 4 * widths.ffn
    others = 0.0
    if not step.flash and new == context:
        # Scores are written and read in the computing format and once more in float32, for the softmax.
        others = 2 * (4 + element) * batch * anatomy.heads * new * context * attending
    return Work(
        products=2 * ((anatomy.active_parameters - head) * tokens + head * rows),
        scores=4 * tokens * seen * widths.queries,
        weights=_weights(anatomy, step, tokens, stored_bytes),
        cache=_cached(anatomy, step.kept_cache, batch, context) if kept else 0.0,
        activations=2 * tokens * moved * layers * element,
        others=others,
        layers=layers,
        operators=layers * EAGER_OPERATORS,
        kernels=layers * FUSED_KERNELS,
        matrices=sum(each.count * each.active for each in anatomy.linear()),
        cache_heads=min((cache.heads for cache in anatomy.caches), default=1),
        results=SUMS * layers * tokens * widths.hidden * element,
    )


def training(anatomy: Anatomy, step: Step, batch: int, sequence: int, parts: int = 1) -> Work:
    """One micro-batch forward and backward with its part of the optimizer's step.

    Backward takes twice the operations of forward, or once where weights are frozen; recomputing takes the layers forward once more.

    Args:
        anatomy: the model.
        step: how it is computed.
        batch: sequences of the micro-batch.
        sequence: tokens of each.
        parts: micro-batches of an update.
    """
    one = forward(anatomy, step, batch, sequence, sequence, all_logits=True, kept=False)
    tokens = batch * sequence
    again = 1 if step.checkpointing else 0
    adapters = states.adapter_parameters(anatomy, step.rank) if step.rank else 0
    backward = 1 if adapters else 2
    of_head = 2 * _head(anatomy) * tokens
    passes = 2 + again
    trained = adapters or anatomy.parameters
    kept = 2 * ((0 if adapters else FORMATS[step.weights].bits / 8) + FORMATS[step.computing].bits / 8)
    update = trained * (kept + 2 * states.BY_WORD[step.optimizer].bytes + (8 if adapters else 0))
    return Work(
        products=(one.products - of_head) * (1 + backward + again)
        + of_head * (1 + backward)
        + adapters * tokens * (6 + 2 * again),
        scores=one.scores * (3 + again),
        weights=one.weights * (passes if adapters else 1 + passes),
        cache=0.0,
        activations=one.activations * (3 + again),
        others=one.others * (3 + again) + 2 * LOGIT_BYTES[step.loss] * tokens * anatomy.vocabulary + update / parts,
        layers=one.layers * passes,
        operators=(one.operators + (ADAPTER_OPERATORS * one.matrices if adapters else 0)) * passes,
        kernels=one.kernels * passes,
        matrices=one.matrices * passes,
    )


def read_bytes(anatomy: Anatomy, weights: str, computing: str, cache: str, batch: int, length: int) -> float:
    """What a decoding step reads: weights, and the caches of all sequences.

    Args:
        anatomy: the model.
        weights: format of the layers' weights.
        computing: format of what is not quantised.
        cache: format of the cache.
        batch: sequences.
        length: tokens that each has.
    """
    step = Step(weights=weights, computing=computing)
    return _weights(anatomy, step, batch, None) + _cached(anatomy, cache, batch, length)


def touched(matrix: Matrix, anatomy: Anatomy, tokens: int) -> float:
    """Share of a matrix that a step reads: of experts, those that any token chose, were they chosen evenly; of an embedding
    that is not the head too, some rows.
    """
    if matrix.role == "embedding" and not anatomy.tied:
        return 0.0
    if matrix.name == "positions":
        return 0.0
    return 1 - (1 - matrix.active) ** tokens


def _head(anatomy: Anatomy) -> int:
    return sum(each.weights for each in anatomy.matrices if each.role == "head")


def _weights(anatomy: Anatomy, step: Step, tokens: int, stored_bytes: int | None) -> float:
    if stored_bytes is not None:
        # Of a file only the sum is known here: elements stand for bytes.
        whole = sum(each.weights for each in anatomy.stored)
        return stored_bytes * sum(each.weights * touched(each, anatomy, tokens) for each in anatomy.stored) / whole
    sizes = matrix_bytes(anatomy, FORMATS[step.weights], FORMATS[step.computing])
    return sum(size * touched(each, anatomy, tokens) for each, size in sizes.items())


def _cached(anatomy: Anatomy, cache: str, batch: int, length: int) -> float:
    return batch * anatomy.cache_elements(length) * CACHE_BITS[cache] / 8
