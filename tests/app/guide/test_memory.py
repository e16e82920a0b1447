"""Memory of a stack: what its techniques change about attention, and how its weights come to have their format."""

import pytest

from app.guide.memory import needed, while_running
from app.guide.settings import applied
from app.guide.situation import Situation
from app.guide.techniques import chosen
from app.planner.machines import of_title
from app.planner.memory.parts import Instant, Needed
from app.planner.memory.training import needed as training
from app.planner.models import known
from app.planner.question import Question
from app.planner.question import training as of_training
from tests.app.guide.scenes import DECODING_ON_4090, LLAMA_1B, LLAMA_8B

QUESTION = Question(model="Llama-3.1-8B", phase="training", weights="fp32", computing="fp32", sequence=2_048)
LARGEST = 128_256 * 4_096
"""Elements of the largest matrix."""


def of(situation: Situation, *words: str) -> Needed:
    return needed(situation, applied(chosen(words)))


def part(instant: Instant, name: str) -> float:
    return next(one.bytes for one in instant.parts if one.name == name)


def prompts(tokens: int) -> Situation:
    return DECODING_ON_4090.model_copy(update={"task": "prefill", "sequence": tokens, "generated": 0})


@pytest.mark.parametrize("tokens", [4_096, 16_384])
def test_scores_of_a_long_prompt_count_unless_they_are_never_whole(tokens: int) -> None:
    plain, flash = (of(prompts(tokens), *words).peak for words in (("bf16", "eager_attention"), ("bf16",)))
    # Two copies in the computing format and one in float32, at least: 8 bytes of each score.
    scores = 8 * LLAMA_8B.anatomy.heads * tokens**2
    assert part(plain, "working set") - part(flash, "working set") == pytest.approx(scores, rel=0.15)


def test_torch_holds_no_scores_unasked_and_engines_hold_none() -> None:
    torch, engine = (of(prompts(16_384), *words).peak for words in (("bf16",), ("bf16", "serving_engine")))
    assert part(torch, "working set") == part(engine, "working set")


@pytest.mark.parametrize(("title", "temporary"), [("A100 80GB SXM", True), ("Raspberry Pi 5 8GB", False)])
def test_an_update_has_what_the_planner_has(title: str, temporary: bool) -> None:
    """Of torch's own optimizer, which on a GPU takes all tensors together."""
    device = of_title(title)
    found = of(Situation(task="train", model=LLAMA_8B, device=device, sequence=2_048))
    own = training(known.anatomy("Llama-3.1-8B"), of_training(QUESTION, device.gpu))
    assert found.peak.bytes == pytest.approx(own.peak.bytes)
    step = {one.name: one.bytes for one in found.instants[-1].parts}
    assert step.get("step", 0.0) == (4.0 * LLAMA_8B.anatomy.parameters if temporary else 8.0 * LARGEST)


def test_gradients_of_earlier_parts_lie_there_from_the_start() -> None:
    situation = Situation(task="train", model=LLAMA_8B, device=of_title("A100 80GB SXM"), batch=4, sequence=512)
    whole, parts = (of(situation, "autocast_bf16", *words).instants[0] for words in ((), ("accumulation",)))
    parameters = LLAMA_8B.anatomy.parameters
    assert sum(one.bytes for one in parts.parts if one.name == "gradients") == 4 * parameters
    assert sum(one.bytes for one in whole.parts if one.name == "gradients") < 4 * parameters


def test_weights_that_are_converted_in_place_were_all_there_before() -> None:
    plain, converted, stored = (
        of(DECODING_ON_4090, "bf16", "kv_cache", *words) for words in ((), ("int8_weight_only",), ("w8a8_int8",))
    )
    assert converted.peak.name == "loading"
    assert part(converted.peak, "weights") == pytest.approx(part(plain.peak, "weights"))
    assert while_running(converted) < 0.7 * while_running(plain)
    assert [one.name for one in stored.instants] == ["prompt", "last token"]
    assert stored.peak.bytes < 0.7 * converted.peak.bytes


def test_weights_that_are_quantised_as_they_arrive_are_never_all_there() -> None:
    plain, quantised = (of(DECODING_ON_4090, "bf16", "kv_cache", *words).peak for words in ((), ("llm_int8",)))
    assert quantised.bytes < 0.75 * plain.bytes


@pytest.mark.parametrize("word", ["ddp", "zero1", "zero2", "zero3"])
def test_devices_share_the_batch_of_one_update(word: str) -> None:
    one = Situation(task="train", model=LLAMA_8B, device=of_title("A100 80GB SXM"), devices=4, sequence=512)
    each = of(one, word)
    assert of(one.model_copy(update={"batch": 4}), word) == each
    assert of(one.model_copy(update={"batch": 5}), word).instants[0].bytes > each.instants[0].bytes
    # What takes its share one by one adds up gradients only where there is more than one.
    assert of(one.model_copy(update={"batch": 4}), word, "accumulation") == each


def test_a_draft_is_as_large_in_memory_as_in_time_and_keeps_a_cache() -> None:
    stack = ("bf16", "kv_cache", "cuda_graphs", "speculative_decoding")
    for model in (LLAMA_1B, LLAMA_8B):
        situation = DECODING_ON_4090.model_copy(update={"model": model})
        for instant in of(situation, *stack).instants:
            for name in ("weights", "KV cache"):
                share = part(instant, f"{name} of the draft model") / part(instant, name)
                assert share == pytest.approx(max(0.1, 5e8 / model.anatomy.parameters))
