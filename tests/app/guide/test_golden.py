"""Questions with known answers: the right stack, and the right reason for it."""

from collections.abc import Iterator

import pytest

from app.guide.advice import Advice, weighed
from app.guide.evidence import Evidence, Measured
from app.guide.experiments import in_catalogue
from app.guide.priors import Setting
from app.guide.reasons import reasons
from app.guide.rejected import Rejected
from app.guide.situation import Situation
from app.guide.tree import Node
from app.planner.machines import of_title
from app.planner.memory import training
from app.planner.memory.training import Training
from app.planner.models import known
from tests.app.guide.scenes import (
    CHAT_ON_PI,
    DECODING_ON_4090,
    FULL_7B,
    IMAGES_ON_AMX,
    IMAGES_ON_VNNI,
    LLAMA_7B,
    LLAMA_65B,
    LONG_ON_B200,
    PRODUCTION_ON_A100,
    PROMPTS_ON_AMX,
    QLORA_65B,
    QLORA_ON_4060,
    RESNET,
    SERVING_ON_H200,
    SMALL_ON_B200,
    TRAINING_ON_T4,
    TUNING_ON_4080,
    advised,
)

PROMPTS_ON_A100 = PRODUCTION_ON_A100.model_copy(update={"task": "prefill", "sequence": 4_096, "generated": 0})
TRAINING_ON_A100 = TRAINING_ON_T4.model_copy(update={"device": PRODUCTION_ON_A100.device, "sequence": 4_096})


def why_not(advice: Advice, word: str) -> Rejected:
    return next(one for one in advice.rejected if one.word == word)


def words(advice: Advice) -> tuple[str, ...]:
    assert advice.pick is not None
    return advice.pick.words


def test_qlora_of_8b_with_batch_4_does_not_fit_into_8_gb_and_what_would_is_offered() -> None:
    advice = advised(QLORA_ON_4060)
    assert advice.before.fits == "no"
    assert advice.headline.startswith("No")
    assert advice.before.memory.low > 2 * QLORA_ON_4060.free
    # One sequence at a time with accumulation, and a loss that never holds all logits: only just, if at all.
    assert advice.outcome == "tight"
    assert {"accumulation", "chunked_loss", "qlora", "checkpointing"} <= set(words(advice))
    assert advice.pick is not None
    assert advice.pick.fits == "tight"
    # Or shorter sequences, a smaller model, a little more memory.
    offered = {one.gives: one for one in advice.changes}
    assert {"sequence", "model", "budget"} <= set(offered)
    assert offered["sequence"].then <= 1_024
    assert 4e9 < offered["model"].then < 8e9
    assert 1 < offered["budget"].factor < 1.2
    assert any("short" in reason and "logits" in reason for reason in advice.reasons)


def test_where_the_memory_goes_adds_up_to_the_peak() -> None:
    advice = advised(QLORA_ON_4060)
    assert abs(sum(part.bytes for part in advice.anatomy.parts) - advice.before.memory.value) < 1
    assert {"weights", "logits", "activations"} <= {part.name for part in advice.anatomy.parts}


@pytest.mark.parametrize("sequence", [512, 1_024, 2_048])
def test_training_on_a_t4_takes_fp16_with_a_scaler_and_no_flash_attention_2(sequence: int) -> None:
    advice = advised(TRAINING_ON_T4.model_copy(update={"sequence": sequence}))
    assert "autocast_fp16" in words(advice)
    assert why_not(advice, "autocast_bf16").stage == "device"
    assert "no units for bfloat16" in why_not(advice, "autocast_bf16").because
    assert why_not(advice, "flash_attention").because == "FlashAttention-2 needs compute capability 8.0; T4 has 7.5."
    # Its kernel for such devices is what torch takes by itself.
    assert why_not(advice, "memory_efficient_attention").stage == "unasked"
    assert any("scales the loss" in reason for reason in advice.reasons)


def test_where_memory_is_short_the_answer_does_not_hang_on_how_it_is_asked() -> None:
    """Also with techniques named that the answer takes anyway: the smallest stack is found, and shorter sequences are offered."""
    named = advised(QLORA_ON_4060)
    fewer = advised(QLORA_ON_4060.model_copy(update={"stack": ("qlora",)}))
    assert named.pick is not None
    assert fewer.pick is not None
    assert abs(named.pick.memory.value / fewer.pick.memory.value - 1) < 0.02
    for advice in (named, fewer):
        assert any("tokens" in change.says for change in advice.changes)


def test_serving_many_at_a_time_on_an_h200_takes_fp8_and_not_int4() -> None:
    advice = advised(SERVING_ON_H200)
    assert "fp8" in words(advice)
    assert "fp8-llama8b" in {cited.id for cited in advice.pick.cited} if advice.pick else False
    assert "arithmetic" in advice.regime.says
    assert why_not(advice, "int4_weight_only").stage == "limits"
    assert "Nor would it be faster" in why_not(advice, "int4_weight_only").because
    # With any loss allowed it is no faster: arithmetic binds, and weights in 4 bits are computed with in 16.
    loose = SERVING_ON_H200.model_copy(update={"tolerance": 0.1})
    base = ("bf16", "kv_cache", "serving_engine")
    int4, fp8 = (weighed(loose, (*base, word)) for word in ("int4_weight_only", "fp8"))
    assert int4.ratio.value > 1.3 * fp8.ratio.value
    assert int4.binds == "compute"
    answer = advised(loose)
    assert "fp8" in words(answer)
    assert why_not(answer, "int4_weight_only").stage == "outranked"
    assert "FP8 W8A8 stands in its place" in why_not(answer, "int4_weight_only").because


def test_decoding_one_prompt_on_a_4090_takes_weights_of_8_bits_and_with_more_tolerance_of_4() -> None:
    advice = advised(DECODING_ON_4090)
    assert advice.regime.binds == "bandwidth"
    assert {"int8_weight_only", "gguf_q8_0", "fp8"} & set(words(advice))
    # An engine with formats of its own replaces BF16; nobody gives it up.
    assert "no BF16" not in advice.headline
    assert any("bytes of weights" in reason and "binds" in reason for reason in advice.reasons)
    assert why_not(advice, "int4_weight_only").stage == "limits"
    assert "quality" in why_not(advice, "int4_weight_only").because
    loose = advised(DECODING_ON_4090.model_copy(update={"tolerance": 0.1}))
    assert {"int4_weight_only", "gguf_q4_k_m"} & set(words(loose))
    assert "tolerance" in {one.gives for one in advice.changes}
    # Arithmetic in fewer bits does nothing for what waits for memory.
    base = ("bf16", "kv_cache", "cuda_graphs")
    int8, w8a8 = (weighed(DECODING_ON_4090, (*base, word)).ratio.value for word in ("int8_weight_only", "w8a8_int8"))
    assert w8a8 > int8


def test_int8_weights_without_compiling_do_not_pay_where_calls_bind() -> None:
    eager = weighed(DECODING_ON_4090, ("bf16", "kv_cache", "int8_weight_only"))
    compiled = weighed(DECODING_ON_4090, ("bf16", "kv_cache", "int8_weight_only", "torch_compile"))
    assert eager.binds == "overhead"
    assert compiled.ratio.value < 0.7 < 1.0 < eager.ratio.value


def test_amx_takes_bf16_or_int8() -> None:
    for situation in (IMAGES_ON_AMX, PROMPTS_ON_AMX):
        advice = advised(situation)
        assert {"bf16", "w8a8_int8", "int8_static"} & set(words(advice))
        assert why_not(advice, "int4_weight_only").stage in ("device", "task")
    images = advised(IMAGES_ON_AMX)
    assert images.regime.binds == "compute"
    assert any(
        reason.startswith("BF16") and "operations or their rate, which binds" in reason for reason in images.reasons
    )


def test_mobilenet_with_vnni_is_at_most_twice_as_fast_and_resnet_more() -> None:
    base = ("torch_compile",)
    plain, int8 = (weighed(IMAGES_ON_VNNI, (*base, *more)) for more in ((), ("int8_static",)))
    mobilenet = plain.ratio.value / int8.ratio.value
    assert 1.05 < mobilenet < 2
    assert "inc-mobilenet" in int8.ratio.evidence
    dense = IMAGES_ON_VNNI.model_copy(update={"model": IMAGES_ON_AMX.model})
    plain, int8 = (weighed(dense, (*base, *more)) for more in ((), ("int8_static",)))
    assert plain.ratio.value / int8.ratio.value > 2.5
    # No units for BF16: it would be emulated.
    assert why_not(advised(IMAGES_ON_VNNI), "bf16").stage == "device"


def test_a_small_model_alone_on_a_large_gpu_is_compiled_first() -> None:
    advice = advised(SMALL_ON_B200)
    assert advice.regime.binds == "overhead"
    assert advice.regime.margin is not None
    assert advice.regime.margin > 3
    assert {"torch_compile", "cuda_graphs"} & set(words(advice))
    assert any("calls and launches" in reason and "which binds" in reason for reason in advice.reasons)
    assert why_not(advice, "int8_weight_only").stage in ("regime", "outranked")
    compiled = weighed(SMALL_ON_B200, ("bf16", "torch_compile"))
    assert compiled.ratio.high < 1
    assert "compile-b200-small" in compiled.ratio.evidence


def test_compiling_is_not_promised_where_arithmetic_binds() -> None:
    compiled = weighed(LONG_ON_B200, (*LONG_ON_B200.stack, "torch_compile"))
    assert compiled.binds == "compute"
    assert compiled.ratio.low < 1 < compiled.ratio.high
    assert compiled.ratio.value > 0.9
    assert "compile-b200-large" in compiled.ratio.evidence


def test_states_of_a_full_fine_tune_of_7b_are_112_gb_of_which_56_are_moments() -> None:
    needed = training.needed(LLAMA_7B.anatomy, Training(sequence=2_048, weights="fp32", computing="fp32"))
    step = {part.name: part.bytes for part in needed.instants[-1].parts}
    # Published of 7 billion parameters (Rajbhandari et al. 2019: 4 + 4 + 8 bytes of each); here of as many as the model has.
    parameters = known.by_name()["Llama-2-7B"].parameters
    assert step["optimizer"] == pytest.approx(56e9 * parameters / 7e9, rel=1e-3)
    states = step["weights"] + step["gradients"] + step["optimizer"]
    assert states == pytest.approx(112e9 * parameters / 7e9, rel=1e-3)
    advice = advised(FULL_7B)
    assert advice.before.fits == "no"
    assert advice.before.memory.low > 16 * parameters
    assert {"autocast_bf16", "lora"} <= set(words(advice))
    # Mixed precision alone leaves all of it.
    assert weighed(FULL_7B, ("autocast_bf16",)).fits == "no"


def test_fine_tuning_8b_on_16_gb_where_accuracy_is_critical() -> None:
    advice = advised(TUNING_ON_4080)
    assert "qlora" in words(advice)
    assert advice.pick is not None
    assert advice.pick.loss.high <= 0.01
    assert advice.pick.fits == "fits"
    # LoRA on 16-bit weights would lose less, but the weights alone fill the card.
    assert why_not(advice, "lora").stage == "limits"
    assert "memory" in why_not(advice, "lora").because
    assert any("memory" in reason for reason in advice.reasons)


def test_inference_on_a_raspberry_pi() -> None:
    advice = advised(CHAT_ON_PI)
    assert advice.regime.binds == "bandwidth"
    assert {"gguf_q8_0", "gguf_q4_k_m"} & set(words(advice))
    for word in ("int4_weight_only", "nf4", "fp8", "serving_engine"):
        assert why_not(advice, word).stage == "device"
    assert "needs cuda" in why_not(advice, "fp8").because
    assert "needs avx2 on a CPU" in why_not(advice, "nf4").because
    # A 1B model loses more in 4 bits than an 8B one.
    q4 = why_not(advice, "gguf_q4_k_m")
    assert q4.stage == "limits"
    assert "gguf-q4-ppl-8b" in q4.evidence
    # Nobody said how much may be lost, so that it stays a choice, after what loses less.
    assert "gguf_q8_0" in words(advice)
    lossier = next(one for one in advice.ranked if "gguf_q4_k_m" in one.words)
    assert lossier.remark is not None
    assert "2.0% is assumed" in lossier.remark
    assert any("GGUF Q4_K_M" in said and "more than the 2% assumed" in said for said in advice.assumed)
    # Once it is said, it is kept.
    told = advised(CHAT_ON_PI.model_copy(update={"tolerance": 0.02}))
    assert told.pick == advice.pick
    assert not any("gguf_q4_k_m" in one.words for one in told.ranked)


def test_production_on_an_a100_where_accuracy_is_critical() -> None:
    advice = advised(PRODUCTION_ON_A100)
    assert advice.pick is not None
    assert advice.pick.loss.high <= 0.01
    assert "int8_weight_only" in words(advice)
    assert "float8" in why_not(advice, "fp8").because
    assert why_not(advice, "fp8").stage == "device"
    assert why_not(advice, "int4_weight_only").stage == "limits"
    assert why_not(advice, "int4_weight_only").evidence


def test_qlora_of_65b_fits_into_48_gb() -> None:
    advice = advised(QLORA_65B)
    assert advice.before.fits in ("fits", "tight")
    assert "qlora" in words(advice)
    assert advice.pick is not None
    assert advice.pick.fits == "fits"
    assert weighed(QLORA_65B, ("autocast_bf16", "lora", "checkpointing")).fits == "no"


def test_what_to_measure_next_can_be_queued() -> None:
    advice = advised(DECODING_ON_4090)
    assert advice.experiments
    first = advice.experiments[0]
    assert first.variant is not None
    assert first.variant == in_catalogue(first.words, DECODING_ON_4090)
    assert first.because


def test_the_way_to_the_answer_takes_one_answer_to_each_question() -> None:
    def nodes(node: Node) -> Iterator[Node]:
        yield node
        for child in node.children:
            yield from nodes(child)

    for situation in (QLORA_ON_4060, DECODING_ON_4090, IMAGES_ON_VNNI):
        advice = advised(situation)
        asked = [node for node in nodes(advice.path) if node.question]
        assert len(asked) == 4
        assert all(sum(child.taken for child in node.children) == 1 for node in asked)
        assert advice.pick is not None
        assert any(
            node.taken and set(advice.pick.titles) == set(node.answer.split(", ")) for node in nodes(advice.path)
        ) or any(", ".join(advice.pick.titles) == node.answer for node in nodes(advice.path))


def test_70b_on_several_devices_is_sharded() -> None:
    situation = TUNING_ON_4080.model_copy(
        update={"model": LLAMA_65B, "device": of_title("H100 SXM"), "devices": 16, "batch": 1, "sequence": 2_048}
    )
    advice = advised(situation.model_copy(update={"task": "train"}))
    assert {"zero3"} <= set(words(advice))
    # Whatever keeps a whole copy of weights and states on each device does not fit.
    for word in ("ddp", "zero1", "zero2"):
        assert weighed(situation, ("autocast_bf16", "checkpointing", "chunked_loss", word)).fits == "no"
    assert why_not(advised(TUNING_ON_4080), "zero3").because == "ZeRO-3 or FSDP needs 2 devices, and there is one."


def test_a_small_model_on_several_devices_is_replicated() -> None:
    situation = TRAINING_ON_T4.model_copy(update={"device": of_title("A100 80GB SXM"), "devices": 4, "batch": 4})
    advice = advised(situation)
    # Nothing is short of memory, so that nothing need be shared.
    assert "ddp" in words(advice)
    alone, shared = (weighed(situation, ("autocast_bf16", *more)) for more in ((), ("ddp",)))
    assert 0.2 < shared.ratio.value / alone.ratio.value < 0.5


def test_70b_is_answered_from_two_devices_by_tensor_parallel() -> None:
    situation = SERVING_ON_H200.model_copy(
        update={"model": LLAMA_65B, "device": of_title("H100 SXM"), "devices": 2, "batch": 1}
    )
    advice = advised(situation)
    assert advice.before.fits == "no"
    assert advice.pick is not None
    assert "tensor_parallel" in words(advice)


def test_where_nothing_keeps_every_limit_the_smallest_relaxations_are_told() -> None:
    small = DECODING_ON_4090.model_copy(update={"device": of_title("GeForce RTX 4060"), "sequence": 1_024})
    # Nobody set a limit of quality: what keeps all others is told, with what it may lose.
    open_ended = advised(small)
    assert open_ended.outcome == "tight"
    assert "more than the 2% of quality that is assumed" in open_ended.headline
    assert {"gguf_q4_k_m", "int4_weight_only", "nf4"} & set(words(open_ended))
    assert open_ended.pick is not None
    assert open_ended.pick.lossy
    assert open_ended.pick.remark is not None
    small = small.model_copy(update={"tolerance": 0.02})
    advice = advised(small)
    assert advice.outcome == "nothing_fits"
    assert advice.ranked == ()
    assert {"tolerance", "budget"} <= {one.gives for one in advice.changes}
    assert [one.factor for one in advice.changes] == sorted(one.factor for one in advice.changes)
    allowed = next(one for one in advice.changes if one.gives == "tolerance")
    assert advised(small.model_copy(update={"tolerance": allowed.then})).outcome == "advised"


def test_a_batch_of_images_is_not_taken_one_at_a_time_without_need() -> None:
    situation = Situation(task="train", model=RESNET, device=of_title("GeForce RTX 3090"), batch=256)
    assert "autocast_bf16" in words(advised(situation))
    four, one = (weighed(situation, ("autocast_bf16", word)) for word in ("accumulation_4", "accumulation"))
    assert one.time.value > four.time.value
    assert one.memory.value < four.memory.value


def test_what_only_articles_speak_of_is_unknown_and_not_advised() -> None:
    advice = advised(DECODING_ON_4090)
    stack = ("bf16", "kv_cache", "onnx_runtime")
    one = weighed(DECODING_ON_4090, stack)
    assert one.unknown == ("onnx_runtime",)
    assert one.loss_unknown
    assert one.ratio.grade == "D"
    assert all("onnx_runtime" not in each.words for each in advice.ranked)
    assert "nothing better than an article says: measure it" in why_not(advice, "onnx_runtime").because


@pytest.mark.parametrize("situation", [PROMPTS_ON_A100, TRAINING_ON_A100], ids=["prompts", "training"])
def test_eager_attention_is_given_up_where_somebody_has_it_and_no_kernel_is_advised_where_nobody_has(
    situation: Situation,
) -> None:
    eager = advised(situation.model_copy(update={"stack": ("eager_attention",)}))
    assert "eager_attention" in eager.before.words
    assert eager.pick is not None
    assert "eager_attention" in eager.pick.dropped
    assert "no eager attention" in eager.headline
    assert any("Eager attention is given up" in said and "SDPA" in said for said in eager.reasons)
    assert "fa1-e2e-hf" in eager.pick.ratio.evidence or situation.phase == "inference"
    unasked = advised(situation)
    assert unasked.pick is not None
    assert unasked.before.memory.value < eager.before.memory.value
    assert unasked.before.time.value < eager.before.time.value
    assert eager.pick.words == unasked.pick.words
    for word in ("eager_attention", "flash_attention", "memory_efficient_attention"):
        assert word not in unasked.pick.words
        assert why_not(unasked, word).stage == "unasked"


def test_asking_for_the_kernel_that_torch_takes_changes_nothing() -> None:
    asked = advised(DECODING_ON_4090.model_copy(update={"stack": ("flash_attention",)}))
    assert asked.before == advised(DECODING_ON_4090).before
    assert "SDPA" in why_not(asked, "flash_attention").because


@pytest.mark.parametrize(("title", "advises"), [("H100 SXM", True), ("A100 80GB SXM", False), ("B200 (HGX)", False)])
def test_flash_attention_3_is_for_long_sequences_on_hopper(title: str, advises: bool) -> None:
    long = LONG_ON_B200.model_copy(update={"device": of_title(title)})
    assert ("flash_attention_3" in words(advised(long))) is advises
    if advises:
        short = advised(long.model_copy(update={"sequence": 256}))
        assert "flash_attention_3" not in words(short)
    else:
        assert why_not(advised(long), "flash_attention_3").stage == "device"


def test_decoding_a_short_answer_speaks_of_no_attention_kernel() -> None:
    advice = advised(DECODING_ON_4090)
    assert advice.pick is not None
    assert not any("ttention" in title for title in advice.pick.titles)
    assert not any("ttention" in said for said in advice.reasons)


def test_speculating_needs_the_weights_less_often() -> None:
    drafted = weighed(DECODING_ON_4090, ("bf16", "kv_cache", "cuda_graphs", "speculative_decoding"))
    said = next(one for one in reasons(drafted, advised(DECODING_ON_4090).before) if one.startswith("Speculative"))
    assert "passes over the weights for each token, which binds" in said


def test_names_of_gpu_kernels_are_not_advised_on_a_cpu() -> None:
    long = PROMPTS_ON_AMX.model_copy(update={"sequence": 8_192})
    assert why_not(advised(long), "flash_attention").stage == "device"
    assert "needs cuda" in why_not(advised(long), "flash_attention").because


def test_time_on_a_cpu_says_nothing_of_a_gpu() -> None:
    stack = ("bf16", "torch_compile")
    row = Measured(
        id="cpu", stack=stack, baseline=("bf16",), metric="time", ratio=3.0, low=2.9, high=3.1,
        setting=Setting(task="prefill", batch=1, sequence=512), device=PROMPTS_ON_AMX.device,
    )  # fmt: skip
    assert weighed(SMALL_ON_B200, stack, [row]) == weighed(SMALL_ON_B200, stack)
    # What is held is the model's, whatever holds it.
    told = Evidence(SMALL_ON_B200, [row.model_copy(update={"metric": "memory"})], ("bf16",))
    assert [one.id for one in told.rows(stack, "memory")] == ["cpu"]
