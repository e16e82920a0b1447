"""Families whose feed-forward layers have no gate: most are older, with LayerNorm and biases."""

from app.planner.models.anatomy import Anatomy, Cache, Matrix, Widths, ends
from app.planner.models.configuration import Configuration

OPT_OFFSET = 2
"""Positions that OPT's table has beyond its context."""


def gpt2(config: Configuration) -> Anatomy:
    """GPT-2: learned positions, which are a matrix of their own."""
    h, positions = config.number("n_embd"), config.number("n_positions", 1_024)
    return _decoder(
        config, h=h, layers=config.number("n_layer"), heads=config.heads("n_head", h), f=config.number("n_inner", 4 * h),
        bias=True, tied=True, context=positions, positions=positions, rotary=False,
    )  # fmt: skip


def gpt_neox(config: Configuration) -> Anatomy:
    """GPT-NeoX and Pythia: rotary positions."""
    h = config.number("hidden_size")
    return _decoder(
        config, h=h, layers=config.number("num_hidden_layers"),
        heads=config.heads("num_attention_heads", h), f=config.number("intermediate_size"),
        bias=config.flag("attention_bias", True), ffn_bias=True, tied=False, context=config.maybe("max_position_embeddings"),
    )  # fmt: skip


def phi(config: Configuration) -> Anatomy:
    """Phi 1 to 2: attention and feed-forward beside each other after one norm, a head with a bias."""
    h = config.number("hidden_size")
    heads = config.heads("num_attention_heads", h)
    found = _decoder(
        config, h=h, layers=config.number("num_hidden_layers"), heads=heads,
        kv_heads=config.key_heads("num_key_value_heads", heads), f=config.number("intermediate_size"), bias=True, tied=False,
        context=config.maybe("max_position_embeddings"), norms=1, fused=False,
    )  # fmt: skip
    head = next(each for each in found.matrices if each.role == "head")
    rest = [each for each in found.matrices if each.role != "head"]
    more = found.vocabulary if found.tied else 0
    if config.flag("qk_layernorm", False):
        more += 4 * found.layers * (found.widths.hidden // heads)
    return found.model_copy(
        update={
            "matrices": (*rest, head.model_copy(update={"bias": True})),
            # A head that shares the embedding's matrix still has a bias of its own.
            "vectors": found.vectors + more,
        }
    )


def falcon(config: Configuration) -> Anatomy:
    """Falcon: queries of all heads and keys of one or a few in one matrix; positions rotary, or ALiBi."""
    h = config.number("hidden_size")
    heads = config.heads("num_attention_heads", h)
    new = config.flag("new_decoder_architecture", False)
    old_heads = 1 if config.flag("multi_query", True) else heads
    kv_heads = config.key_heads("num_kv_heads", heads) if new else old_heads
    beside = config.flag("parallel_attn", True)
    norms = config.number("num_ln_in_parallel_attn", 2) if new else (1 if beside else 2)
    return _decoder(
        config, h=h, layers=config.number("num_hidden_layers"), heads=heads, kv_heads=kv_heads,
        f=config.number("ffn_hidden_size", 4 * h), bias=config.flag("bias", False), tied=True,
        context=config.maybe("max_position_embeddings"), norms=norms, rotary=not config.flag("alibi", False),
    )  # fmt: skip


def opt(config: Configuration) -> Anatomy:
    """OPT: learned positions; the smallest but one embeds words more narrowly than it computes, which is not read here."""
    h = config.number("hidden_size")
    config.same("word_embed_proj_dim", h)
    positions = config.number("max_position_embeddings")
    return _decoder(
        config, h=h, layers=config.number("num_hidden_layers"), heads=config.heads("num_attention_heads", h),
        f=config.number("ffn_dim"), bias=config.flag("enable_bias", True), tied=True, context=positions,
        positions=positions + OPT_OFFSET, rotary=False, fused=False, last_norm=config.flag("do_layer_norm_before", True),
    )  # fmt: skip


def bloom(config: Configuration) -> Anatomy:
    """BLOOM: ALiBi, and a norm of the embedding."""
    h = config.maybe("hidden_size") or config.number("n_embed")
    name = "n_head" if config.maybe("n_head") else "num_attention_heads"
    found = _decoder(
        config, h=h, layers=config.maybe("n_layer") or config.number("num_hidden_layers"),
        heads=config.heads(name, h), f=4 * h, bias=True, tied=True,
        context=config.maybe("seq_length"), rotary=False,
    )  # fmt: skip
    return found.model_copy(update={"vectors": found.vectors + 2 * h})


def starcoder2(config: Configuration) -> Anatomy:
    """StarCoder 2: rotary positions, grouped keys, a window."""
    h = config.number("hidden_size")
    heads = config.heads("num_attention_heads", h)
    return _decoder(
        config, h=h, layers=config.number("num_hidden_layers"), heads=heads,
        kv_heads=config.key_heads("num_key_value_heads", heads), f=config.number("intermediate_size"),
        bias=config.flag("use_bias", True), tied=True, context=config.maybe("max_position_embeddings"), fused=False,
        window=config.maybe("sliding_window"),
    )  # fmt: skip


def _decoder(
    config: Configuration, *, h: int, layers: int, heads: int, f: int, bias: bool, tied: bool, context: int | None,
    kv_heads: int | None = None, ffn_bias: bool | None = None, norms: int = 2, positions: int | None = None,
    rotary: bool = True, fused: bool = True, window: int | None = None, last_norm: bool = True,
) -> Anatomy:  # fmt: skip
    """LayerNorm with biases, no gate.

    Args:
        config: of the model.
        h: width of the model.
        layers: of them.
        heads: of queries.
        f: width of the feed-forward layer.
        bias: of the attention's matrices.
        tied: whether head and embedding are one where the configuration does not say.
        context: tokens it was made for.
        kv_heads: heads of keys and of values; None for as many as of queries.
        ffn_bias: of the feed-forward matrices; None for the attention's.
        norms: of each layer.
        positions: rows of a learned table of them.
        rotary: whether queries and keys are rotated by their position.
        fused: whether queries, keys and values are one matrix.
        window: tokens that are attended to at most.
        last_norm: whether there is a norm after the last layer.
    """
    vocabulary = config.number("vocab_size")
    kv = (kv_heads or heads) * (h // heads)
    q = heads * (h // heads)
    wide = bias if ffn_bias is None else ffn_bias
    parts = (("queries, keys, values", q + 2 * kv),) if fused else (("query", q), ("key", kv), ("value", kv))
    matrices = [
        *ends(vocabulary, h),
        *(
            Matrix(name=name, role="attention", outputs=width, inputs=h, count=layers, bias=bias)
            for name, width in parts
        ),
        Matrix(name="output", role="attention", outputs=h, inputs=q, count=layers, bias=bias),
        Matrix(name="up", role="ffn", outputs=f, inputs=h, count=layers, bias=wide),
        Matrix(name="down", role="ffn", outputs=h, inputs=f, count=layers, bias=wide),
    ]
    if positions is not None:
        matrices.append(Matrix(name="positions", role="embedding", outputs=positions, inputs=h, count=1))
    return Anatomy(
        family=config.family,
        layers=layers,
        vocabulary=vocabulary,
        context=context,
        tied=config.flag("tie_word_embeddings", tied),
        matrices=tuple(matrices),
        vectors=(layers * norms + int(last_norm)) * 2 * h,
        caches=(Cache(layers=layers, width=2 * kv, window=window, heads=kv_heads or heads),),
        widths=Widths(hidden=h, queries=q, keys=kv, ffn=f, gated=False, rotary=rotary),
        heads=heads,
        dtype=config.dtype,
    )
