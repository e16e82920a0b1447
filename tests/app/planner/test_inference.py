"""Inference: caches of known size, and what may never be smaller."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner import families
from app.planner.inference import Inference, needed
from tests.app.planner.test_families import PUBLISHED

LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])


def part(name: str, asked: Inference, instant: int = 0) -> float:
    return next(each.bytes for each in needed(LLAMA, asked).instants[instant].parts if each.name == name)


@pytest.mark.parametrize(("cache", "gib"), [("bf16", 1.0), ("fp8", 0.5), ("q8_0", 8.5 / 16), ("q4_0", 4.5 / 16)])
def test_the_cache_of_8192_tokens(cache: str, gib: float) -> None:
    assert part("KV cache", Inference(prompt=8_192, cache=cache)) == gib * 2**30


def test_what_is_generated_is_kept_too() -> None:
    asked = Inference(prompt=4_096, generated=4_096)
    assert part("KV cache", asked, 1) == 2 * part("KV cache", asked, 0) == 2**30


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 32), st.integers(1, 32_768), st.integers(0, 4_096))
def test_less_is_never_larger(batch: int, prompt: int, generated: int) -> None:
    asked = Inference(batch=batch, prompt=prompt, generated=generated)
    peak = needed(LLAMA, asked).peak
    assert peak.low <= peak.bytes <= peak.high
    for less in ({"weights": "int8"}, {"weights": "nf4"}, {"cache": "fp8"}, {"chunk": 512}):
        assert needed(LLAMA, asked.model_copy(update=less)).peak.bytes <= peak.bytes
    for more in ({"batch": batch + 1}, {"prompt": prompt + 1}):
        assert needed(LLAMA, asked.model_copy(update=more)).peak.bytes >= peak.bytes
