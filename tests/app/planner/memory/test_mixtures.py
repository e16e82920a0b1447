"""Mixtures of llama.cpp: which layers get which type, beyond the sizes of files that ``test_published.py`` compares."""

import pytest

from app.planner.memory import mixtures
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import weight_bytes
from app.planner.memory.mixtures import BY_WORD, MIXTURES, Mixture
from app.planner.models import families
from app.planner.models.anatomy import Anatomy, Matrix
from app.planner.models.tensor_types import BY_WORD as TYPES
from tests.app.planner.models.test_families import PUBLISHED

LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])
Q4_K_M = BY_WORD["q4_k_m"]


def of(anatomy: Anatomy, mixture: Mixture, name: str) -> int:
    """Bytes of all copies of a matrix."""
    others = tuple(each for each in anatomy.matrices if each.name != name)
    rest = anatomy.model_copy(update={"matrices": others})
    return mixtures.weight_bytes(anatomy, mixture) - mixtures.weight_bytes(rest, mixture)


def share_of(anatomy: Anatomy, mixture: Mixture, name: str, better: str) -> float:
    """Of the copies of a matrix, those that have the better of two types."""
    matrix = next(each for each in anatomy.matrices if each.name == name)
    low, high = (TYPES[word].size(matrix.inputs, matrix.outputs * matrix.count) for word in (mixture.most, better))
    return (of(anatomy, mixture, name) - low) / (high - low)


def test_half_of_the_values_and_of_what_leaves_the_feed_forward_layers_gets_more_bits() -> None:
    """The first and the last eighth of 32 layers, and every third of the 24 between them."""
    assert share_of(LLAMA, Q4_K_M, "value", "q6_k") == (4 + 4 + 8) / 32
    assert share_of(LLAMA, Q4_K_M, "down", "q6_k") == (4 + 4 + 8) / 32
    assert share_of(LLAMA, Q4_K_M, "up", "q6_k") == 0
    assert share_of(LLAMA, Q4_K_M, "embedding", "q6_k") == 0
    assert share_of(LLAMA, Q4_K_M, "head", "q6_k") == 1


def test_an_embedding_that_is_the_head_too_has_the_heads_type() -> None:
    tied = families.read(PUBLISHED["Llama 3.2 1B"][0])
    assert share_of(tied, Q4_K_M, "embedding", "q6_k") == 1


@pytest.mark.parametrize(
    ("word", "instead"),
    [("q4_k_m", "q5_0"), ("q5_k_s", "q5_1"), ("q6_k", "q8_0"), ("q3_k_s", "q4_0"), ("iq4_xs", "iq4_nl")],
)
def test_rows_that_are_no_whole_blocks_get_another_type(word: str, instead: str) -> None:
    """Rows of 1,152 elements are not multiples of 256, but of 32."""
    matrix = Matrix(name="up", role="ffn", outputs=64, inputs=1_152, count=LLAMA.layers)
    narrow = LLAMA.model_copy(update={"matrices": (matrix,), "vectors": 0})
    assert mixtures.weight_bytes(narrow, BY_WORD[word]) == TYPES[instead].size(1_152, 64 * LLAMA.layers)


def test_rows_of_odd_lengths_stay_at_16_bits() -> None:
    matrix = Matrix(name="up", role="ffn", outputs=64, inputs=100, count=LLAMA.layers)
    odd = LLAMA.model_copy(update={"matrices": (matrix,), "vectors": 0})
    assert mixtures.weight_bytes(odd, Q4_K_M) == 2 * 100 * 64 * LLAMA.layers


def test_values_of_models_with_eighty_layers_and_few_keys_never_have_fewer_than_five_bits() -> None:
    large = families.read(PUBLISHED["Llama 3.1 70B"][0])
    assert share_of(large, BY_WORD["q3_k_s"], "value", "q5_k") == 1
    every = large.model_copy(update={"widths": large.widths.model_copy(update={"keys": large.widths.queries})})
    assert share_of(every, BY_WORD["q3_k_s"], "value", "q5_k") == 0


def test_attention_beside_eight_experts_gets_more_bits() -> None:
    model = families.read(PUBLISHED["Mixtral 8x7B"][0])
    assert share_of(model, Q4_K_M, "key", "q8_0") == 1
    assert share_of(model, Q4_K_M, "value", "q8_0") == 1
    assert share_of(model, Q4_K_M, "output", "q5_k") == 1
    assert share_of(model, Q4_K_M, "expert down", "q6_k") == 0.5
    assert of(model, Q4_K_M, "router") == 4 * 8 * 4_096 * 32


def test_falcon_has_rules_of_its_own() -> None:
    model = families.read(PUBLISHED["Falcon 40B"][0])
    head = next(each for each in model.matrices if each.role == "head")
    assert of(model, Q4_K_M, "head") == TYPES["q8_0"].size(head.inputs, head.outputs)
    assert share_of(model, BY_WORD["q3_k_l"], "down", "q4_k") == 1
    assert share_of(model, BY_WORD["q3_k_l"], "output", "q4_k") == 1
    assert share_of(model, BY_WORD["q4_k_s"], "down", "q5_k") == 0


def test_layers_without_experts_come_first() -> None:
    """DeepSeek V3 has three of 61; of these and of the others, their own places decide."""
    model = families.read(PUBLISHED["DeepSeek V3"][0])
    assert share_of(model, Q4_K_M, "dense down", "q6_k") == 1
    better = sum(layer >= 7 * 61 // 8 or layer < 61 // 8 or (layer - 61 // 8) % 3 == 2 for layer in range(3, 61))
    assert share_of(model, Q4_K_M, "expert down", "q6_k") == pytest.approx(better / 58)


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda mixture: mixture.word)
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_mixture_is_a_format_of_every_family(mixture: Mixture, name: str) -> None:
    model = families.read(PUBLISHED[name][0])
    size = weight_bytes(model, FORMATS[mixture.word], FORMATS["bf16"])
    assert size == mixtures.weight_bytes(model, mixture)
    assert 2.5 * model.parameters / 8 < size < 9.5 * model.parameters / 8


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_element_is_left_out(name: str) -> None:
    """In Q8_0 every matrix but routers and positions has 34 bytes for 32 elements, and the rest 4 bytes each."""
    model = families.read(PUBLISHED[name][0])
    taken = sum(each.weights for each in model.stored if each.role != "router" and each.name != "positions")
    assert mixtures.weight_bytes(model, BY_WORD["q8_0"]) == taken * 34 // 32 + 4 * (model.parameters - taken)
