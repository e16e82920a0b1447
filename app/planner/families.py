"""How each family of models is taken apart: from a Hugging Face ``config.json`` to its anatomy.

Nothing is built or downloaded. Every shape is that of the model's published code.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import JsonValue

from app.errors import Invalid
from app.planner.anatomy import Anatomy, Cache, Matrix, Widths
from workers.catalog.declared import Problem

QkNorm = Literal["none", "head", "width"]
"""Norm of queries and keys: over each head, or over all heads together."""
DEFAULT_PATTERN = 6
"""Gemma 3: every sixth layer attends to everything."""


def read(config: Mapping[str, JsonValue]) -> Anatomy:
    """Take a model apart.

    Args:
        config: the content of ``config.json``; of a model of several parts, its language part (``text_config``).

    Raises:
        Invalid: a field is missing or impossible, or the family is not known; named with what would do.
    """
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {"torch_dtype": config.get("torch_dtype"), **inner}
    family = config.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise Invalid.of(
            [
                Problem(
                    "model_type",
                    "unknown",
                    f"is {family!r}, which is not known here.",
                    f"One of {', '.join(FAMILIES)}.",
                )
            ]
        )
    return FAMILIES[family](_Config(family, config))


class _Config:
    """A configuration, read field by field; what is wrong is refused by name."""

    def __init__(self, family: str, values: Mapping[str, JsonValue]) -> None:
        self.family = family
        self._values = values

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**40:
            said = "is missing." if value is None else f"is {value!r}, which is no whole number from 1."
            raise Invalid.of([Problem(name, "invalid_number", said, f"config.json of a {self.family} model has it.")])
        return value

    def maybe(self, name: str) -> int | None:
        """A whole number, or None where it is absent or null."""
        return None if self._values.get(name) is None else self.number(name)

    def flag(self, name: str, default: bool) -> bool:
        """A switch."""
        value = self._values.get(name)
        return value if isinstance(value, bool) else default

    def words(self, name: str) -> list[str]:
        """A list of words; empty where it is absent."""
        value = self._values.get(name)
        return [str(each) for each in value] if isinstance(value, list) else []

    def text(self, name: str) -> str | None:
        """A word, or None."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    @property
    def dtype(self) -> str | None:
        """Format of the published weights."""
        return self.text("dtype") or self.text("torch_dtype")


def _gated(
    *, qkv_bias: bool = False, out_bias: bool = False, ffn_bias: bool = False, qk_norm: QkNorm = "none", norms: int = 2,
    tied: bool = False, sparse: bool = False,
) -> Callable[[_Config], Anatomy]:  # fmt: skip
    """Decoders with rotary positions, RMSNorm and gated feed-forward layers, which most are.

    Args:
        qkv_bias: whether queries, keys and values have biases, where the configuration does not say.
        out_bias: the same of the attention's output.
        ffn_bias: the same of the feed-forward matrices.
        qk_norm: norm of queries and keys.
        norms: norms of the width of the model in each layer.
        tied: whether head and embedding are one where the configuration does not say.
        sparse: whether experts take the feed-forward layer's place.
    """

    def anatomy(config: _Config) -> Anatomy:
        h, layers = config.number("hidden_size"), config.number("num_hidden_layers")
        heads = config.number("num_attention_heads")
        kv_heads = config.number("num_key_value_heads", heads)
        head = config.number("head_dim", max(1, h // heads))
        q, kv = heads * head, kv_heads * head
        biased = config.flag("attention_bias", qkv_bias)
        matrices = [
            Matrix(name="query", role="attention", outputs=q, inputs=h, count=layers, bias=biased),
            Matrix(name="key", role="attention", outputs=kv, inputs=h, count=layers, bias=biased),
            Matrix(name="value", role="attention", outputs=kv, inputs=h, count=layers, bias=biased),
            Matrix(
                name="output",
                role="attention",
                outputs=h,
                inputs=q,
                count=layers,
                bias=out_bias or (biased and not qkv_bias),
            ),
        ]
        feed, width = (
            _experts(config, h, layers)
            if sparse
            else _feed_forward(config, h, layers, config.flag("mlp_bias", ffn_bias))
        )
        vocabulary = config.number("vocab_size")
        normed = {"none": 0, "head": 2 * head, "width": q + kv}[qk_norm]
        return Anatomy(
            family=config.family,
            layers=layers,
            vocabulary=vocabulary,
            context=config.maybe("max_position_embeddings"),
            tied=config.flag("tie_word_embeddings", tied),
            matrices=(*_ends(vocabulary, h), *matrices, *feed),
            vectors=layers * (norms * h + normed) + h,
            caches=_windowed(config, layers, 2 * kv),
            widths=Widths(hidden=h, queries=q, keys=kv, ffn=width, qk_norm=qk_norm != "none"),
            heads=heads,
            dtype=config.dtype,
        )

    return anatomy


def _ends(vocabulary: int, h: int) -> tuple[Matrix, Matrix]:
    return (
        Matrix(name="embedding", role="embedding", outputs=vocabulary, inputs=h, count=1),
        Matrix(name="head", role="head", outputs=vocabulary, inputs=h, count=1),
    )


def _feed_forward(config: _Config, h: int, layers: int, bias: bool) -> tuple[list[Matrix], int]:
    f = config.number("intermediate_size")
    return [
        Matrix(name="gate", role="ffn", outputs=f, inputs=h, count=layers, bias=bias),
        Matrix(name="up", role="ffn", outputs=f, inputs=h, count=layers, bias=bias),
        Matrix(name="down", role="ffn", outputs=h, inputs=f, count=layers, bias=bias),
    ], f


def _experts(config: _Config, h: int, layers: int) -> tuple[list[Matrix], int]:
    """Experts in every layer, some of which work on a token."""
    count = config.maybe("num_local_experts") or config.number("num_experts")
    chosen = config.number("num_experts_per_tok")
    f = config.maybe("moe_intermediate_size") or config.number("intermediate_size")
    matrices = [Matrix(name="router", role="router", outputs=count, inputs=h, count=layers)]
    matrices += _expert("expert", h, f, layers * count, chosen / count)
    return matrices, chosen * f


def _expert(name: str, h: int, f: int, count: int, active: float) -> list[Matrix]:
    return [
        Matrix(name=f"{name} gate", role="ffn", outputs=f, inputs=h, count=count, active=active),
        Matrix(name=f"{name} up", role="ffn", outputs=f, inputs=h, count=count, active=active),
        Matrix(name=f"{name} down", role="ffn", outputs=h, inputs=f, count=count, active=active),
    ]


def _windowed(config: _Config, layers: int, width: int) -> tuple[Cache, ...]:
    """Caches of layers that keep everything, and of those that keep a window."""
    window = config.maybe("sliding_window")
    named = config.words("layer_types")
    if named:
        sliding = sum(word == "sliding_attention" for word in named)
    elif window is None or not config.flag("use_sliding_window", config.family not in ("qwen2", "qwen3", "qwen3_moe")):
        sliding = 0
    elif config.family == "gemma2":
        sliding = (layers + 1) // 2  # Every other one, the first among them.
    elif config.family == "gemma3_text":
        sliding = layers - layers // config.number("sliding_window_pattern", DEFAULT_PATTERN)
    elif config.family in ("qwen2", "qwen3", "qwen3_moe"):
        sliding = max(0, layers - config.number("max_window_layers", layers))
    else:
        sliding = layers
    found = (
        Cache(layers=layers - sliding, width=width),
        Cache(layers=sliding, width=width, window=window if sliding else None),
    )
    return tuple(cache for cache in found if cache.layers)


def _gpt2(config: _Config) -> Anatomy:
    """GPT-2: learned positions, which are a matrix of their own."""
    h, positions = config.number("n_embd"), config.number("n_positions", 1_024)
    found = _ungated(
        config, h, config.number("n_layer"), config.number("n_head"), config.number("n_inner", 4 * h),
        bias=True, tied=True, context=positions,
    )  # fmt: skip
    learned = Matrix(name="positions", role="embedding", outputs=positions, inputs=h, count=1)
    return found.model_copy(
        update={
            "matrices": (*found.matrices, learned),
            "widths": found.widths.model_copy(update={"rotary": False}),
        }
    )


def _gpt_neox(config: _Config) -> Anatomy:
    """GPT-NeoX and Pythia: rotary positions."""
    h, layers, heads = (config.number(name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    bias, context = config.flag("attention_bias", True), config.maybe("max_position_embeddings")
    return _ungated(
        config, h, layers, heads, config.number("intermediate_size"), bias=bias, tied=False, context=context
    )


def _ungated(
    config: _Config, h: int, layers: int, heads: int, f: int, *, bias: bool, tied: bool, context: int | None
) -> Anatomy:
    """LayerNorm, no gate, biases; queries, keys and values in one matrix."""
    vocabulary = config.number("vocab_size")
    matrices = (
        Matrix(name="queries, keys, values", role="attention", outputs=3 * h, inputs=h, count=layers, bias=bias),
        Matrix(name="output", role="attention", outputs=h, inputs=h, count=layers, bias=bias),
        Matrix(name="up", role="ffn", outputs=f, inputs=h, count=layers, bias=True),
        Matrix(name="down", role="ffn", outputs=h, inputs=f, count=layers, bias=True),
    )
    return Anatomy(
        family=config.family,
        layers=layers,
        vocabulary=vocabulary,
        context=context,
        tied=config.flag("tie_word_embeddings", tied),
        matrices=(*_ends(vocabulary, h), *matrices),
        vectors=layers * 4 * h + 2 * h,
        caches=(Cache(layers=layers, width=2 * h),),
        widths=Widths(hidden=h, queries=h, keys=h, ffn=f, gated=False),
        heads=heads,
        dtype=config.dtype,
    )


def _latent(config: _Config) -> Anatomy:
    """Multi-head latent attention and shared experts (DeepSeek V3): layers keep one latent of keys and values together."""
    h, layers, heads = (config.number(name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    rank, rope = config.number("kv_lora_rank"), config.number("qk_rope_head_dim")
    plain, value = config.number("qk_nope_head_dim"), config.number("v_head_dim")
    q_rank = config.maybe("q_lora_rank")
    bias = config.flag("attention_bias", False)
    q = heads * (plain + rope)

    def attention(name: str, outputs: int, inputs: int, biased: bool = False) -> Matrix:
        return Matrix(name=name, role="attention", outputs=outputs, inputs=inputs, count=layers, bias=biased)

    queries = (
        [attention("query down", q_rank, h, bias), attention("query up", q, q_rank)]
        if q_rank
        else [attention("query", q, h)]
    )
    matrices = [
        *queries,
        attention("latent down", rank + rope, h, bias),
        attention("latent up", heads * (plain + value), rank),
        attention("output", h, heads * value, bias),
    ]
    count, chosen = config.number("n_routed_experts"), config.number("num_experts_per_tok")
    shared, f = config.number("n_shared_experts"), config.number("moe_intermediate_size")
    dense = min(layers, config.maybe("first_k_dense_replace") or 0)
    sparse = layers - dense
    wide = config.number("intermediate_size")
    if dense:
        matrices += _expert("dense", h, wide, dense, 1.0)
    if sparse:
        matrices.append(Matrix(name="router", role="router", outputs=count, inputs=h, count=sparse))
        matrices += _expert("expert", h, f, sparse * count, chosen / count)
        matrices += _expert("shared", h, shared * f, sparse, 1.0)
    vocabulary = config.number("vocab_size")
    return Anatomy(
        family=config.family,
        layers=layers,
        vocabulary=vocabulary,
        context=config.maybe("max_position_embeddings"),
        tied=config.flag("tie_word_embeddings", False),
        matrices=(*_ends(vocabulary, h), *matrices),
        vectors=layers * (2 * h + rank + (q_rank or 0)) + h,
        caches=(Cache(layers=layers, width=rank + rope),),
        widths=Widths(
            hidden=h, queries=q, keys=heads * (plain + rope + value) // 2, ffn=(chosen + shared) * f if sparse else wide
        ),
        heads=heads,
        dtype=config.dtype,
    )


FAMILIES: dict[str, Callable[[_Config], Anatomy]] = {
    "llama": _gated(),
    "mistral": _gated(),
    "granite": _gated(),
    "phi3": _gated(),
    "smollm3": _gated(tied=True),
    "qwen2": _gated(qkv_bias=True),
    "qwen3": _gated(qk_norm="head"),
    "qwen3_moe": _gated(qk_norm="head", sparse=True),
    "mixtral": _gated(sparse=True),
    "gemma": _gated(tied=True),
    "gemma2": _gated(norms=4, tied=True),
    "gemma3_text": _gated(norms=4, qk_norm="head", tied=True),
    "olmo2": _gated(qk_norm="width"),
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "deepseek_v3": _latent,
}
"""How each family of models is taken apart, by ``model_type``."""
