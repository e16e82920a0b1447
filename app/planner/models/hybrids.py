"""Families that mix layers of attention with layers of a state space model, whose state is as large for any number of tokens."""

from app.errors import Invalid
from app.planner.models.anatomy import Anatomy, Cache, Matrix, Widths, ends
from app.planner.models.configuration import Configuration
from workers.catalog.declared import Problem

ATTENTION = frozenset({"attention", "full_attention"})
STATE = frozenset({"mamba", "linear_attention"})


def hybrid(config: Configuration) -> Anatomy:
    """Granite 4: Mamba 2 and attention, experts or one shared feed-forward layer in each layer.

    Activations of training are those of attention: the ones of a state space layer are not counted apart.
    """
    h, layers = config.number("hidden_size"), config.number("num_hidden_layers")
    kinds = config.words("layer_types") or config.words("layers_block_type")
    if len(kinds) != layers or not set(kinds) <= ATTENTION | STATE:
        says = f"names {len(kinds)} layers of the kinds {sorted(set(kinds))[:4]}."
        hint = f"{layers} words, each one of {', '.join(sorted(ATTENTION | STATE))}."
        raise Invalid.of([Problem("layer_types", "invalid_layers", says, hint)])
    attentive = sum(kind in ATTENTION for kind in kinds)
    heads = config.heads("num_attention_heads", h)
    kv_heads = config.key_heads("num_key_value_heads", heads)
    q, kv = heads * (h // heads), kv_heads * (h // heads)
    state, of_mixer, elements = _mixer(config, h, layers - attentive)
    feed, width = _feed_forward(config, h, layers)
    vocabulary, biased = config.number("vocab_size"), config.flag("attention_bias", False)
    matrices = [*ends(vocabulary, h), *state, *feed]
    if attentive:
        for name, outputs, inputs in (("query", q, h), ("key", kv, h), ("value", kv, h), ("output", h, q)):
            matrices.append(
                Matrix(name=name, role="attention", outputs=outputs, inputs=inputs, count=attentive, bias=biased)
            )
    # A window of one token keeps the same for any number of tokens: a state.
    found = (
        Cache(layers=attentive, width=2 * kv, heads=kv_heads),
        Cache(layers=layers - attentive, width=elements, window=1, heads=config.number("mamba_n_heads"), state=True),
    )
    return Anatomy(
        family=config.family,
        layers=layers,
        vocabulary=vocabulary,
        context=config.maybe("max_position_embeddings"),
        tied=config.flag("tie_word_embeddings", False),
        matrices=tuple(matrices),
        vectors=layers * 2 * h + h + of_mixer * (layers - attentive),
        caches=tuple(cache for cache in found if cache.layers),
        widths=Widths(hidden=h, queries=q, keys=kv, ffn=width, rotary=config.text("position_embedding_type") == "rope"),
        heads=heads,
        dtype=config.dtype,
        counted=False,
    )


def _mixer(config: Configuration, h: int, layers: int) -> tuple[list[Matrix], int, int]:
    """Matrices of Mamba 2 (arXiv 2405.21060), other elements of a layer, and elements of its state."""
    inner = config.number("mamba_expand", 2) * h
    heads, size = config.number("mamba_n_heads"), config.number("mamba_d_state")
    mixed = inner + 2 * config.number("mamba_n_groups", 1) * size
    taps = config.number("mamba_d_conv", 4)
    bias = config.flag("mamba_proj_bias", False)
    if not layers:
        return [], 0, 0
    matrices = [
        Matrix(name="state in", role="attention", outputs=inner + mixed + heads, inputs=h, count=layers, bias=bias),
        Matrix(name="state out", role="attention", outputs=h, inputs=inner, count=layers, bias=bias),
    ]
    # The convolution's taps, three numbers a head (step, decay, skip), and a norm.
    others = mixed * (taps + int(config.flag("mamba_conv_bias", True))) + 3 * heads + inner
    return matrices, others, inner * size + mixed * taps


def _feed_forward(config: Configuration, h: int, layers: int) -> tuple[list[Matrix], int]:
    """The shared feed-forward layer, and experts beside it where there are any."""
    shared = config.number("shared_intermediate_size")
    matrices = [
        Matrix(name="shared gate", role="ffn", outputs=shared, inputs=h, count=layers),
        Matrix(name="shared up", role="ffn", outputs=shared, inputs=h, count=layers),
        Matrix(name="shared down", role="ffn", outputs=h, inputs=shared, count=layers),
    ]
    count = config.none_or_more("num_local_experts")
    if not count:
        return matrices, shared
    chosen, f = config.chosen(count), config.number("intermediate_size")
    matrices.append(Matrix(name="router", role="router", outputs=count, inputs=h, count=layers))
    for name, outputs, inputs in (("gate", f, h), ("up", f, h), ("down", h, f)):
        matrices.append(
            Matrix(
                name=f"expert {name}",
                role="ffn",
                outputs=outputs,
                inputs=inputs,
                count=layers * count,
                active=chosen / count,
            )
        )
    return matrices, shared + chosen * f
