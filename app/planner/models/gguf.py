"""Models in GGUF files: how large each kind of tensor and the whole file are, and the model's anatomy.

Nothing but the file's header is needed. Matrices are those that the file has, so that every element is counted as it is stored.
Names of keys and tensors: ggml-org/llama.cpp, gguf-py/gguf/constants.py.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from app.frozen import Frozen
from app.planner.models.anatomy import Anatomy, Cache, Matrix, Role, Widths
from app.planner.models.gguf_header import Header, Tensor, Value, read_header, refuse

MOST = 2**40
LAYER = re.compile(r"blk\.(\d+)\.(.+)")
EXPERT = re.compile(r"(ffn_(?:gate|up|down))\.\d+")
"""A tensor of a single expert, as files of 2023 have them."""
IGNORED = frozenset({"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"})
"""Tables that the model's own code computes."""


class Kind(NamedTuple):
    """What a tensor is."""

    name: str
    role: Role


MATRICES: Mapping[str, Kind] = {
    "token_embd": Kind("embedding", "embedding"),
    "position_embd": Kind("positions", "embedding"),
    "output": Kind("head", "head"),
    "attn_q": Kind("query", "attention"),
    "attn_k": Kind("key", "attention"),
    "attn_v": Kind("value", "attention"),
    "attn_qkv": Kind("queries, keys, values", "attention"),
    "attn_output": Kind("output", "attention"),
    "attn_q_a": Kind("query down", "attention"),
    "attn_q_b": Kind("query up", "attention"),
    "attn_kv_a_mqa": Kind("latent down", "attention"),
    "attn_kv_b": Kind("latent up", "attention"),
    "attn_k_b": Kind("latent up, keys", "attention"),
    "attn_v_b": Kind("latent up, values", "attention"),
    "ffn_gate": Kind("gate", "ffn"),
    "ffn_up": Kind("up", "ffn"),
    "ffn_down": Kind("down", "ffn"),
    "ffn_gate_exps": Kind("expert gate", "ffn"),
    "ffn_up_exps": Kind("expert up", "ffn"),
    "ffn_down_exps": Kind("expert down", "ffn"),
    "ffn_gate_up_exps": Kind("expert gate and up", "ffn"),
    "ffn_gate_shexp": Kind("shared gate", "ffn"),
    "ffn_up_shexp": Kind("shared up", "ffn"),
    "ffn_down_shexp": Kind("shared down", "ffn"),
    "ffn_gate_inp": Kind("router", "router"),
    "ffn_gate_inp_shexp": Kind("router of the shared expert", "router"),
}
"""What the tensors of matrices are called, without ``.weight`` and the layer before it."""
Windowed = Callable[[int], bool]
"""Whether a layer keeps a window alone."""


def _every(period: int) -> Windowed:
    """All layers but every so many."""
    return lambda layer: (layer + 1) % period != 0


def _none(layer: int) -> bool:
    return False


ARCHITECTURES: Mapping[str, Windowed] = {
    "llama": _none,
    "mistral3": _none,
    "qwen2": _none,
    "qwen2moe": _none,
    "qwen2vl": _none,
    "qwen3": _none,
    "qwen3moe": _none,
    "qwen3vl": _none,
    "qwen3vlmoe": _none,
    "granite": _none,
    "granitemoe": _none,
    "smollm3": _none,
    "olmo": _none,
    "olmo2": _none,
    "olmoe": _none,
    "internlm2": _none,
    "minicpm": _none,
    "seed_oss": _none,
    "ernie4_5": _none,
    "stablelm": _none,
    "starcoder": _none,
    "starcoder2": _none,
    "command-r": _none,
    "chatglm": _none,
    "glm4": _none,
    "phi2": _none,
    "phi3": lambda layer: True,
    "gemma": _none,
    "gemma2": _every(2),
    "gemma3": _every(6),
    "gpt-oss": _every(2),
    "cohere2": _every(4),
    "gpt2": _none,
    "gptneox": _none,
    "falcon": _none,
    "bloom": _none,
    "deepseek": _none,
    "deepseek2": _none,
}
"""Architectures by ``general.architecture``, and which of their layers keep a window where the metadata has one."""


MODEL_TYPES: Mapping[str, str] = {
    "mistral3": "mistral", "gemma3": "gemma3_text", "gpt-oss": "gpt_oss", "command-r": "cohere", "phi2": "phi",
    "gptneox": "gpt_neox", "qwen3moe": "qwen3_moe", "deepseek2": "deepseek_v3", "chatglm": "glm",
}  # fmt: skip
"""What ``config.json`` calls architectures that have another name there."""
FUSED = frozenset({"phi3", "chatglm", "glm4"})
"""Architectures whose files hold the gate and what it gates as one matrix."""
ALIBI = frozenset({"bloom"})
"""Architectures that neither rotate queries and keys nor have a table of positions."""


LONGEST_NAME = 200
"""Characters of a model's name that are kept."""


class GgufModel(Frozen):
    """What a header says of its model."""

    architecture: str
    name: str | None
    """As its maker calls it."""
    anatomy: Anatomy
    weights: dict[str, int]
    """Bytes of tensors by their type, the largest first."""
    header_bytes: int
    """Before the first tensor."""
    file_bytes: int
    """Header and tensors, each of these filled up to the alignment."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(self.weights.values())


def read(header: bytes) -> GgufModel:
    """Take a model apart.

    Args:
        header: the beginning of its file, or all of it; what follows the header is not looked at.

    Raises:
        Invalid: it is no GGUF header, is cut off, says what cannot be, or its architecture is not known; named with what would do.
    """
    found = read_header(header)
    architecture = found.metadata.get("general.architecture")
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        says = f"is {str(architecture)[:80]!r}, which is not known here."
        refuse("general.architecture", "unknown", says, f"One of {', '.join(ARCHITECTURES)}.")
    if not found.tensors:
        refuse("tensor_count", "too_small", "is 0.", "A model has tensors; a vocabulary alone is none.")
    sizes: Counter[str] = Counter()
    for tensor in found.tensors:
        sizes[tensor.type] += tensor.bytes
    name = found.metadata.get("general.name")
    return GgufModel(
        architecture=architecture,
        name=name[:LONGEST_NAME] if isinstance(name, str) else None,
        anatomy=_anatomy(architecture, found, sizes.most_common(1)[0][0]),
        weights=dict(sizes.most_common()),
        header_bytes=found.header_bytes,
        file_bytes=found.file_bytes,
    )


class _Metadata:
    """Keys of an architecture; what is wrong is refused by name."""

    def __init__(self, architecture: str, values: Mapping[str, Value]) -> None:
        self._prefix = f"{architecture}."
        self._values = values

    def each(self, key: str, layers: int, default: int | None = None) -> tuple[int, ...]:
        """A whole number for each layer; most files have one for all."""
        value = self._values.get(self._prefix + key)
        if isinstance(value, tuple):
            if len(value) != layers:
                refuse(self._prefix + key, "invalid_length", f"has {len(value)} numbers.", f"One, or {layers}.")
            return tuple(self._sound(key, one, least=0) for one in value)
        return (self.number(key, default),) * layers

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._values.get(self._prefix + key)
        if value is None and default is not None:
            return default
        return self._sound(key, value, least=1)

    def maybe(self, key: str) -> int | None:
        """A whole number, or None where it is absent or zero, which stands for none."""
        return None if not self._values.get(self._prefix + key) else self.number(key)

    def windowed(self, layers: int, usual: Windowed) -> Windowed:
        """Which layers keep a window: as the file says it, in one of two ways, or as is usual."""
        key = "attention.sliding_window_pattern"
        value = self._values.get(self._prefix + key)
        if value is None:
            return usual
        if isinstance(value, tuple):
            if len(value) != layers:
                refuse(
                    self._prefix + key, "invalid_length", f"has {len(value)} values.", f"{layers}, one for each layer."
                )
            return tuple(bool(one) for one in value).__getitem__
        return _every(self._sound(key, value, least=1))

    def _sound(self, key: str, value: Value | None, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < MOST:
            says = "is missing." if value is None else f"is {str(value)[:80]}, which is no whole number from {least}."
            refuse(self._prefix + key, "invalid_number", says, "Every GGUF file of such a model has it.")
        return value


def _anatomy(architecture: str, header: Header, most: str) -> Anatomy:
    given = _Metadata(architecture, header.metadata)
    layers = given.number("block_count")
    if layers > len(header.tensors):
        refuse(
            f"{architecture}.block_count",
            "too_large",
            f"is {layers:,}.",
            f"The file has {len(header.tensors)} tensors.",
        )
    matrices, vectors = _matrices(header.tensors, layers, _share(given))
    embedding = next((each for each in matrices if each.name == "embedding"), None)
    if embedding is None:
        refuse("token_embd.weight", "missing", "is missing.", "Every model has an embedding.")
    heads = given.each("attention.head_count", layers)
    latent = given.maybe("attention.kv_lora_rank")
    usual = max(1, embedding.inputs // max(1, *heads))
    key = given.maybe("attention.key_length_mla") or given.number("attention.key_length", usual)
    value = given.maybe("attention.value_length_mla") or given.number("attention.value_length", usual)
    key_heads = heads if latent else given.each("attention.head_count_kv", layers, max(1, *heads))
    if latent:
        caches: tuple[Cache, ...] = (Cache(layers=layers, width=latent + given.number("rope.dimension_count")),)
    else:
        _check_shapes(architecture, header.tensors, {"attn_k": key, "attn_v": value}, key_heads)
        caches = tuple(_caches(architecture, given, key_heads, key + value))
    if given.number("embedding_length", embedding.inputs) != embedding.inputs:
        says = f"is {given.number('embedding_length'):,}, and the embedding's rows have {embedding.inputs:,} elements."
        refuse(f"{architecture}.embedding_length", "contradiction", says, "Both alike, as in a whole file.")
    tied = not any(each.role == "head" for each in matrices)
    if tied:
        matrices.append(embedding.model_copy(update={"name": "head", "role": "head"}))
    experts = architecture == "llama" and any(each.role == "router" for each in matrices)
    return Anatomy(
        family="mixtral" if experts else MODEL_TYPES.get(architecture, architecture),
        layers=layers,
        vocabulary=embedding.outputs,
        context=given.maybe("context_length"),
        tied=tied,
        matrices=tuple(matrices),
        vectors=vectors,
        caches=caches,
        widths=Widths(
            hidden=embedding.inputs,
            queries=max(heads) * key,
            keys=max(key_heads) * (key + value) // 2,
            ffn=_width(matrices, layers),
            gated=any("gate" in each.name for each in matrices) or architecture in FUSED,
            rotary=architecture not in ALIBI and not any(each.name == "positions" for each in matrices),
            qk_norm=any(tensor.name.endswith("attn_q_norm.weight") for tensor in header.tensors),
            experts=sum(each.outputs for each in matrices if each.role == "router"),
            chosen=given.maybe("expert_used_count") or 0,
        ),
        heads=max(heads),
        dtype=most,
    )


def _check_shapes(
    architecture: str, tensors: Sequence[Tensor], widths: Mapping[str, int], key_heads: Sequence[int]
) -> None:
    """Refuse heads of keys and values that do not make up the tensors that they come from: the cache would be another.

    Args:
        architecture: prefix of the keys.
        tensors: of the file.
        widths: elements of a head, by the tensor's name.
        key_heads: heads of keys and values of each layer.
    """
    for tensor in tensors:
        inside = LAYER.fullmatch(tensor.name.removesuffix(".weight"))
        if inside is None or inside[2] not in widths or len(tensor.shape) < 2:
            continue
        wanted = key_heads[int(inside[1])] * widths[inside[2]]
        if tensor.shape[1] != wanted:
            refuse(
                f"{architecture}.attention.head_count_kv", "contradiction",
                f"and the length of a head make {wanted:,} rows of {tensor.name[:80]}, which has {tensor.shape[1]:,}.",
                "Heads as in the model's own file.",
            )  # fmt: skip


def _share(given: _Metadata) -> float:
    """Of experts, those that work on a token."""
    experts = given.maybe("expert_count")
    return 1.0 if experts is None else min(1.0, given.number("expert_used_count") / experts)


def _matrices(tensors: Sequence[Tensor], layers: int, share: float) -> tuple[list[Matrix], int]:
    """Matrices, those of the same kind and shape together, and elements of everything else."""
    biases = {each.name.removesuffix(".bias"): prod(each.shape) for each in tensors if each.name.endswith(".bias")}
    counted: Counter[tuple[Kind, int, int, bool]] = Counter()
    vectors = 0
    for tensor in tensors:
        if tensor.name in IGNORED:
            continue
        whole, _, suffix = tensor.name.rpartition(".")
        kind = MATRICES.get(_plain(tensor.name, whole, layers))
        # Norms of each head apart have a row for each of them.
        if suffix != "weight" or len(tensor.shape) == 1 or whole.endswith("_norm"):
            vectors += prod(tensor.shape)
            continue
        if kind is None:
            refuse(
                tensor.name, "unknown_tensor", "is a matrix that is not known here.", f"One of {', '.join(MATRICES)}."
            )
        outputs, copies, bias = tensor.shape[1], prod(tensor.shape[2:]), biases.get(whole)
        if bias is not None and bias != outputs * copies:
            refuse(
                f"{whole}.bias",
                "invalid_shape",
                f"has {bias:,} elements.",
                f"{outputs * copies:,}, one for each output.",
            )
        counted[kind, outputs, tensor.shape[0], bias is not None] += copies
        vectors -= bias or 0
    found = [
        Matrix(
            name=kind.name, role=kind.role, outputs=outputs, inputs=inputs, count=count, bias=bias,
            active=share if kind.name.startswith("expert ") else 1.0,
        )
        for (kind, outputs, inputs, bias), count in counted.items()
    ]  # fmt: skip
    return found, vectors


def _plain(name: str, whole: str, layers: int) -> str:
    """A tensor's name without its layer and its expert."""
    inside = LAYER.fullmatch(whole)
    if inside is None:
        return whole
    if int(inside[1]) >= layers:
        refuse(name, "unknown_layer", f"is of layer {inside[1][:20]}.", f"The model has layers 0 to {layers - 1}.")
    return EXPERT.sub(r"\1_exps", inside[2])


def _width(matrices: Sequence[Matrix], layers: int) -> int:
    """Of the feed-forward layer, all experts that work on a token together."""

    def widest(name: str) -> int:
        return max((each.inputs for each in matrices if each.name == name), default=0)

    working = sum(each.active * each.count / layers for each in matrices if each.name == "expert down")
    mixed = max(1, round(working)) * widest("expert down") + widest("shared down")
    return max(widest("down"), mixed)


def _caches(architecture: str, given: _Metadata, heads: Sequence[int], each: int) -> Iterator[Cache]:
    """Of keys and values, ``each`` elements a head and token; layers of as many heads and the same window together."""
    window = given.maybe("attention.sliding_window")
    slides = given.windowed(len(heads), ARCHITECTURES[architecture])
    counted = Counter((of_layer, window if slides(layer) else None) for layer, of_layer in enumerate(heads))
    for (of_layer, kept), count in counted.items():
        if of_layer:
            yield Cache(layers=count, width=of_layer * each, window=kept, heads=of_layer)
