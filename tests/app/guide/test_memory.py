"""Memory of a stack: what its techniques change about attention, and how its weights come to have their format."""

import pytest

from app.guide.memory import needed, while_running
from app.guide.settings import applied
from app.guide.situation import Situation
from app.guide.techniques import chosen
from app.planner.memory.parts import Instant, Needed
from tests.app.guide.scenes import DECODING_ON_4090, LLAMA_8B


def of(situation: Situation, *words: str) -> Needed:
    return needed(situation, applied(chosen(words)))


def part(instant: Instant, name: str) -> float:
    return next(one.bytes for one in instant.parts if one.name == name)


def prompts(tokens: int) -> Situation:
    return DECODING_ON_4090.model_copy(update={"task": "prefill", "sequence": tokens, "generated": 0})


@pytest.mark.parametrize("tokens", [4_096, 16_384])
def test_scores_of_a_long_prompt_count_unless_they_are_never_whole(tokens: int) -> None:
    plain, flash = (of(prompts(tokens), *words).peak for words in (("bf16",), ("bf16", "flash_attention")))
    # Two copies in the computing format and one in float32, at least: 8 bytes of each score.
    scores = 8 * LLAMA_8B.anatomy.heads * tokens**2
    assert part(plain, "working set") - part(flash, "working set") == pytest.approx(scores, rel=0.15)


def test_an_engine_never_holds_all_scores() -> None:
    engine, flash = (of(prompts(16_384), "bf16", word).peak for word in ("serving_engine", "flash_attention"))
    assert part(engine, "working set") == part(flash, "working set")


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
