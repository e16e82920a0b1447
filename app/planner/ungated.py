"""Families whose feed-forward layers have no gate: most are older, with LayerNorm and biases."""

from app.planner.anatomy import Anatomy, Cache, Matrix, Widths, ends
from app.planner.configuration import Configuration


def gpt2(config: Configuration) -> Anatomy:
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


def gpt_neox(config: Configuration) -> Anatomy:
    """GPT-NeoX and Pythia: rotary positions."""
    h, layers, heads = (config.number(name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    bias, context = config.flag("attention_bias", True), config.maybe("max_position_embeddings")
    return _ungated(
        config, h, layers, heads, config.number("intermediate_size"), bias=bias, tied=False, context=context
    )


def _ungated(
    config: Configuration, h: int, layers: int, heads: int, f: int, *, bias: bool, tied: bool, context: int | None
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
        matrices=(*ends(vocabulary, h), *matrices),
        vectors=layers * 4 * h + 2 * h,
        caches=(Cache(layers=layers, width=2 * h),),
        widths=Widths(hidden=h, queries=h, keys=h, ffn=f, gated=False),
        heads=heads,
        dtype=config.dtype,
    )
