"""Mixtures of llama.cpp: which type each tensor of a model gets when its file is made, so that the file's size is known before.

A name such as Q4_K_M stands for a type that most tensors get, and for better types of those that suffer most: values of the
attention, what leaves the attention and the feed-forward layers, and the head. Rows that are no whole blocks get another type.
The rules are those without an importance matrix.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from app.frozen import Frozen
from app.planner.anatomy import Anatomy, Matrix
from app.planner.tensor_types import BY_WORD as TYPES

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


def weight_bytes(anatomy: Anatomy, mixture: Mixture) -> int:
    """All tensors of a model's file, its header apart."""
    vectors = anatomy.vectors + sum(each.biases for each in anatomy.stored)
    matrices = sum(_matrix_bytes(anatomy, mixture, each) for each in anatomy.stored)
    return matrices + TYPES[UNQUANTISED].size(1, vectors)


def _matrix_bytes(anatomy: Anatomy, mixture: Mixture, matrix: Matrix) -> int:
    """Of all copies of a matrix, which may differ from layer to layer."""
    tensor = _tensor(anatomy, matrix)
    if tensor == "router" or matrix.name == "positions":
        return TYPES[UNQUANTISED].size(matrix.inputs, matrix.outputs * matrix.count)
    if tensor in ("embedding", "head"):
        return TYPES[_end(anatomy, mixture, tensor, matrix)].size(matrix.inputs, matrix.outputs * matrix.count)
    layers = _layers(anatomy, matrix)
    each = matrix.outputs * (matrix.count // len(layers))
    return sum(
        TYPES[_type(anatomy, mixture, tensor, layer, matrix.inputs)].size(matrix.inputs, each) for layer in layers
    )


def _tensor(anatomy: Anatomy, matrix: Matrix) -> Tensor:
    if matrix.role == "router":
        return "router"
    # Experts have the name of what they replace: "expert gate" is a gate.
    name = matrix.name if matrix.name in NAMES else matrix.name.split()[-1] if matrix.role == "ffn" else "other"
    return FUSED.get(anatomy.family, {}).get(name) or NAMES.get(name, "other")


def _layers(anatomy: Anatomy, matrix: Matrix) -> range:
    """Layers that have a matrix. Where not all have it, those without experts come first."""
    if matrix.count % anatomy.layers == 0:
        return range(anatomy.layers)
    dense = max((each.count for each in anatomy.matrices if each.name.startswith("dense ")), default=0)
    return range(dense) if matrix.name.startswith("dense ") else range(dense, anatomy.layers)


def _end(anatomy: Anatomy, mixture: Mixture, tensor: Tensor, matrix: Matrix) -> str:
    """Embedding and head; one that is both gets the head's type."""
    if tensor == "embedding" and not anatomy.tied:
        return _whole(mixture.most, matrix.inputs)
    if anatomy.family == "falcon" or mixture.most == "q8_0" or not TYPES[mixture.most].fits(matrix.inputs):
        return _whole("q8_0", matrix.inputs)
    return _whole("q6_k", matrix.inputs)


def _type(anatomy: Anatomy, mixture: Mixture, tensor: Tensor, layer: int, row: int) -> str:
    found = next(
        (
            rule.type
            for rule in _rules(anatomy, mixture)
            if rule.tensor == tensor and _is_there(rule.where, layer, anatomy.layers, _grouped(anatomy))
        ),
        mixture.most,
    )
    experts = max(
        (each.count // anatomy.layers for each in anatomy.matrices if each.name.startswith("expert ")), default=1
    )
    if experts == EIGHT and tensor in ("key", "value"):
        found = "q8_0"
    elif experts == EIGHT and tensor == "output":
        found = "q5_k" if mixture.expert_output else mixture.most
    elif tensor == "value" and _is_70b(anatomy) and found in ("q3_k", "q4_k"):
        found = "q5_k"
    return _whole(found, row)


def _rules(anatomy: Anatomy, mixture: Mixture) -> tuple[Rule, ...]:
    """Of the model's family."""
    if anatomy.family != "falcon":
        return mixture.rules
    kept = tuple(rule for rule in mixture.rules if rule.tensor not in ("down", "output"))
    usual = tuple(rule for rule in mixture.rules if rule.tensor == "down")
    return (*kept, *FALCON.get(mixture.word, usual))


def _is_70b(anatomy: Anatomy) -> bool:
    grouped = anatomy.widths.keys < anatomy.widths.queries
    return grouped and anatomy.layers == LAYERS_OF_70B and anatomy.family in FAMILIES_OF_70B


def _grouped(anatomy: Anatomy) -> bool:
    return anatomy.widths.queries >= GROUPED * anatomy.widths.keys


def _is_there(where: Where, layer: int, layers: int, grouped: bool) -> bool:
    eighth = layers // 8
    answers: dict[Where, bool] = {
        "all": True,
        "grouped": grouped,
        "not grouped": not grouped,
        # The first and the last eighth, and every third layer between them.
        "more bits": layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2,
        "first eighth": layer < eighth,
        "first sixteenth": layer < layers // 16,
        "first two": layer < 2,
        "first four": layer < 4,
    }
    return answers[where]


def _whole(word: str, row: int) -> str:
    """The type, or what a row gets that it does not divide into whole blocks."""
    if TYPES[word].fits(row):
        return word
    instead = INSTEAD.get(word, "f16")
    return instead if TYPES[instead].fits(row) else "f16"
