"""Mixtures of llama.cpp: which type each tensor of a model gets when its file is made, so that the file's size is known before.

A name such as Q4_K_M stands for a type that most tensors get, and for better types of those that suffer most: values of the
attention, what leaves the attention and the feed-forward layers, and the head. Rows that are no whole blocks get another type.
The rules are those without an importance matrix.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from app.frozen import Frozen
from app.planner.models.anatomy import Anatomy, Matrix
from app.planner.models.tensor_types import BY_WORD as TYPES

SOURCE = "ggml-org/llama.cpp at 007dbbf, src/llama-quant.cpp: types that llama_tensor_get_type chooses without an importance matrix"

Tensor = Literal["query", "key", "value", "output", "gate", "up", "down", "embedding", "head", "router", "other"]
Where = Literal[
    "all", "grouped", "not grouped", "more bits", "first eighth", "first sixteenth", "first two", "first four"
]
"""Layers that a rule is for, or the models."""
GROUPED = 4
"""Query heads that share keys and values, from which on these are few enough to get more bits."""
UNQUANTISED = "f32"
"""What norms, biases, routers and learned positions keep."""
FUSED: Mapping[str, Mapping[str, Tensor]] = {"phi3": {"query": "value", "key": "value", "value": "value", "gate": "up"}}
"""Families whose files hold several matrices as one, which then gets one type."""
NAMES: Mapping[str, Tensor] = {
    "query": "query", "key": "key", "value": "value", "queries, keys, values": "value", "output": "output",
    "gate": "gate", "up": "up", "down": "down", "embedding": "embedding", "head": "head",
}  # fmt: skip
LAYERS_OF_70B = 80
"""Of models of these families with few keys and values, which then never get fewer than five bits for values."""
FAMILIES_OF_70B = frozenset({"llama", "mistral", "qwen2"})
EIGHT = 8
"""Experts, of models whose attention is so small beside them that it gets more bits."""
INSTEAD: Mapping[str, str] = {
    "iq3_xxs": "iq4_nl", "iq3_s": "iq4_nl", "iq4_xs": "iq4_nl", "q2_k": "q4_0", "q3_k": "q4_0", "q4_k": "q5_0",
    "q5_k": "q5_1", "q6_k": "q8_0",
}  # fmt: skip
"""What rows get that are not whole blocks of 256 elements."""


class Rule(Frozen):
    """A better type of some tensors."""

    tensor: Tensor
    where: Where
    type: str


class Mixture(Frozen):
    """One name, as llama.cpp's ``llama-quantize`` takes it."""

    word: str
    title: str
    most: str
    """Type of all tensors that no rule is for."""
    rules: tuple[Rule, ...] = ()
    """The first that fits decides."""
    expert_output: bool = False
    """Whether, of models with eight experts, what leaves the attention gets five bits."""


def _mixture(word: str, most: str, *rules: tuple[Tensor, Where, str], expert_output: bool = False) -> Mixture:
    made = tuple(Rule(tensor=tensor, where=where, type=kind) for tensor, where, kind in rules)
    return Mixture(word=word, title=word.upper(), most=most, rules=made, expert_output=expert_output)


MIXTURES: Sequence[Mixture] = (
    _mixture("q8_0", "q8_0"),
    _mixture("q6_k", "q6_k"),
    _mixture("q5_k_m", "q5_k", ("value", "more bits", "q6_k"), ("down", "more bits", "q6_k")),
    _mixture("q5_k_s", "q5_k"),
    _mixture("q5_1", "q5_1"),
    _mixture("q5_0", "q5_0"),
    _mixture("q4_k_m", "q4_k", ("value", "more bits", "q6_k"), ("down", "more bits", "q6_k"), expert_output=True),
    _mixture("q4_k_s", "q4_k", ("value", "first four", "q5_k"), ("down", "first eighth", "q5_k"), expert_output=True),
    _mixture("q4_1", "q4_1"),
    _mixture("q4_0", "q4_0"),
    _mixture("iq4_nl", "iq4_nl", ("value", "grouped", "q5_k"), ("down", "first eighth", "q5_k"), expert_output=True),
    _mixture("iq4_xs", "iq4_xs", ("value", "grouped", "q5_k"), ("down", "first eighth", "q5_k"), expert_output=True),
    _mixture("q3_k_l", "q3_k", ("value", "all", "q5_k"), ("down", "all", "q5_k"), ("output", "all", "q5_k")),
    _mixture("q3_k_m", "q3_k", ("value", "first two", "q5_k"), ("value", "all", "q4_k"), ("down", "first sixteenth", "q5_k"), ("down", "all", "q4_k"), ("output", "all", "q4_k"), expert_output=True),
    _mixture("q3_k_s", "q3_k", expert_output=True),
    _mixture("iq3_m", "iq3_s", ("value", "all", "q4_k"), ("down", "first eighth", "q4_k"), ("output", "all", "q4_k"), expert_output=True),
    _mixture("iq3_s", "iq3_s", ("value", "grouped", "q4_k"), expert_output=True),
    _mixture("q2_k", "q2_k", ("value", "grouped", "q4_k"), ("value", "not grouped", "q3_k"), ("down", "all", "q3_k"), ("output", "all", "q3_k"), expert_output=True),
)  # fmt: skip
FALCON: Mapping[str, tuple[Rule, ...]] = {
    word: tuple(Rule(tensor=tensor, where=where, type=kind) for tensor, where, kind in rules)
    for word, rules in {
        "q4_k_m": (("down", "first sixteenth", "q6_k"), ("down", "more bits", "q5_k")),
        "q4_k_s": (),
        "q3_k_m": (("down", "first sixteenth", "q5_k"), ("down", "more bits", "q4_k")),
        "q3_k_l": (("down", "all", "q4_k"), ("output", "all", "q4_k")),
    }.items()
}  # fmt: skip
"""What Falcon gets otherwise for feed-forward outputs and what leaves the attention, whose head is always of eight bits."""
BY_WORD: dict[str, Mixture] = {each.word: each for each in MIXTURES}


def of_tensors(type_word: str) -> str:
    """The planner's word for weights most of which have a tensor type: the mixture made of it, or the next in bits."""
    whole = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}
    bits = TYPES[type_word].bits
    near = min(MIXTURES, key=lambda each: (each.most != type_word, abs(TYPES[each.most].bits - bits)))
    return whole.get(type_word, near.word)


class _Model(NamedTuple):
    """What the rules ask of a model."""

    family: str
    layers: int
    tied: bool
    grouped: bool
    """Whether many queries share keys and values."""
    is_70b: bool
    experts: int
    dense: int
    """Layers before those that have experts, of models where only some have."""
    rules: tuple[Rule, ...]


def weight_bytes(anatomy: Anatomy, mixture: Mixture) -> int:
    """All tensors of a model's file, its header apart."""
    vectors = anatomy.vectors + sum(each.biases for each in anatomy.stored)
    return round(sum(matrix_bytes(anatomy, mixture).values())) + TYPES[UNQUANTISED].size(1, vectors)


@lru_cache(maxsize=256)
def matrix_bytes(anatomy: Anatomy, mixture: Mixture) -> dict[Matrix, float]:
    """Bytes of each matrix in a model's file, all its copies together."""
    model = _model(anatomy, mixture)
    return {each: float(_matrix_bytes(model, mixture, each)) for each in anatomy.stored}


def _model(anatomy: Anatomy, mixture: Mixture) -> _Model:
    widths, layers = anatomy.widths, anatomy.layers
    few_keys = widths.keys < widths.queries
    rules = mixture.rules
    if anatomy.family == "falcon":
        kept = tuple(rule for rule in rules if rule.tensor not in ("down", "output"))
        usual = tuple(rule for rule in rules if rule.tensor == "down")
        rules = (*kept, *FALCON.get(mixture.word, usual))
    return _Model(
        family=anatomy.family,
        layers=layers,
        tied=anatomy.tied,
        grouped=widths.queries >= GROUPED * widths.keys,
        is_70b=few_keys and layers == LAYERS_OF_70B and anatomy.family in FAMILIES_OF_70B,
        experts=max((one.count // layers for one in anatomy.matrices if one.name.startswith("expert ")), default=1),
        dense=max((one.count for one in anatomy.matrices if one.name.startswith("dense ")), default=0),
        rules=rules,
    )


def _matrix_bytes(model: _Model, mixture: Mixture, matrix: Matrix) -> int:
    """Of all copies of a matrix, which may differ from layer to layer."""
    tensor = _tensor(model.family, matrix)
    if tensor == "router" or matrix.name == "positions":
        return TYPES[UNQUANTISED].size(matrix.inputs, matrix.outputs * matrix.count)
    if tensor in ("embedding", "head"):
        return TYPES[_end(model, mixture, tensor, matrix.inputs)].size(matrix.inputs, matrix.outputs * matrix.count)
    layers = _layers(model, matrix)
    chosen = Counter(_whole(_type(model, mixture, tensor, layer), matrix.inputs) for layer in layers)
    each = matrix.outputs * (matrix.count // len(layers))
    return sum(TYPES[word].size(matrix.inputs, each * count) for word, count in chosen.items())


def _tensor(family: str, matrix: Matrix) -> Tensor:
    if matrix.role == "router":
        return "router"
    # Experts have the name of what they replace: "expert gate" is a gate.
    name = matrix.name if matrix.name in NAMES else matrix.name.split()[-1] if matrix.role == "ffn" else "other"
    return FUSED.get(family, {}).get(name) or NAMES.get(name, "other")


def _layers(model: _Model, matrix: Matrix) -> range:
    """Layers that have a matrix. Where not all have it, those without experts come first; of hybrids, places are not known."""
    if matrix.count % model.layers == 0:
        return range(model.layers)
    if model.dense and not matrix.name.startswith("dense "):
        return range(model.dense, model.layers)
    return range(matrix.count)


def _end(model: _Model, mixture: Mixture, tensor: Tensor, row: int) -> str:
    """Embedding and head; one that is both gets the head's type."""
    if tensor == "embedding" and not model.tied:
        return _whole(mixture.most, row)
    if model.family == "falcon" or mixture.most == "q8_0" or not TYPES[mixture.most].fits(row):
        return _whole("q8_0", row)
    return _whole("q6_k", row)


def _type(model: _Model, mixture: Mixture, tensor: Tensor, layer: int) -> str:
    """Of a layer's tensor, before it is seen whether its rows are whole blocks."""
    fitting = (rule.type for rule in model.rules if rule.tensor == tensor and _is_there(rule.where, layer, model))
    found = next(fitting, mixture.most)
    if model.experts == EIGHT and tensor in ("key", "value"):
        return "q8_0"
    if model.experts == EIGHT and tensor == "output":
        return "q5_k" if mixture.expert_output else mixture.most
    if tensor == "value" and model.is_70b and found in ("q3_k", "q4_k"):
        return "q5_k"
    return found


def _is_there(where: Where, layer: int, model: _Model) -> bool:
    eighth = model.layers // 8
    if where in ("grouped", "not grouped"):
        return model.grouped == (where == "grouped")
    if where == "more bits":  # The first and the last eighth, and every third layer between them.
        return layer < eighth or layer >= 7 * model.layers // 8 or (layer - eighth) % 3 == 2
    first = {
        "all": model.layers,
        "first eighth": eighth,
        "first sixteenth": model.layers // 16,
        "first two": 2,
        "first four": 4,
    }
    return layer < first[where]


def _whole(word: str, row: int) -> str:
    """The type, or what a row gets that it does not divide into whole blocks."""
    if TYPES[word].fits(row):
        return word
    instead = INSTEAD.get(word, "f16")
    return instead if TYPES[instead].fits(row) else "f16"
