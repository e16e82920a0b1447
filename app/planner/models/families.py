"""How each family of models is taken apart: from a Hugging Face ``config.json`` to its anatomy.

Nothing is built or downloaded. Every shape is that of the model's published code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from app.errors import Invalid
from app.planner.models import ungated
from app.planner.models.anatomy import Anatomy, Cache, Matrix, Widths, ends
from app.planner.models.configuration import Configuration, language_part, shown
from app.planner.models.hybrids import hybrid
from workers.catalog.declared import Problem

QkNorm = Literal["none", "head", "width"]
"""Norm of queries and keys: over each head, or over all heads together."""
KINDS = ("full_attention", "sliding_attention")
"""Layers of transformers' ``layer_types``, as far as families here have them."""
PATTERNS = {"gemma3_text": 6, "cohere2": 4}
"""Families of which every so many layers one attends to everything, where the configuration does not say."""
ALTERNATING = frozenset({"gemma2", "gpt_oss"})
"""Families of which every other layer keeps a window, the first among them."""


def read(config: Mapping[str, JsonValue]) -> Anatomy:
    """Take a model apart.

    Args:
        config: the content of ``config.json``; of a model of several parts, its language part (``text_config``).

    Raises:
        Invalid: a field is missing or impossible, or the family is not known; named with what would do.
    """
    config = language_part(config)
    family = config.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise Invalid.of(
            [
                Problem(
                    "model_type",
                    "unknown",
                    f"is {shown(family)}, which is not known here.",
                    f"One of {', '.join(FAMILIES)}.",
                )
            ]
        )
    return FAMILIES[family](Configuration(family, config))


def _gated(
    *, qkv_bias: bool = False, out_bias: bool | None = None, ffn_bias: bool = False, qk_norm: QkNorm = "none", norms: int = 2,
    tied: bool = False, sparse: bool = False, layer_norm: bool = False, bias_key: str = "attention_bias", sinks: bool = False,
) -> Callable[[Configuration], Anatomy]:  # fmt: skip
    """Decoders with rotary positions, RMSNorm and gated feed-forward layers, which most are.

    Args:
        qkv_bias: whether queries, keys and values have biases, where the configuration does not say.
        out_bias: the same of the attention's output; None for one where queries have one because the configuration says so.
        ffn_bias: the same of the feed-forward matrices.
        qk_norm: norm of queries and keys.
        norms: norms of the width of the model in each layer.
        tied: whether head and embedding are one where the configuration does not say.
        sparse: whether experts take the feed-forward layer's place.
        layer_norm: whether norms have biases.
        bias_key: what the configuration calls biases of queries, keys and values.
        sinks: whether each head has a score of its own for attending to nothing, and experts have biases (GPT-OSS).
    """

    def anatomy(config: Configuration) -> Anatomy:
        h, layers = config.number("hidden_size"), config.number("num_hidden_layers")
        heads = config.heads("num_attention_heads", h)
        kv_heads = config.key_heads("num_key_value_heads", heads)
        head = config.number("head_dim", max(1, h // heads))
        q, kv = heads * head, kv_heads * head
        biased = config.flag(bias_key, qkv_bias)
        parallel = config.flag("use_parallel_residual", False)
        of_layer = (1 if parallel else norms) * (2 if layer_norm else 1)
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
                bias=biased and (sinks or not qkv_bias) if out_bias is None else out_bias,
            ),
        ]
        feed, width = (
            _experts(config, h, layers, bias=sinks)
            if sparse
            else _feed_forward(config, h, layers, config.flag("mlp_bias", ffn_bias))
        )
        vocabulary = config.number("vocab_size")
        per_head = config.flag("qk_layernorm", False)
        experts = sum(each.outputs for each in feed if each.role == "router")
        normed = q + kv if per_head else {"none": 0, "head": 2 * head, "width": q + kv}[qk_norm]
        return Anatomy(
            family=config.family,
            layers=layers,
            vocabulary=vocabulary,
            context=config.maybe("max_position_embeddings"),
            tied=config.flag("tie_word_embeddings", tied),
            matrices=(*ends(vocabulary, h), *matrices, *feed),
            vectors=layers * (of_layer * h + normed + (heads if sinks else 0)) + (2 if layer_norm else 1) * h,
            caches=_windowed(config, layers, 2 * kv, kv_heads),
            widths=Widths(
                hidden=h,
                queries=q,
                keys=kv,
                ffn=width,
                qk_norm=per_head or qk_norm != "none",
                experts=experts,
                chosen=config.chosen(experts) if experts else 0,
            ),
            heads=heads,
            dtype=config.dtype,
        )

    return anatomy


def _feed_forward(config: Configuration, h: int, layers: int, bias: bool) -> tuple[list[Matrix], int]:
    f = config.number("intermediate_size")
    return [
        Matrix(name="gate", role="ffn", outputs=f, inputs=h, count=layers, bias=bias),
        Matrix(name="up", role="ffn", outputs=f, inputs=h, count=layers, bias=bias),
        Matrix(name="down", role="ffn", outputs=h, inputs=f, count=layers, bias=bias),
    ], f


def _experts(config: Configuration, h: int, layers: int, *, bias: bool = False) -> tuple[list[Matrix], int]:
    """Experts in every layer, some of which work on a token."""
    count = config.maybe("num_local_experts") or config.number("num_experts")
    chosen = config.chosen(count)
    f = config.maybe("moe_intermediate_size") or config.number("intermediate_size")
    matrices = [Matrix(name="router", role="router", outputs=count, inputs=h, count=layers, bias=bias)]
    matrices += _expert("expert", h, f, layers * count, chosen / count, bias=bias)
    return matrices, chosen * f


def _expert(name: str, h: int, f: int, count: int, active: float, *, bias: bool = False) -> list[Matrix]:
    return [
        Matrix(name=f"{name} gate", role="ffn", outputs=f, inputs=h, count=count, active=active, bias=bias),
        Matrix(name=f"{name} up", role="ffn", outputs=f, inputs=h, count=count, active=active, bias=bias),
        Matrix(name=f"{name} down", role="ffn", outputs=h, inputs=f, count=count, active=active, bias=bias),
    ]


def _windowed(config: Configuration, layers: int, width: int, heads: int) -> tuple[Cache, ...]:
    """Caches of layers that keep everything, and of those that keep a window."""
    window = config.maybe("sliding_window")
    named = config.words("layer_types")
    if named:
        _check_kinds(named, layers, window)
        sliding = sum(word == "sliding_attention" for word in named)
    elif window is None or not config.flag("use_sliding_window", config.family not in ("qwen2", "qwen3", "qwen3_moe")):
        sliding = 0
    elif config.family in ALTERNATING:
        sliding = (layers + 1) // 2
    elif config.family in PATTERNS:
        sliding = layers - layers // config.number("sliding_window_pattern", PATTERNS[config.family])
    elif config.family in ("qwen2", "qwen3", "qwen3_moe"):
        sliding = max(0, layers - config.number("max_window_layers", layers))
    else:
        sliding = layers
    found = (
        Cache(layers=layers - sliding, width=width, heads=heads),
        Cache(layers=sliding, width=width, heads=heads, window=window if sliding else None),
    )
    return tuple(cache for cache in found if cache.layers)


def _check_kinds(named: Sequence[str], layers: int, window: int | None) -> None:
    """Refuse kinds of layers that are not known, not of every layer, or that lack their window."""
    said, hint = "", f"One of {', '.join(KINDS)} for each of {layers:,} layers."
    if len(named) != layers:
        said = f"has {len(named):,} entries for {layers:,} layers."
    elif wrong := next((word for word in named if word not in KINDS), None):
        said = f"has {shown(wrong)}, which is not known here."
    elif window is None and "sliding_attention" in named:
        raise Invalid.of(
            [Problem("sliding_window", "missing", "is missing, and layers slide.", "Tokens that they keep.")]
        )
    if said:
        raise Invalid.of([Problem("layer_types", "invalid_list", said, hint)])


def _latent(config: Configuration) -> Anatomy:
    """Multi-head latent attention and shared experts (DeepSeek V3): layers keep one latent of keys and values together."""
    h, layers = config.number("hidden_size"), config.number("num_hidden_layers")
    heads = config.heads("num_attention_heads", h)
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
    count = config.number("n_routed_experts")
    chosen = config.chosen(count)
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
        matrices=(*ends(vocabulary, h), *matrices),
        vectors=layers * (2 * h + rank + (q_rank or 0)) + h,
        caches=(Cache(layers=layers, width=rank + rope),),
        # Keys are made anew; values stay a part of what they are widened into, keys' plain part included; the result is as wide
        # as values are.
        widths=Widths(
            hidden=h,
            queries=q,
            keys=heads * (plain + 2 * value) // 2,
            ffn=(chosen + shared) * f if sparse else wide,
            latents=rank + (q_rank or 0),
            experts=count if sparse else 0,
            chosen=chosen if sparse else 0,
        ),
        heads=heads,
        dtype=config.dtype,
    )


FAMILIES: dict[str, Callable[[Configuration], Anatomy]] = {
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
    "glm4": _gated(norms=4, qkv_bias=True),
    "cohere": _gated(norms=1, tied=True),
    "cohere2": _gated(norms=1, tied=True),
    "stablelm": _gated(layer_norm=True, bias_key="use_qkv_bias", out_bias=False),
    "gpt_oss": _gated(qkv_bias=True, sparse=True, sinks=True),
    "granitemoehybrid": hybrid,
    "gpt2": ungated.gpt2,
    "gpt_neox": ungated.gpt_neox,
    "phi": ungated.phi,
    "falcon": ungated.falcon,
    "opt": ungated.opt,
    "bloom": ungated.bloom,
    "starcoder2": ungated.starcoder2,
    "deepseek_v3": _latent,
}
"""How each family of models is taken apart, by ``model_type``."""
