"""Questions that contradict themselves are refused, every field named with what would do."""

from typing import Any

import pytest

from app.errors import Invalid
from app.guide.advice import weighed
from app.guide.question import GuideQuestion, of_body
from app.guide.reasons import assumed
from app.guide.situation import Situation, check
from app.planner.machines import FREE_SHARE, Machine, of_title
from app.planner.plan import plan
from app.planner.question import of_address
from tests.app.guide.scenes import DECODING_ON_4090, LLAMA_8B, QLORA_ON_4060, RESNET, SERVER, advised


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"task": "classify"}, "task", "language model"),
        ({"model": RESNET}, "task", "image model"),
        ({"model": RESNET}, "sequence", "which reads images"),
        ({"generated": 0}, "generated", "generated tokens"),
        ({"task": "prefill"}, "generated", "says nothing"),
        ({"budget": 1e12}, "memory", "GeForce RTX 4090"),
        ({"stack": ("qlora",)}, "stack.0", "QLoRA is for training"),
        ({"stack": ("bf16", "checkpointing")}, "stack.1", "is for training"),
        ({"stack": ("int4_weight_only",), "effort": "one_line"}, "effort", "medium effort"),
        ({"stack": ("int8_weight_only", "int4_weight_only")}, "stack", "stand for each other"),
        ({"stack": ("bf16", "gguf_q4_k_m")}, "stack", "do not combine"),
        ({"stack": ("int8",)}, "stack.0", "is no technique"),
        ({"stack": ("bf16", "bf16")}, "stack.1", "twice"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        advised(DECODING_ON_4090.model_copy(update=changes))
    problem = next(one for one in refused.value.problems if one.field == field)
    assert said in problem.message
    assert problem.hint


def test_every_contradiction_is_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        check(DECODING_ON_4090.model_copy(update={"task": "prefill", "budget": 1e12}))
    assert {one.field for one in refused.value.problems} == {"generated", "memory"}


def test_training_from_scratch_has_no_place_for_adapters() -> None:
    with pytest.raises(Invalid) as refused:
        advised(QLORA_ON_4060.model_copy(update={"task": "train"}))
    assert "QLoRA is there to fine-tune" in refused.value.problems[0].message


def test_a_device_that_is_not_known_is_refused_with_the_choices() -> None:
    with pytest.raises(Invalid) as refused:
        of_title("GeForce RTX4060")
    problem = refused.value.problems[0]
    assert "Did you mean 'GeForce RTX 4060'" in problem.message
    assert "Raspberry Pi 5 8GB" in problem.hint


def test_a_class_of_machines_needs_its_memory_told() -> None:
    with pytest.raises(Invalid) as refused:
        of_title("Server CPU, AMX, 32 cores")
    assert refused.value.problems[0].field == "memory"
    assert of_title("Server CPU, AMX, 32 cores", SERVER).memory == SERVER


def test_what_the_device_cannot_do_is_an_answer_and_no_error() -> None:
    advice = advised(DECODING_ON_4090.model_copy(update={"device": of_title("T4"), "stack": ("flash_attention",)}))
    assert "flash_attention" not in advice.before.words
    assert next(one for one in advice.rejected if one.word == "flash_attention").stage == "device"


def test_one_stack_can_be_asked_about_and_is_refused_where_it_cannot_run() -> None:
    assert weighed(DECODING_ON_4090, ("int8_weight_only",)).words == ("bf16", "kv_cache", "int8_weight_only")
    with pytest.raises(Invalid) as refused:
        weighed(DECODING_ON_4090, ("bf16", "nvfp4"))
    assert refused.value.problems[0].field == "words.1"


def test_what_was_not_said_is_told() -> None:
    told = " ".join(advised(DECODING_ON_4090).assumed)
    assert "Loss of quality that is allowed: 2%" in told
    assert "usually free" in told
    said = Situation(
        task="chat", model=LLAMA_8B, device=DECODING_ON_4090.device, sequence=512, generated=64, tolerance=0.01,
        effort="low", budget=20e9,
    )  # fmt: skip
    assert "Loss" not in " ".join(advised(said).assumed)


def test_more_tokens_than_a_model_was_made_for_are_remarked_with_the_planners_sentence() -> None:
    given = {"model": "Llama-3.1-8B", "sequence": "200000", "generated": "8"}
    remark = next(one for one in plan(of_address(given)).remarks if "131,072" in one)
    situation = of_body(GuideQuestion(model="Llama-3.1-8B", device="H200 SXM", sequence=200_000, generated=8))
    check(situation)
    assert remark in assumed(situation)
    assert remark not in assumed(situation.model_copy(update={"sequence": 100_000}))


def test_every_field_that_was_left_out_is_told_and_no_other() -> None:
    told = set(assumed(of_body(GuideQuestion(model="Llama-3.1-8B", device="RTX 4090"))))
    usual = {
        "What is done: answer prompts token by token.", "At a time: 1.", "Tokens of each sequence or prompt: 2,048.",
        "Tokens of each answer: 256.", "Devices: 1.",
    }  # fmt: skip
    assert usual < told
    said = GuideQuestion(
        model="Llama-3.1-8B", device="RTX 4090", task="chat", batch=1, sequence=2_048, generated=256, devices=1
    )
    assert set(assumed(of_body(said))) == told - usual
    # Of images no length, and of training no answer.
    images = assumed(of_body(GuideQuestion(model="ResNet-50", device="RTX 4090", task="train")))
    assert not any("okens" in one for one in images)
    assert of_body(GuideQuestion(model="Llama-3.1-8B", device="RTX 4090", task="prefill")).generated == 0


@pytest.mark.parametrize(
    ("title", "dtype", "native"),
    [
        ("T4", "bfloat16", False),
        ("T4", "float16", True),
        ("V100 SXM2 32GB", "bfloat16", False),
        ("A100 80GB SXM", "float8_e4m3fn", False),
        ("GeForce RTX 4060", "float8_e4m3fn", True),
        ("B200 (HGX)", "float4", True),
        ("H200 SXM", "float4", False),
        ("Instinct MI300X", "bfloat16", True),
        ("Raspberry Pi 5 8GB", "float16", True),
        ("Raspberry Pi 4 8GB", "float16", False),
        ("Raspberry Pi 4 8GB", "int8", False),
    ],
)
def test_what_a_device_computes_in(title: str, dtype: str, native: bool) -> None:
    assert of_title(title).computes(dtype) is native


def test_a_format_that_was_measured_no_faster_counts_as_emulated() -> None:
    cpu = Machine(
        title="here", kind="cpu", generation="x86-64", memory=2**34, bandwidth=2e10, measured=True,
        peaks={"float32": 1e11, "bfloat16": 0.9e11, "int8": 3e11},
    )  # fmt: skip
    assert not cpu.computes("bfloat16")
    assert cpu.computes("int8")
    assert cpu.peak("bfloat16") == 0.9e11


def test_a_device_without_a_known_capability_is_told_so() -> None:
    amd = of_title("Instinct MI300X")
    advice = advised(DECODING_ON_4090.model_copy(update={"device": amd}))
    reason = next(one for one in advice.rejected if one.word == "flash_attention")
    assert reason.stage == "device"
    assert reason.because == "FlashAttention-2 needs compute capability 8.0; Instinct MI300X has none that is known."
    assert "bf16" in advice.before.words


@pytest.mark.parametrize(("title", "memory"), [("GeForce RTX 4060", None), ("Server CPU, AMX, 32 cores", SERVER)])
def test_what_is_free_is_what_the_planner_counts_on(title: str, memory: int | None) -> None:
    device = of_title(title, memory)
    share = FREE_SHARE[device.kind]
    assert DECODING_ON_4090.model_copy(update={"device": device}).free == device.free == share * device.memory
