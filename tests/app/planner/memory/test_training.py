"""Training: the worked answer of record, corrections of published figures, and what may never be smaller."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from app.planner.memory import kept
from app.planner.memory.kept import Elements
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
    [(1, 512, 6.8, 7.2, 7.5), (1, 2_048, 7.5, 9.4, 10.4), (2, 2_048, 8.4, 12.4, 14.3), (4, 2_048, 10.3, 18.2, 22.1)],
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
        whole, frozen = (kept.layer(model, Elements(size, size), flash=True, rank=rank) for rank in (None, 1))
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


WHOLE = Training(batch=2, sequence=512, weights="fp32", computing="fp32", on_gpu=False)
TOKENS, WIDTH = 2 * 512, 512


def bytes_of(asked: Training, name: str, part: str, model: Anatomy | None = None) -> float:
    found = instant(model or families.read(SMALL), asked, name)
    return sum(each.bytes for each in found.parts if each.name == part)


def test_gradients_of_earlier_micro_batches_are_there_all_the_time() -> None:
    """Each new one is added at once, so that beside all of them there is one, the embedding's the largest."""
    model = families.read(SMALL)
    once, again = (needed(model, WHOLE.model_copy(update={"accumulating": more})) for more in (False, True))
    for one, other in zip(once.instants[:2], again.instants[:2], strict=True):
        before = sum(part.bytes for part in one.parts if part.name == "gradients")
        assert other.bytes == one.bytes - before + 4 * model.parameters
    adding = instant(model, WHOLE.model_copy(update={"accumulating": True}), "gradient of the embedding")
    assert adding.bytes == 16 * model.parameters + 4 * 16_384 * 512


def test_of_every_third_layer_the_input_is_kept_and_of_the_others_all() -> None:
    every, third = (WHOLE.model_copy(update={"checkpointing": True, "every": number}) for number in (1, 3))
    start = "start of the backward pass"
    kept_whole = bytes_of(WHOLE, start, "activations")
    ending = 3 * 4 * WIDTH * TOKENS
    layer, stream = (kept_whole - ending) / 8, 4 * WIDTH * TOKENS
    assert bytes_of(every, start, "activations") == 8 * stream + ending
    assert bytes_of(third, start, "activations") == pytest.approx(3 * stream + 5 * layer + ending)
    # Of eight layers the last is not computed again, of seven it is.
    passing = 4 * (WIDTH + 2 * 1_536) * TOKENS
    last, again = "backward pass of the last layer", "backward pass of the last layer computed again"
    assert bytes_of(third, last, "activations") == pytest.approx(3 * stream + 5 * layer + passing)
    # Then the layer after it is through, and has its gradients; the input of what is computed again is one of its tensors.
    assert bytes_of(third, again, "activations") == pytest.approx(2 * stream + 5 * layer + passing)
    model = families.read(SMALL)
    of_layer = (model.parameters - 2 * 16_384 * 512) / 8
    assert bytes_of(third, again, "gradients") == pytest.approx(4 * (16_384 * 512 + of_layer))
    assert again not in {each.name for each in needed(model, every).instants}
    seven = families.read(SMALL | {"num_hidden_layers": 7})
    assert bytes_of(third, last, "activations", seven) == pytest.approx(2 * stream + 5 * layer + passing)


def test_autocast_keeps_a_long_stream_and_a_short_copy_for_each_matrix_that_reads_it() -> None:
    asked = Training(batch=2, sequence=512, weights="fp32", computing="bf16", on_gpu=False)
    model = families.read(SMALL)
    h, f, kv = 512, 1_536, 128
    # Two norms with input and scaled input in float32, five copies of their results; attention and gate in two bytes.
    layer = 2 * 8 * h + 5 * 2 * h + 2 * (2 * h + 2 * kv + 4 * f) + 4 * 2 + 4 * 8
    found = instant(model, asked, "start of the backward pass")
    by_name = {part.name: part.bytes for part in found.parts}
    assert by_name["activations"] == TOKENS * (8 * layer + (8 + 2) * h)
    assert by_name["autocast copies"] == 2 * (model.parameters - model.vectors - 16_384 * h)
    assert by_name["weights"] == 4 * model.parameters


def test_copies_of_autocast_are_sure_where_products_keep_them() -> None:
    for checkpointing in (False, True):
        asked = Training(weights="fp32", computing="bf16", checkpointing=checkpointing)
        parts = [part for part in instant(LLAMA, asked, "start of the backward pass").parts if "autocast" in part.name]
        assert [part.low == part.bytes for part in parts] == [not checkpointing]


SHARDED = Training(batch=4, sequence=4_096, rank=16, checkpointing=True, loss="chunked", sharding="zero3", devices=4)


def test_embedding_and_head_stay_whole_while_layers_come_and_go() -> None:
    """Llama 3's are 2.1 GB in 16 bits, a layer 0.44 GB."""
    start, last, _, step = needed(LLAMA, SHARDED).instants
    held = [{part.name: part.bytes for part in each.parts} for each in (start, last, step)]
    assert [each.get("gathered embedding and head", 0) for each in held] == [
        4 * 128_256 * 4_096,
        4 * 128_256 * 4_096,
        0,
    ]
    assert [each.get("gathered layers", 0) for each in held] == [0, 2 * 2 * 218_103_808, 0]
    one = bytes_of(SHARDED.model_copy(update={"reentrant": True}), "end of the backward pass", "gathered layers", LLAMA)
    assert one == 2 * 218_103_808


def test_frozen_units_with_reentrant_checkpoints_hold_inputs_and_gradients_to_the_end() -> None:
    """What foundation-model-stack published of Llama 3 8B: 60 bytes a token and element of the width more than on one device, which
    are 30 tensors in 16 bits: inputs of 31 other layers, as at the last one, and gradients of 30 beside that which passes.
    """
    end = "end of the backward pass"
    plain, reentrant = (SHARDED.model_copy(update={"reentrant": each}) for each in (False, True))
    more = bytes_of(reentrant, end, "activations", LLAMA) - bytes_of(plain, end, "activations", LLAMA)
    assert more == (31 + 30) * 2 * 4 * 4_096 * 4_096
    over_last = bytes_of(reentrant, end, "activations", LLAMA) - bytes_of(
        reentrant, "backward pass of the last layer", "activations", LLAMA
    )
    assert over_last == 60 * 4 * 4_096 * 4_096
    alone = {"sharding": "none", "devices": 1}
    assert bytes_of(reentrant.model_copy(update=alone), end, "activations", LLAMA) == bytes_of(
        plain.model_copy(update=alone), end, "activations", LLAMA
    )


@pytest.mark.parametrize("sharding", ["ddp", "zero1", "zero2"])
def test_buckets_hold_gradients_of_what_is_trained(sharding: Sharding) -> None:
    """A copy of them at most; DeepSpeed's buckets are of 5e8 elements."""

    def most(**asked: object) -> float:
        step = Training.model_validate({"devices": 4, "sharding": sharding, **asked})
        return next(part.high for part in needed(LLAMA, step).peak.parts if part.name == "buckets")

    bucket = float("inf") if sharding == "ddp" else 5e8
    assert most(rank=16) == 4 * adapter_parameters(LLAMA, 16)
    assert most() == 2 * min(LLAMA.parameters, bucket)
    assert most(weights="fp32") == 4 * min(LLAMA.parameters, bucket)


@pytest.mark.parametrize(("loss", "computing", "each", "says"), [
    ("naive", "bf16", 12, "log-softmax"), ("in_place", "bf16", 8, "beside those of 16 bits"), ("in_place", "fp32", 4, "in place"),
    ("chunked", "bf16", 0, "in chunks"),
])  # fmt: skip
def test_logits_say_what_their_bytes_are(loss: str, computing: str, each: int, says: str) -> None:
    asked = Training.model_validate(
        {"sequence": 64, "loss": loss, "computing": computing, "weights": computing, "on_gpu": False}
    )
    part = next(one for one in needed(LLAMA, asked).instants[0].parts if one.name == "logits")
    assert part.bytes == each * 64 * LLAMA.vocabulary
    assert says in part.source
    assert ("16 bits" in part.source) == (each == 8)
