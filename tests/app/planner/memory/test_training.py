"""Training: the worked answer of record, corrections of published figures, and what may never be smaller."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from app.planner.memory import kept
from app.planner.memory.parts import Instant
from app.planner.memory.states import Sharding, adapter_parameters
from app.planner.memory.training import Training, needed
from app.planner.models import families
from app.planner.models.anatomy import Anatomy
from tests.app.planner.models.test_families import PUBLISHED

GIB = 2**30
LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])
LLAMA_2 = families.read(PUBLISHED["Llama 2 7B"][0])
QLORA = Training(weights="nf4_double", rank=16, checkpointing=True, on_gpu=False)


def gib(asked: Training, model: Anatomy = LLAMA) -> float:
    return needed(model, asked).peak.bytes / GIB


def instant(model: Anatomy, asked: Training, name: str) -> Instant:
    return next(each for each in needed(model, asked).instants if each.name == name)


@pytest.mark.parametrize(
    ("batch", "sequence", "chunked", "in_place", "naive"),
    [(1, 512, 6.8, 7.1, 7.5), (1, 2_048, 7.5, 8.9, 10.4), (2, 2_048, 8.4, 11.4, 14.3), (4, 2_048, 10.3, 16.2, 22.1)],
)
def test_llama_8b_by_qlora(batch: int, sequence: int, chunked: float, in_place: float, naive: float) -> None:
    """Totals of a table worked out by hand, which has 0.5 GiB of context and the adapters' gradients at every instant.

    The table adds 28 tensors of a layer that is computed again to the logits. They are not there together: logits are gone when the
    last layer is computed again. What is counted lies below it by no more than that layer.
    """
    besides = 0.5 + 4 * adapter_parameters(LLAMA, 16) / GIB
    again = 28 * 2 * batch * sequence * LLAMA.widths.hidden / GIB
    for loss, total in (("chunked", chunked), ("in_place", in_place), ("naive", naive)):
        found = gib(QLORA.model_copy(update={"batch": batch, "sequence": sequence, "loss": loss})) + besides
        assert total - again - 0.1 <= found <= total + 0.2


def test_adapters_of_rank_16_on_all_linear_layers() -> None:
    assert adapter_parameters(LLAMA, 16) == 41_943_040


def test_states_of_a_7b_model() -> None:
    """AdamW's moments of 7 billion parameters are 56 GB, not 112; 112 GB are all states together."""
    step = instant(LLAMA_2, Training(weights="bf16", master=True, on_gpu=False), "optimizer's step")
    by_name = {part.name: part.bytes for part in step.parts}
    billions = LLAMA_2.parameters / 1e9
    assert by_name["optimizer"] == pytest.approx(8e9 * billions)
    assert by_name["weights"] + by_name["master weights"] + by_name["gradients"] + by_name[
        "optimizer"
    ] == pytest.approx(18e9 * billions)
    bare = instant(LLAMA_2, Training(weights="bf16", on_gpu=False), "optimizer's step")
    assert bare.bytes == pytest.approx((2 + 2 + 8) * 1e9 * billions)


SHARDINGS: list[Sharding] = ["ddp", "zero1", "zero2", "zero3"]


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.integers(1, 16), st.sampled_from([128, 512, 2_048, 8_192]), st.integers(1, 128), st.booleans(), st.booleans(),
    st.sampled_from(["naive", "in_place", "chunked"]),
)  # fmt: skip
def test_less_is_never_larger(
    batch: int, sequence: int, rank: int, checkpointing: bool, flash: bool, loss: str
) -> None:
    asked = Training.model_validate(
        {"batch": batch, "sequence": sequence, "checkpointing": checkpointing, "flash": flash, "loss": loss}
    )
    lora = asked.model_copy(update={"rank": rank})
    qlora = lora.model_copy(update={"weights": "nf4_double"})
    assert gib(qlora) <= gib(lora) <= gib(asked)
    for more in ({"batch": batch + 1}, {"sequence": sequence + 1}):
        assert gib(asked) <= gib(asked.model_copy(update=more))
        assert gib(qlora) <= gib(qlora.model_copy(update=more))
    assert gib(qlora) <= gib(qlora.model_copy(update={"rank": rank + 1}))
    assert gib(asked.model_copy(update={"checkpointing": True})) <= gib(
        asked.model_copy(update={"checkpointing": False})
    )
    assert gib(asked.model_copy(update={"flash": True})) <= gib(asked.model_copy(update={"flash": False}))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(2, 64), st.sampled_from(["adamw", "adamw_8bit", "sgd"]), st.sampled_from([1, 4]))
def test_more_of_it_sharded_is_never_larger(devices: int, optimizer: str, batch: int) -> None:
    asked = Training.model_validate({"devices": devices, "optimizer": optimizer, "batch": batch, "sequence": 512})
    sizes = [gib(asked.model_copy(update={"sharding": each})) for each in SHARDINGS]
    assert sizes == sorted(sizes, reverse=True)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 8), st.sampled_from([64, 1_024]))
def test_bounds_hold_what_lies_between(batch: int, sequence: int) -> None:
    for instant in needed(LLAMA, Training(batch=batch, sequence=sequence)).instants:
        assert instant.low <= instant.bytes <= instant.high
        assert all(part.formula and part.source for part in instant.parts)


SMALL: dict[str, JsonValue] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1_536, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 2, "vocab_size": 16_384, "tie_word_embeddings": False,
}  # fmt: skip


def test_the_start_of_the_backward_pass_by_hand() -> None:
    """Two norms keep three tensors of the width each, attention two of queries and two of keys, the gate four of its own."""
    asked = Training(batch=2, sequence=512, weights="fp32", computing="fp32", on_gpu=False)
    tokens, h, f, kv = 2 * 512, 512, 1_536, 128
    layer = 4 * (6 * h + 2 * h + 2 * kv + 4 * f) + 4 * 2 + 4 * 8  # And a factor of each norm, a sum of each head.
    held = tokens * (8 * layer + 3 * 4 * h + 12 * 16_384)
    parameters = 8 * (2 * h * h + 2 * h * kv + 3 * h * f + 2 * h) + h + 2 * 16_384 * h
    found = instant(families.read(SMALL), asked, "start of the backward pass")
    assert found.bytes == held + 12 * parameters


@pytest.mark.parametrize("family", ["llama", "gemma", "olmo2", "qwen3", "phi3", "glm4", "stablelm"])
def test_frozen_weights_keep_no_more_than_trained_ones(family: str) -> None:
    """Beside the narrow results of the adapters themselves."""
    model = families.read(SMALL | {"model_type": family, "head_dim": 64})
    for size in (2, 4):
        whole, frozen = (kept.layer(model, size, flash=True, rank=rank) for rank in (None, 1))
        assert frozen - size * 7 <= whole


@pytest.mark.parametrize(
    ("asked", "bytes_of_each", "of"),
    [
        ({"optimizer": "adamw", "fused": False}, 4, "all"),
        ({"optimizer": "adamw", "fused": False, "foreach": False}, 8, "largest"),
        ({"optimizer": "adafactor", "fused": False}, 8, "largest"),
        ({"optimizer": "sgd_momentum", "fused": False}, 0, "all"),
        ({"optimizer": "adamw", "fused": True}, 0, "all"),
    ],
)
def test_what_a_step_takes_besides(asked: dict[str, object], bytes_of_each: int, of: str) -> None:
    model = families.read(SMALL)
    step = instant(model, Training.model_validate(asked | {"on_gpu": False}), "optimizer's step")
    size = model.parameters if of == "all" else 16_384 * 512
    assert sum(part.bytes for part in step.parts if part.name == "step") == bytes_of_each * size


def test_a_shared_matrix_has_three_gradients_for_a_moment() -> None:
    tied = families.read(SMALL | {"tie_word_embeddings": True})
    asked = Training(batch=1, sequence=64, weights="fp32", computing="fp32", optimizer="sgd", on_gpu=False)
    found = needed(tied, asked).peak
    assert found.name == "gradient of the embedding"
    assert found.bytes == 8 * tied.parameters + 2 * 4 * 16_384 * 512
