"""What a model is made of, as far as memory and time depend on it: its matrices, its caches and the widths of its layers.

``families.py`` reads it from a model's configuration.
"""

from typing import Literal

from app.frozen import Frozen

Role = Literal["embedding", "attention", "ffn", "router", "head"]


class Matrix(Frozen):
    """A weight matrix that occurs ``count`` times: ``[outputs, inputs]``, with a bias of ``outputs`` where it has one."""

    name: str
    role: Role
    outputs: int
    inputs: int
    count: int
    bias: bool = False
    active: float = 1.0
    """Share that works on a token: of experts, those that are chosen."""

    @property
    def weights(self) -> int:
        """Elements of all of them, biases apart."""
        return self.count * self.outputs * self.inputs

    @property
    def biases(self) -> int:
        """Elements of their biases."""
        return self.count * self.outputs if self.bias else 0


class Cache(Frozen):
    """What some layers keep of the tokens before."""

    layers: int
    width: int
    """Elements a layer keeps of one token: keys and values, or their common latent."""
    window: int | None = None
    """Tokens that are kept at most; None keeps all."""
    heads: int = 1
    """Of keys and values, which devices can share; 1 for a latent, which the queries of every head read whole."""
    state: bool = False
    """Whether it is a state that is carried on, and nothing that tokens attend to."""

    def share(self, devices: int) -> float:
        """Of it that each of several devices has at most: whole heads, of which devices beyond their number have copies."""
        return -(-self.heads // devices) / self.heads

    def seen(self, new: int, context: int) -> float:
        """Tokens that each of the last ``new`` of ``context`` tokens attends to, in the mean; a prompt is causal."""
        if self.state:
            return 0.0
        window = context if self.window is None else min(self.window, context)
        if new < context:
            return float(window)
        # The first tokens see fewer than the window holds.
        return window * (2 * context - window + 1) / (2 * context)

    def elements(self, tokens: int) -> int:
        """Elements for one sequence of so many tokens."""
        return self.layers * self.width * (tokens if self.window is None else min(tokens, self.window))


class Widths(Frozen):
    """Widths of one layer's tensors, in elements a token."""

    hidden: int
    queries: int
    keys: int
    """Of keys, and of values."""
    ffn: int
    """Of all experts that work on a token together."""
    gated: bool = True
    rotary: bool = True
    qk_norm: bool = False
    latents: int = 0
    """Of all that queries, and keys and values together, are widened from (multi-head latent attention)."""
    experts: int = 0
    """That a router chooses from; 0 where there is none."""
    chosen: int = 0
    """Of those, how many work on a token."""


class Anatomy(Frozen):
    """A decoder, taken apart."""

    family: str
    """``model_type`` of its configuration."""
    layers: int
    vocabulary: int
    context: int | None
    """Tokens it was made for at most; None where the configuration does not say."""
    tied: bool
    """Whether head and embedding are one matrix, which then counts once."""
    matrices: tuple[Matrix, ...]
    vectors: int
    """Elements of norms and other vectors that are no matrix's bias."""
    caches: tuple[Cache, ...]
    widths: Widths
    heads: int
    dtype: str | None = None
    """Format of the published weights, as the configuration has it."""
    counted: bool = True
    """Whether what layers of this kind keep in a training step was held against counts."""

    @property
    def parameters(self) -> int:
        """All elements, each stored one once."""
        return self.vectors + sum(each.weights + each.biases for each in self.stored)

    @property
    def stored(self) -> tuple[Matrix, ...]:
        """The matrices that have memory of their own."""
        return tuple(each for each in self.matrices if not (self.tied and each.role == "head"))

    @property
    def active_parameters(self) -> float:
        """Elements that are multiplied for each token: no embedding, the head, and the experts that are chosen."""
        return sum(each.weights * each.active for each in self.matrices if each.role != "embedding")

    def linear(self) -> tuple[Matrix, ...]:
        """What quantisation and adapters take: the layers' matrices without routers."""
        return tuple(each for each in self.matrices if each.role in ("attention", "ffn"))

    def cache_elements(self, tokens: int) -> int:
        """Elements that all layers keep for one sequence of so many tokens."""
        return sum(cache.elements(tokens) for cache in self.caches)

    def cache_share(self, tokens: int, devices: int) -> float:
        """Of these, the share that each of several devices keeps."""
        kept = sum(cache.elements(tokens) * cache.share(devices) for cache in self.caches)
        return kept / (self.cache_elements(tokens) or 1)


def ends(vocabulary: int, h: int) -> tuple[Matrix, Matrix]:
    """Embedding and head."""
    return (
        Matrix(name="embedding", role="embedding", outputs=vocabulary, inputs=h, count=1),
        Matrix(name="head", role="head", outputs=vocabulary, inputs=h, count=1),
    )
