"""GGUF headers, against files that the gguf package writes: sizes to the byte, anatomies, and refusals of everything else."""

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from app.door.limits import HEADER_BYTES
from app.errors import Invalid
from app.planner import work
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import weight_bytes
from app.planner.memory.inference import Inference, needed
from app.planner.memory.mixtures import of_tensors
from app.planner.models import families, gguf
from app.planner.models.anatomy import Anatomy
from app.planner.models.families import FAMILIES
from app.planner.models.gguf import ARCHITECTURES, MATRICES, MODEL_TYPES, GgufModel
from app.planner.models.gguf_header import MOST_TENSORS
from app.planner.models.tensor_types import BY_WORD, TYPES
from app.planner.plan import plan
from app.planner.question import Question, of_header
from app.planner.speed import step_of
from tests.app.planner.models.test_families import PUBLISHED

Shape = tuple[int, ...]
"""As files have it, the row first."""


def write(path: Path, architecture: str, metadata: dict[str, Any], tensors: dict[str, tuple[Shape, str]]) -> bytes:
    """A whole file of zeros."""
    writer = GGUFWriter(path, architecture)
    writer.add_name("Model of a test")
    writer.add_token_list(["a", "bc", "def"])
    for key, value in metadata.items():
        name = f"{architecture}.{key}"
        writer.add_array(name, value) if isinstance(value, list) else writer.add_uint32(name, value)
    for name, (shape, word) in tensors.items():
        kind = BY_WORD[word]
        row = shape[0] // kind.elements * kind.bytes
        data = np.zeros((*reversed(shape[1:]), row), dtype=np.uint8)
        writer.add_tensor(name, data, raw_dtype=GGMLQuantizationType[word.upper()])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def decoder(layers: int = 2, word: str = "q4_k") -> dict[str, tuple[Shape, str]]:
    """A small model of the Llama family: hidden 256, 4 heads of 64, 2 of keys and values, feed-forward 512."""
    found: dict[str, tuple[Shape, str]] = {
        "token_embd.weight": ((256, 320), word),
        "output.weight": ((256, 320), "q6_k"),
        "output_norm.weight": ((256,), "f32"),
        "rope_freqs.weight": ((32,), "f32"),
    }
    for layer in range(layers):
        found |= {
            f"blk.{layer}.attn_norm.weight": ((256,), "f32"),
            f"blk.{layer}.ffn_norm.weight": ((256,), "f32"),
            f"blk.{layer}.attn_q.weight": ((256, 256), word),
            f"blk.{layer}.attn_k.weight": ((256, 128), word),
            f"blk.{layer}.attn_v.weight": ((256, 128), "q6_k"),
            f"blk.{layer}.attn_output.weight": ((256, 256), word),
            f"blk.{layer}.ffn_gate.weight": ((256, 512), word),
            f"blk.{layer}.ffn_up.weight": ((256, 512), word),
            f"blk.{layer}.ffn_down.weight": ((512, 256), "q6_k"),
        }
    return found


USUAL = {
    "block_count": 2, "context_length": 4_096, "embedding_length": 256, "feed_forward_length": 512,
    "attention.head_count": 4, "attention.head_count_kv": 2,
}  # fmt: skip
LIKE: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 320, "tie_word_embeddings": False, "max_position_embeddings": 4_096,
}  # fmt: skip


def small(path: Path, **changed: Any) -> tuple[bytes, GgufModel]:
    file = write(path / "model.gguf", "llama", USUAL | changed, decoder())
    return file, gguf.read(file)


def by_name(anatomy: Anatomy) -> dict[str, tuple[int, int, int, bool]]:
    return {each.name: (each.outputs, each.inputs, each.count, each.bias) for each in anatomy.matrices}


def test_blocks_are_as_large_as_the_package_has_them() -> None:
    assert len(TYPES) > 25
    for each in TYPES:
        assert GGML_QUANT_SIZES[GGMLQuantizationType[each.word.upper()]] == (each.elements, each.bytes)
        assert GGMLQuantizationType(each.number).name == each.word.upper()


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.word)
def test_sizes_of_every_type_are_exact(kind: Any, tmp_path: Path) -> None:
    row = kind.elements * 3
    tensors = decoder() | {"blk.0.ffn_up.weight": ((256 if 256 % kind.elements == 0 else row, 5), kind.word)}
    file = write(tmp_path / "model.gguf", "llama", USUAL, tensors)
    assert gguf.read(file).file_bytes == len(file)


def test_a_file_of_the_llama_family(tmp_path: Path) -> None:
    file, found = small(tmp_path)
    assert found.file_bytes == len(file)
    assert found.header_bytes + found.weight_bytes <= found.file_bytes
    assert (found.architecture, found.name) == ("llama", "Model of a test")
    like = families.read(LIKE)
    assert found.anatomy.parameters == like.parameters
    assert by_name(found.anatomy) == by_name(like)
    assert (found.anatomy.caches, found.anatomy.widths) == (like.caches, like.widths)
    assert (found.anatomy.context, found.anatomy.vocabulary, found.anatomy.tied) == (4_096, 320, False)
    assert set(found.weights) == {"q4_k", "q6_k", "f32"}


def test_the_header_alone_suffices(tmp_path: Path) -> None:
    file, found = small(tmp_path)
    assert gguf.read(file[: found.header_bytes]) == found


def test_a_mixture_is_as_large_as_predicted(tmp_path: Path) -> None:
    """Of two layers llama.cpp gives the last one better values and feed-forward outputs in Q4_K_M."""
    plain = {
        f"blk.0.{name}.weight": (shape, "q4_k") for name, shape in (("attn_v", (256, 128)), ("ffn_down", (512, 256)))
    }
    file = write(tmp_path / "model.gguf", "llama", USUAL, decoder() | plain)
    found = gguf.read(file)
    tables = 32 * 4
    assert found.weight_bytes - tables == weight_bytes(families.read(LIKE), FORMATS["q4_k_m"], FORMATS["bf16"])
    assert len(file) > found.weight_bytes


def test_head_and_embedding_may_be_one(tmp_path: Path) -> None:
    tensors = decoder()
    del tensors["output.weight"]
    found = gguf.read(write(tmp_path / "model.gguf", "llama", USUAL, tensors)).anatomy
    assert found.tied
    assert found.parameters == families.read(LIKE | {"tie_word_embeddings": True}).parameters
    assert found.active_parameters == families.read(LIKE).active_parameters


def test_biases_and_norms_of_heads(tmp_path: Path) -> None:
    tensors = decoder(word="f16")
    for layer in range(2):
        for name, width in (("q", 256), ("k", 128), ("v", 128)):
            tensors[f"blk.{layer}.attn_{name}.bias"] = ((width,), "f32")
    found = gguf.read(write(tmp_path / "model.gguf", "qwen2", USUAL, tensors)).anatomy
    assert found.parameters == families.read(LIKE | {"model_type": "qwen2"}).parameters
    assert by_name(found) == by_name(families.read(LIKE | {"model_type": "qwen2"}))


def test_experts(tmp_path: Path) -> None:
    tensors = decoder()
    for layer in range(2):
        for name in ("gate", "up", "down"):
            row, outputs = tensors.pop(f"blk.{layer}.ffn_{name}.weight")[0]
            tensors[f"blk.{layer}.ffn_{name}_exps.weight"] = ((row, outputs, 6), "q4_k")
        tensors[f"blk.{layer}.ffn_gate_inp.weight"] = ((256, 6), "f32")
    metadata = USUAL | {"expert_count": 6, "expert_used_count": 2}
    found = gguf.read(write(tmp_path / "model.gguf", "llama", metadata, tensors)).anatomy
    like = families.read(LIKE | {"model_type": "mixtral", "num_local_experts": 6, "num_experts_per_tok": 2})
    assert found.parameters == like.parameters
    assert found.active_parameters == pytest.approx(like.active_parameters)
    assert found.widths == like.widths
    assert found.family == "mixtral"


def test_experts_of_files_that_have_them_one_by_one(tmp_path: Path) -> None:
    tensors = decoder()
    for layer in range(2):
        for name in ("gate", "up", "down"):
            one = tensors.pop(f"blk.{layer}.ffn_{name}.weight")
            tensors |= {f"blk.{layer}.ffn_{name}.{expert}.weight": one for expert in range(4)}
    metadata = USUAL | {"expert_count": 4, "expert_used_count": 2}
    found = gguf.read(write(tmp_path / "model.gguf", "llama", metadata, tensors)).anatomy
    assert by_name(found)["expert down"] == (256, 512, 8, False)


def test_windows_of_some_layers(tmp_path: Path) -> None:
    tensors = decoder(layers=6)
    metadata = USUAL | {"block_count": 6, "attention.sliding_window": 16}
    gemma = gguf.read(write(tmp_path / "gemma.gguf", "gemma3", metadata, tensors)).anatomy
    assert {(each.layers, each.window) for each in gemma.caches} == {(5, 16), (1, None)}
    assert gemma.family == "gemma3_text"
    patterned = metadata | {"attention.sliding_window_pattern": [True, False, False, True, False, False]}
    found = gguf.read(write(tmp_path / "pattern.gguf", "gemma3", patterned, tensors)).anatomy
    assert {(each.layers, each.window) for each in found.caches} == {(2, 16), (4, None)}


def test_layers_may_differ_in_their_heads(tmp_path: Path) -> None:
    one_head: dict[str, tuple[Shape, str]] = {f"blk.1.attn_{word}.weight": ((256, 64), "q6_k") for word in ("k", "v")}
    metadata = USUAL | {"attention.head_count_kv": [2, 1]}
    found = gguf.read(write(tmp_path / "model.gguf", "llama", metadata, decoder() | one_head))
    assert {(each.layers, each.width) for each in found.anatomy.caches} == {(1, 256), (1, 128)}


def test_latent_attention_keeps_one_latent_a_token(tmp_path: Path) -> None:
    metadata = USUAL | {"attention.kv_lora_rank": 64, "rope.dimension_count": 32}
    found = gguf.read(write(tmp_path / "model.gguf", "deepseek2", metadata, decoder())).anatomy
    assert found.cache_elements(10) == 10 * 2 * (64 + 32)


@pytest.mark.parametrize(
    ("changed", "tensors", "field"),
    [
        ({"block_count": 0}, {}, "gguf.llama.block_count"),
        ({"block_count": 1}, {}, "gguf.blk.1.attn_norm.weight"),
        ({"block_count": 4_000_000}, {}, "gguf.llama.block_count"),
        ({"attention.head_count_kv": [2, 2, 2]}, {}, "gguf.llama.attention.head_count_kv"),
        ({"attention.head_count_kv": 1}, {}, "gguf.llama.attention.head_count_kv"),
        ({"attention.head_count_kv": 128}, {}, "gguf.llama.attention.head_count_kv"),
        ({"embedding_length": 8_192}, {}, "gguf.llama.embedding_length"),
        ({"expert_count": 4}, {}, "gguf.llama.expert_used_count"),
        ({}, {"blk.0.ssm_in.weight": ((256, 256), "f16")}, "gguf.blk.0.ssm_in.weight"),
        ({}, {"blk.0.attn_q.bias": ((7,), "f32")}, "gguf.blk.0.attn_q.bias"),
    ],
)
def test_what_cannot_be_is_named(changed: Any, tensors: Any, field: str, tmp_path: Path) -> None:
    file = write(tmp_path / "model.gguf", "llama", USUAL | changed, decoder() | tensors)
    with pytest.raises(Invalid) as refused:
        gguf.read(file)
    assert refused.value.field == field
    assert refused.value.hint


def test_an_architecture_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        gguf.read(write(tmp_path / "model.gguf", "mamba", USUAL, decoder()))
    assert refused.value.field == "gguf.general.architecture"
    assert "llama" in str(refused.value.hint)


PREAMBLE = b"GGUF" + struct.pack("<I", 3)


@pytest.mark.parametrize(
    ("held", "field"),
    [
        (b"", "gguf.magic"),
        (b"GGML" + bytes(40), "gguf.magic"),
        (b"PK\3\4" + bytes(40), "gguf.magic"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(16), "gguf.version"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "gguf.version"),
        (PREAMBLE + struct.pack("<QQ", MOST_TENSORS + 1, 0), "gguf.tensor_count"),
        (PREAMBLE + struct.pack("<QQ", 0, 2**63), "gguf.metadata_kv_count"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 2**40), "gguf.metadata.0"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 2) + b"\xff\xfe", "gguf.metadata.0"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<I", 13), "gguf.k"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1), "gguf.k"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**60), "gguf.k"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQQ", 9, 8, 2, 2**60), "gguf.k"),
        (PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 10, 2**25), "gguf.k"),
        (PREAMBLE + struct.pack("<QQ", 0, 0), "gguf.general.architecture"),
    ],
)  # fmt: skip
def test_what_is_no_header_is_named(held: bytes, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        gguf.read(held)
    assert refused.value.field == field
    assert refused.value.hint


FILES: dict[str, bytes] = {}


def a_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if not FILES:
        FILES["small"] = small(tmp_path_factory.mktemp("gguf"))[0]
    return FILES["small"]


def test_every_place_it_may_be_cut_off_at(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = a_file(tmp_path_factory)
    whole = gguf.read(file)
    for length in range(0, whole.header_bytes - 64, 7):
        with pytest.raises(Invalid):
            gguf.read(file[:length])


@settings(deadline=None, max_examples=400, derandomize=True)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = a_file(tmp_path_factory)
    held = bytearray(file[: gguf.read(file).header_bytes])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(held) - 1))
        held[place : place + 8] = data.draw(st.binary(min_size=1, max_size=8))
    # Whatever else is raised fails the test.
    with contextlib.suppress(Invalid):
        found = gguf.read(bytes(held))
        assert found.file_bytes >= found.weight_bytes
        assert found.anatomy.parameters > 0


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.binary(max_size=400))
def test_garbage_is_refused(held: bytes) -> None:
    for one in (held, PREAMBLE + held, PREAMBLE + struct.pack("<QQ", 1, 1) + held):
        with pytest.raises(Invalid):
            gguf.read(one)


def test_a_huge_header_is_refused_and_not_read_to_its_end() -> None:
    texts = (
        PREAMBLE + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 0, HEADER_BYTES) + bytes(HEADER_BYTES)
    )
    with pytest.raises(Invalid) as refused:
        gguf.read(texts)
    assert refused.value.field == "gguf.k"


def test_families_have_the_names_of_configurations() -> None:
    assert set(MODEL_TYPES) <= set(ARCHITECTURES)
    assert {name for name in MODEL_TYPES.values() if name in FAMILIES} == set(MODEL_TYPES.values()) - {"glm"}


NO_MATRICES = {"attn_sinks", "exp_probs_b", "rope_freqs", "rope_factors_long", "rope_factors_short", "attn_rot_embd"}
"""Vectors, and tables that are not read."""
FURTHER = {"glm4": {"nextn.eh_proj", "nextn.embed_tokens", "nextn.shared_head_head"}}
"""Matrices of a layer that guesses further tokens, with which a file is refused."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_of_every_architecture_are_known(architecture: str) -> None:
    kind = next(each for each, name in MODEL_ARCH_NAMES.items() if name == architecture)
    names = {TENSOR_NAMES[each].removeprefix("blk.{bid}.") for each in MODEL_TENSORS[kind]}
    unknown = {name for name in names if "norm" not in name} - set(MATRICES) - NO_MATRICES
    assert unknown == FURTHER.get(architecture, set())


def test_norms_of_each_head_are_no_matrix(tmp_path: Path) -> None:
    tensors = decoder() | {"blk.0.attn_q_norm.weight": ((64, 4), "f32")}
    found = gguf.read(write(tmp_path / "model.gguf", "stablelm", USUAL, tensors)).anatomy
    assert found.parameters == families.read(LIKE).parameters + 4 * 64
    assert found.widths.qk_norm


def test_words_of_the_planner_are_the_families_own() -> None:
    """Matrices of a file are named as those of a configuration, so that both are read alike."""
    known = {each.name for config, *_ in PUBLISHED.values() for each in families.read(config).matrices}
    ours = {kind.name for kind in MATRICES.values()}
    assert {"query", "key", "value", "output", "gate", "up", "down", "embedding", "head", "router"} <= known & ours
    assert {"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"} <= set(ARCHITECTURES)


def test_a_plan_from_a_header(tmp_path: Path) -> None:
    _, found = small(tmp_path)
    asked = Inference(weights="q4_k_m", stored_bytes=found.weight_bytes, prompt=16, cache="fp16", on_gpu=False)
    parts = {part.name: part.bytes for part in needed(found.anatomy, asked).peak.parts}
    assert parts["weights"] == found.weight_bytes
    assert parts["KV cache"] == 16 * 2 * 2 * 2 * 64 * 2


@pytest.mark.parametrize(("most", "weights"), [
    ("q4_k", "q4_k_m"), ("q8_0", "q8_0"), ("q4_0", "q4_0"), ("f16", "fp16"), ("iq1_s", "q2_k"), ("mxfp4", "iq4_xs"),
])  # fmt: skip
def test_most_tensors_say_how_fast_a_file_is_unpacked(most: str, weights: str) -> None:
    assert of_tensors(most) == weights


def test_a_file_is_unpacked_as_its_mixture_is(tmp_path: Path) -> None:
    held, _ = small(tmp_path)
    read = of_header(Question(sequence=64, computing="fp16"), held)
    assert read.question.weights == of_tensors(next(iter(gguf.read(held).weights)))
    assert step_of(read.question).rate == work.UNPACKED[2]
    assert plan(read).question.weights is None
