"""One set of formulas: planner and guide count the same work and give the same time; intervals hold what was published."""

import re
from typing import Any

import pytest

from app.guide import work as guide_work
from app.guide.settings import Settings, applied
from app.guide.situation import Decoder, Situation
from app.guide.techniques import chosen
from app.planner import machines, roofline, work
from app.planner.calibration import Calibration
from app.planner.machines import Machine
from app.planner.models import families, known
from app.planner.question import Question
from app.planner.speed import Speed, speeds, step_of
from app.planner.work import Step
from tests.app.planner.models.test_families import PUBLISHED

SAME: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "8B token on RTX 4090": (
        {"model": "Llama-3.1-8B", "sequence": 512, "generated": 256, "device": "GeForce RTX 4090"}, "chat", ("bf16", "kv_cache"),
    ),
    "8B LoRA on H100": (
        {"model": "Llama-3.1-8B", "phase": "lora", "batch": 4, "device": "H100 SXM"}, "finetune",
        ("autocast_bf16", "lora", "checkpointing"),
    ),
    "7B full on A100": (
        {"model": "Llama-2-7B", "phase": "training", "weights": "fp32", "device": "A100 80GB SXM"}, "train", ("autocast_bf16",),
    ),
    "8B QLoRA on RTX 4060": (
        {"model": "Llama-3.1-8B", "phase": "qlora", "sequence": 512, "device": "GeForce RTX 4060"}, "finetune",
        ("autocast_bf16", "qlora", "checkpointing"),
    ),
    "1B prompt on Raspberry Pi": (
        {"model": "Llama-3.2-1B", "computing": "fp32", "sequence": 256, "generated": 0, "device": "Raspberry Pi 5 8GB"}, "prefill", (),
    ),
    "experts' token on H200": (
        {"model": "Mixtral-8x7B-v0.1", "batch": 4, "generated": 64, "device": "H200 SXM"}, "chat", ("bf16", "kv_cache"),
    ),
    "GGUF token on RTX 3090": (
        {"model": "Llama-3.1-8B", "weights": "q4_k_m", "computing": "fp16", "sequence": 512, "device": "GeForce RTX 3090"}, "chat",
        ("kv_cache", "gguf_q4_k_m"),
    ),
}  # fmt: skip
"""The same setting as the planner and as the guide are asked about it."""


def planned(asked: dict[str, Any]) -> tuple[Question, Machine, Speed]:
    question = Question.model_validate(asked)
    assert question.device is not None
    machine = machines.of_title(question.device)
    return question, machine, speeds(known.anatomy(question.model or ""), question, machine)[-1]


def guided(asked: dict[str, Any], task: str, words: tuple[str, ...]) -> tuple[Situation, Settings]:
    question, machine, _ = planned(asked)
    situation = Situation.model_validate(
        {
            "task": task, "model": Decoder(name=question.model or "", anatomy=known.anatomy(question.model or "")), "device": machine,
            "batch": question.batch, "sequence": question.sequence, "generated": question.generated if task == "chat" else 0,
        }
    )  # fmt: skip
    return situation, applied(chosen(words))


def seconds(situation: Situation, settings: Settings) -> float:
    token = guide_work.per_token(situation, settings)
    return guide_work.time(situation, settings).seconds if token is None else token


@pytest.mark.parametrize("name", SAME)
def test_planner_and_guide_count_the_same_and_say_the_same_time(name: str) -> None:
    asked, task, words = SAME[name]
    _, _, speed = planned(asked)
    situation, settings = guided(asked, task, words)
    assert isinstance(situation.model, Decoder)
    anatomy = situation.model.anatomy
    if situation.phase == "training":
        counted = work.training(anatomy, settings, situation.batch, situation.sequence)
    elif task == "chat":
        counted = guide_work.token(anatomy, situation, settings)
    else:
        counted = guide_work.prompt(anatomy, situation, settings)
    assert counted.operations == speed.operations
    assert counted.bytes == speed.bytes
    assert seconds(situation, settings) == pytest.approx(speed.seconds, rel=1e-9)
    assert speed.low < speed.seconds <= speed.high
    # Compiled it is faster, and as fast as the planner thinks possible at most.
    if settings.execution == "eager":
        compiled = settings.model_copy(update={"execution": "compiled"})
        assert speed.low <= seconds(situation, compiled) <= speed.seconds


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"phase": "qlora", "checkpointing": True}, 46.1e9),
        ({"phase": "training"}, 6 * 7.505e9 + 3 * 0.537e9),
        ({"phase": "training", "checkpointing": True}, 8 * 6.98e9 + 6 * 0.525e9 + 4 * 0.537e9),
    ],
)  # fmt: skip
def test_operations_of_a_token_in_training(asked: dict[str, Any], words: float) -> None:
    """6, 8 and for frozen weights 4 and 6 a parameter; the head is not computed again; adapters are half a percent."""
    question = Question.model_validate({"model": "Llama-3.1-8B", "sequence": 2_048, **asked})
    counted = work.training(known.anatomy("Llama-3.1-8B"), step_of(question), 1, 2_048)
    assert counted.operations / 2_048 == pytest.approx(words, rel=0.01)


@pytest.mark.parametrize(
    ("asked", "published"),
    [
        # Tokens a second: torchtune's README, compiled; arXiv 2509.12229, 19 % of the peak, plain.
        ({"device": "GeForce RTX 4090", "batch": 2}, 2_413),
        ({"device": "GeForce RTX 4060"}, 125),
    ],
)  # fmt: skip
def test_published_training_lies_in_the_interval(asked: dict[str, Any], published: float) -> None:
    _, _, speed = planned({"model": "Llama-3.1-8B", "phase": "qlora", "sequence": 2_048, **asked})
    _, least, most = speed.per_second
    assert least <= published <= most


def test_a_prompt_has_logits_of_its_last_token_alone() -> None:
    anatomy = known.anatomy("Llama-3.1-8B")
    one, all_of_them = (
        work.forward(anatomy, Step(), 1, 1_000, 1_000, all_logits=each).products for each in (False, True)
    )
    assert all_of_them - one == 2 * 999 * 128_256 * 4_096


def test_of_a_file_a_share_of_its_bytes_is_read() -> None:
    anatomy = known.anatomy("Llama-3.1-8B")
    read = work.forward(anatomy, Step(computing="fp16"), 1, 1, 512, stored_bytes=4_900_000_000)
    whole = 1 - 128_256 * 4_096 / sum(each.weights for each in anatomy.stored)
    assert read.weights == pytest.approx(whole * 4.9e9, rel=1e-6)


def learnt(error: float = 0.1) -> Machine:
    """A device on which plain decoding takes 2 ms a layer more than its bytes at 10 GB/s."""
    line = Calibration(layer_s=2e-3, bandwidth=1e10, error=error, points=4)
    return machines.of_title("Raspberry Pi 5 8GB").model_copy(update={"calibrations": {"fp32": line}})


def test_what_was_learnt_of_decoding_reaches_planner_and_guide() -> None:
    question = Question(model="Llama-3.2-1B", computing="fp32", sequence=256, generated=64)
    anatomy, machine = known.anatomy("Llama-3.2-1B"), learnt()
    prompt, token = speeds(anatomy, question, machine)
    expected = machine.calibrations["fp32"].seconds(anatomy.layers, token.bytes)
    assert token.seconds == pytest.approx(expected)
    assert (token.low, token.high) == pytest.approx((expected / 1.1, expected * 1.1))
    assert "learnt from 4" in token.source
    assert "learnt" not in prompt.source
    situation = Situation(
        task="chat", model=Decoder(name="Llama-3.2-1B", anatomy=anatomy), device=machine, sequence=256, generated=64
    )
    plain, quantised = (applied(chosen(("kv_cache", *words))) for words in ((), ("int8_weight_only",)))
    assert guide_work.per_token(situation, plain) == pytest.approx(expected)
    # What formulas are off for the plain stack they are taken to be off for others: ratios stay.
    before = situation.model_copy(update={"device": machine.model_copy(update={"calibrations": {}})})
    ratios = [
        (guide_work.per_token(each, quantised) or 0.0) / (guide_work.per_token(each, plain) or 1.0)
        for each in (situation, before)
    ]
    assert ratios[0] == pytest.approx(ratios[1])


def test_devices_that_share_matrices_share_operations_and_bytes() -> None:
    question = Question(model="Llama-3.1-70B", weights="int8", sequence=4_096, generated=0)
    machine, anatomy = machines.of_title("H100 SXM"), known.anatomy("Llama-3.1-70B")
    one, four = (speeds(anatomy, question.model_copy(update={"devices": n}), machine)[0] for n in (1, 4))
    assert one.operations == four.operations
    assert one.seconds / 4 <= four.seconds < one.seconds / 2
    assert four.low < one.low / 2


def test_a_window_bounds_what_tokens_attend_to() -> None:
    """By hand: the n-th token of a prompt sees n tokens, or its window; a state space layer has no scores."""
    config: dict[str, Any] = {
        "model_type": "mistral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
        "vocab_size": 100, "sliding_window": 8,
    }  # fmt: skip
    windowed, whole = families.read(config), families.read(config | {"sliding_window": None})
    seen = sum(min(place, 8) for place in range(1, 21))
    assert work.forward(windowed, Step(), 2, 20, 20).scores == pytest.approx(4 * 2 * seen * 64 * 3)
    assert work.forward(whole, Step(), 2, 20, 20).scores == 4 * 2 * sum(range(1, 21)) * 64 * 3
    assert work.forward(windowed, Step(), 2, 1, 20).scores == 4 * 2 * 8 * 64 * 3
    assert work.forward(windowed, Step(), 2, 1, 5).scores == work.forward(whole, Step(), 2, 1, 5).scores
    granite = families.read(PUBLISHED["Granite 4 H Tiny"][0])
    attending = granite.model_copy(update={"layers": 4})
    assert work.forward(granite, Step(), 1, 1, 4_096).scores == 4 * 4_096 * granite.widths.queries * attending.layers


def test_devices_wait_for_the_sums_of_tensor_parallelism() -> None:
    """Two rings a layer come on top of arithmetic and bytes; each device reads the heads of the cache that it has."""
    anatomy, machine = known.anatomy("Llama-3.1-8B"), machines.of_title("H100 SXM")
    step = Step(weights="bf16", computing="bf16", execution="graphs")
    counted = work.forward(anatomy, step, 8, 512, 512)
    assert machine.link is not None
    one, four = (roofline.spent(counted, step, machine, devices) for devices in (1, 4))
    ring = 2 * 3 / 4 * 2 * 32 * (8 * 512 * 4_096 * 2) / machine.link
    assert one.communication == 0
    assert four.communication == pytest.approx(ring + 2 * 32 * 2 * roofline.LAUNCH_S["cuda"])
    assert four.seconds == pytest.approx(four.compute + four.bandwidth + four.overhead + four.communication)
    assert roofline.summed([four, four]).communication == pytest.approx(2 * four.communication)
    assert roofline.summed([one], exchanged=one.seconds).communication < one.seconds
    assert counted.cached(32) == counted.cached(8) == counted.cache / 8
    question = Question(model="Llama-3.1-8B", batch=8, sequence=512, generated=0, devices=4, device="H100 SXM")
    assert speeds(anatomy, question, machine)[0].seconds >= ring


@pytest.mark.parametrize(("asked", "device"), [
    ({"computing": "bf16"}, "Raspberry Pi 5 8GB"), ({"computing": "fp32", "batch": 3}, "Raspberry Pi 5 8GB"),
    ({"weights": "q4_k_m", "computing": "fp16"}, "Raspberry Pi 5 8GB"), ({"weights": "q4_k_m", "computing": "fp16"}, "GeForce RTX 4090"),
])  # fmt: skip
def test_a_formula_yields_its_figure(asked: dict[str, Any], device: str) -> None:
    """Every number is in it: rates, operations, bytes, and calls with what each takes."""
    question, machine = Question.model_validate({"model": "Llama-3.2-1B", **asked}), machines.of_title(device)
    for speed in speeds(known.anatomy("Llama-3.2-1B"), question, machine):
        number = r"([\d.,e+]+)"
        products, peak, weights, reads, scores, rate, rest, again = (
            float(each.replace(",", "")) for each in re.findall(rf"{number} (?:operations|a second|B)\b", speed.formula)
        )
        assert again == reads
        calls = re.findall(rf"{number} (?:calls|products|layers) × {number} µs", speed.formula)
        called = sum(float(count.replace(",", "")) * float(each) * 1e-6 for count, each in calls)
        assert max(products / peak, weights / reads) + scores / rate + rest / reads + called == pytest.approx(
            speed.seconds, rel=1e-3
        )
        assert ("gpt-fast 95 µs" in speed.source) == machine.gpu
        assert ("70 µs for each product" in speed.source) != machine.gpu


def test_a_calibration_is_named_wherever_it_was_used() -> None:
    question = Question(model="Llama-3.2-1B", computing="fp32", weights="int8", sequence=256, generated=64)
    anatomy, machine = known.anatomy("Llama-3.2-1B"), learnt()
    token = speeds(anatomy, question, machine)[1]
    before = speeds(anatomy, question, machine.model_copy(update={"calibrations": {}}))[1]
    assert token.seconds != before.seconds
    assert f"× {token.seconds / before.seconds:.4g}" in token.formula
    assert "learnt from 4" in token.source
