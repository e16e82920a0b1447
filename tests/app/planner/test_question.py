"""Questions to the planner: read strictly, every wrong field named, nothing guessed."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.errors import Invalid
from app.planner.models import known
from app.planner.predicted import STATES
from app.planner.question import PHASES, Question, foreign, inference, of_address, of_body, of_header, once, training
from tests.app.planner.models.test_families import PUBLISHED

LLAMA: dict[str, Any] = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256}  # fmt: skip


def problems(given: dict[str, str]) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        of_address(given)
    assert all(one.hint for one in refused.value.problems), refused.value.problems
    return {one.field: one.message for one in refused.value.problems}


GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "vocab_size": 50_257}
STARCODER2 = {
    "model_type": "starcoder2", "hidden_size": 4_608, "intermediate_size": 18_432, "num_hidden_layers": 32, "num_attention_heads": 36,
    "num_key_value_heads": 72, "vocab_size": 49_152,
}  # fmt: skip
GRANITE = PUBLISHED["Granite 4 H Tiny"][0] | {"num_local_experts": 4, "num_experts_per_tok": 10}


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({}, "model", "missing"),
        ({"model": "Llama-3.1-8"}, "model", "Did you mean 'Llama-3.1-8B'"),
        ({"model": "Llama-3.1-8B", "config": "{}"}, "model", "cannot stand beside config"),
        ({"config": "{"}, "config", ""),
        ({"config": "[]"}, "config", "must be a JSON object"),
        ({"config": '{"model_type": "llama"}'}, "config.hidden_size", "missing"),
        ({"config": '{"model_type": "resnet"}'}, "config.model_type", "not known"),
        ({"model": "GPT-2", "batch": "0"}, "batch", "not possible"),
        ({"model": "GPT-2", "batch": "-3"}, "batch", "not possible"),
        ({"model": "GPT-2", "batch": "2.5"}, "batch", ""),
        ({"model": "GPT-2", "batch": "1e9"}, "batch", ""),
        ({"model": "GPT-2", "sequence": "99999999999"}, "sequence", "not possible"),
        ({"model": "GPT-2", "phase": "qlor"}, "phase", "Did you mean 'qlora'"),
        ({"model": "GPT-2", "weights": "int3"}, "weights", "not one of the choices"),
        ({"model": "GPT-2", "phase": "training", "weights": "int4"}, "weights", "quantised"),
        ({"model": "GPT-2", "phase": "lora", "weights": "nf4"}, "weights", "quantised"),
        ({"model": "GPT-2", "phase": "qlora", "weights": "bf16"}, "weights", "not quantised"),
        ({"model": "GPT-2", "phase": "qlora", "weights": "q4_k_m"}, "weights", "cannot be trained upon"),
        ({"model": "GPT-2", "phase": "training", "rank": "8"}, "rank", "says nothing"),
        ({"model": "GPT-2", "checkpointing": "true"}, "checkpointing", "says nothing"),
        ({"model": "GPT-2", "phase": "training", "cache": "q4_0"}, "cache", "says nothing"),
        ({"model": "GPT-2", "phase": "training", "devices": "4"}, "sharding", "is none with 4 devices"),
        ({"model": "GPT-2", "phase": "training", "sharding": "zero3"}, "devices", "is 1 with sharding"),
        ({"model": "GPT-2", "devices": "13"}, "devices", "12 heads to share"),
        ({"model": "GPT-2", "stored_bytes": "1000"}, "stored_bytes", "header"),
        ({"model": "GPT-2", "device": "Server CPU, AMX, 32 cores"}, "memory", "machines with Server CPU"),
        ({"config": json.dumps(LLAMA | {"num_attention_heads": 60_000})}, "config.num_attention_heads", "wide"),
        ({"config": json.dumps(GPT2 | {"n_head": 5_000})}, "config.n_head", "in a model 768 wide"),
        ({"config": json.dumps(STARCODER2)}, "config.num_key_value_heads", "36 heads cannot share"),
        ({"config": json.dumps(GRANITE)}, "config.num_experts_per_tok", "of 4 experts"),
        ({"model": "GPT-2", "device": "RTX 4061"}, "device", "Did you mean"),
        ({"model": "GPT-2", "memory": "much"}, "memory", "no amount"),
        ({"model": "GPT-2", "memory": "8 XB"}, "memory", "no amount"),
        ({"model": "GPT-2", "memory": "8"}, "memory", "not possible"),
        ({"model": "GPT-2", "memory": "-1 GiB"}, "memory", ""),
        ({"model": "GPT-2", "batch": ""}, "batch", ""),
        ({"model": "GPT-2", "phase": ""}, "phase", ""),
        ({"config": json.dumps(LLAMA | {"quantization_config": {"bits": 4}})}, "config.quantization_config", "apart"),
        ({"config": json.dumps(LLAMA | {"vision_config": {"x": 1}})}, "config.vision_config", "vision"),
        ({"model": "GPT-2", "device": "T4", "memory": "100 GiB"}, "memory", "T4 has"),
        ({"config": json.dumps(LLAMA | {"num_hidden_layers": 2**39})}, "config.num_hidden_layers", "from 1 to 10,000"),
        ({"config": json.dumps(LLAMA | {"vocab_size": 2**39})}, "config.vocab_size", "no whole number"),
        ({"config": json.dumps(LLAMA | {"tie_word_embeddings": "true"})}, "config.tie_word_embeddings", "'true'"),
        ({"config": json.dumps(LLAMA | {"layer_types": ["full_attention"] * 3})}, "config.layer_types", "3 entries"),
        ({"config": json.dumps(LLAMA | {"layer_types": ["mamba"] * 32})}, "config.layer_types", "'mamba'"),
        (
            {"config": json.dumps(LLAMA | {"layer_types": ["sliding_attention"] * 32})},
            "config.sliding_window",
            "missing",
        ),
        ({"config": json.dumps(LLAMA | {"num_key_value_heads": 5})}, "config.num_key_value_heads", "cannot share"),
        ({"config": json.dumps({"model_type": "x" * 9_000})}, "config.model_type", "x…"),
        ({"model": "GPT-2", "colour": "red"}, "colour", "not a field"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, str], field: str, says: str) -> None:
    found = problems(given)
    assert field in found
    assert says in found[field]


def test_every_wrong_field_is_named_at_once() -> None:
    given = {"model": "GPT-3", "phase": "training", "weights": "int4", "rank": "8", "device": "Abacus"}
    assert set(problems(given)) == {"model", "weights", "rank", "device"}


@pytest.mark.parametrize("value", [True, "4", 4.5, None])
def test_a_body_is_exact(value: Any) -> None:
    with pytest.raises(ValidationError):
        Question.model_validate({"model": "GPT-2", "batch": value})


def test_devices_are_found_without_their_makers_words() -> None:
    titles = {of_address({"model": "GPT-2", "device": name}).question.device for name in ("RTX 4060", "geforce rtx 4060", "NVIDIA GeForce RTX 4060", "RTX 4060 8 GB", "GeForce RTX 4060, 8 GB")}  # fmt: skip
    assert titles == {"GeForce RTX 4060"}
    assert of_address({"model": "GPT-2", "device": "Raspberry Pi 5"}).question.device == "Raspberry Pi 5 8GB"
    with pytest.raises(Invalid):
        of_address({"model": "GPT-2", "device": "RTX 4060 24 GB"})


def test_a_name_is_given_once() -> None:
    assert once([("model", "GPT-2"), ("batch", "1")]) == {"model": "GPT-2", "batch": "1"}
    with pytest.raises(Invalid) as refused:
        once([("batch", "1"), ("model", "GPT-2"), ("batch", "64")])
    assert refused.value.field == "batch"


def test_memory_may_have_a_unit() -> None:
    assert of_address({"model": "GPT-2", "memory": "7.5 GiB"}).question.memory == 7.5 * 2**30
    assert of_address({"model": "GPT-2", "memory": "8589934592"}).question.memory == 8 * 2**30


def test_of_a_config_only_what_matters_is_kept() -> None:
    whole = LLAMA | {"architectures": ["LlamaForCausalLM"], "rope_scaling": {"factor": 8.0}, "eos_token_id": [1, 2]}
    read = of_body(Question(config=whole))
    assert read.question.config is not None
    assert "architectures" not in read.question.config
    assert of_body(read.question).anatomy == read.anatomy == of_body(Question(config=LLAMA)).anatomy


def test_the_language_part_of_a_config_is_kept() -> None:
    read = of_body(Question(config={"model_type": "some_vision_model", "text_config": LLAMA}))
    assert read.anatomy.parameters == 8_030_261_248
    assert of_body(read.question).anatomy == read.anatomy


@pytest.mark.parametrize("name", [one.name for one in known.models()])
def test_known_models_have_the_parameters_that_were_published(name: str) -> None:
    assert known.anatomy(name).parameters == known.by_name()[name].parameters


def test_what_says_nothing_is_left_to_its_phase() -> None:
    fields = set(Question.model_fields)
    assert all(foreign(phase) < fields for phase in PHASES)
    asked = training(Question(model="GPT-2", phase="qlora", rank=8))
    assert (asked.weights, asked.rank) == ("nf4_double", 8)
    assert training(Question(model="GPT-2", phase="training")).rank is None
    assert inference(Question(model="GPT-2")).weights == "bf16"


def test_a_header_is_for_inference_alone() -> None:
    with pytest.raises(Invalid) as refused:
        of_header(Question(model="GPT-2", phase="qlora", weights="nf4"), b"GGUF")
    assert {one.field for one in refused.value.problems} == {"model", "weights", "phase"}
    with pytest.raises(Invalid):
        of_header(Question(), b"no header")


def test_a_processor_whose_machines_differ_is_known_with_its_memory() -> None:
    read = of_address({"model": "GPT-2", "device": "Server CPU, AMX, 32 cores", "memory": "64 GiB"})
    assert read.machine is not None
    assert read.machine.memory == 64 * 2**30


@pytest.mark.parametrize(("asked", "kept"), [
    ({"phase": "training"}, "adamw_bf16"), ({"phase": "training", "master": True}, "adamw"),
    ({"phase": "training", "weights": "fp32"}, "adamw"), ({"phase": "lora"}, "adamw"), ({"phase": "qlora"}, "adamw"),
    ({"phase": "training", "optimizer": "adamw"}, "adamw"),
])  # fmt: skip
def test_moments_have_the_format_of_what_is_trained(asked: dict[str, Any], kept: str) -> None:
    """As the order form foretells them: the states that torch's AdamW makes."""
    question = Question.model_validate({"model": "GPT-2", **asked})
    assert question.kept_optimizer == training(question).optimizer == kept
    assert STATES["adamw"]["bf16"] == "adamw_bf16"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Qwen3 14B", "Qwen3-14B"),
        (" qwen3_14b ", "Qwen3-14B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("Meta-Llama-3-8B", "Llama-3-8B"),
        ("llama-2-7b-chat-hf", "Llama-2-7B"),
        ("google/gemma-2-9b-it", "Gemma-2-9B"),
    ],
)
def test_a_model_is_known_by_what_people_call_it(typed: str, name: str) -> None:
    assert of_body(Question(model=typed)).name == name


@pytest.mark.parametrize(
    ("size", "parameters", "like"),
    [("1.5B", 1.5e9, "Qwen2.5-1.5B"), ("8b", 8e9, "Llama-3.1-8B"), ("20 B", 20e9, "Qwen2.5-14B"), ("350M", 350e6, "SmolLM2-360M")],
)  # fmt: skip
def test_a_size_stands_for_the_published_model_that_is_nearest(size: str, parameters: float, like: str) -> None:
    read = of_body(Question(model=size))
    assert read.name.endswith(like)
    assert read.anatomy.parameters == pytest.approx(parameters, rel=0.06)


@pytest.mark.parametrize("size", ["0B", "405B", "1.5", "1.5BB", "1e3B", "3M"])
def test_a_size_far_from_every_published_model_is_none(size: str) -> None:
    with pytest.raises(Invalid, match="not one of the choices"):
        of_body(Question(model=size))
