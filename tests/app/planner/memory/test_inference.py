"""Inference: caches of known size, and what may never be smaller."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner.memory.inference import Inference, needed
from app.planner.models import families, known
from tests.app.planner.models.test_families import PUBLISHED

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


def instant(name: str, asked: Inference) -> dict[str, float]:
    found = next(each for each in needed(LLAMA, asked).instants if each.name == name)
    return {each.name: each.bytes for each in found.parts}


def names(asked: Inference) -> list[str]:
    return [each.name for each in needed(LLAMA, asked).instants]


WIDEST = 4_096 * 14_336
HEAD = 4_096 * 128_256


def test_files_of_16_bits_need_no_phase_of_loading() -> None:
    assert names(Inference(weights="bf16")) == ["prompt"]
    assert names(Inference(weights="q4_k_m", generated=1)) == ["prompt", "last token"]


def test_matrices_are_quantised_as_they_arrive() -> None:
    """NF4 is made on the device: two copies of the widest matrix lie beside what is quantised already."""
    asked = Inference(weights="nf4", prompt=8)
    assert names(asked) == ["loading", "prompt"]
    assert instant("loading", asked)["being quantised"] == 2 * 2 * WIDEST
    assert instant("prompt", asked)["dequantised"] == 2 * WIDEST
    whole = asked.model_copy(update={"quantised_head": True})
    assert instant("loading", whole)["being quantised"] == 2 * 2 * HEAD
    assert instant("loading", whole)["weights"] < instant("loading", asked)["weights"]
    assert needed(LLAMA, whole).peak.name == "loading"


def test_weights_that_are_converted_in_place_are_whole_first() -> None:
    asked = Inference(weights="int8", loading="converted", prompt=8)
    assert instant("loading", asked)["weights"] == 2 * LLAMA.parameters
    stored = asked.model_copy(update={"loading": "stored"})
    assert instant("prompt", asked)["weights"] == instant("prompt", stored)["weights"]
    assert instant("prompt", asked)["allocator"] > instant("prompt", stored)["allocator"]


def test_joined_matrices_exist_twice_for_a_while() -> None:
    asked = Inference(weights="bf16", loading="fused", prompt=8)
    assert instant("loading", asked)["joined"] == 2 * 32 * 4_096 * (4_096 + 1_024 + 1_024)
    assert "joined" not in instant("prompt", asked)


def test_a_files_own_size_replaces_what_its_format_would_take() -> None:
    assert part("weights", Inference(weights="q4_k_m", stored_bytes=4_920_738_944)) == 4_920_738_944


def test_scores_are_kept_without_flash_attention() -> None:
    """Of 2,048 tokens each of 32 heads has 2,048 scores, at 8 bytes in 16 bits: 1 GiB."""
    flash = Inference(prompt=2_048, on_gpu=False)
    scores = part("working set", flash.model_copy(update={"flash": False})) - part("working set", flash)
    assert scores == 2**30


def test_logits_of_every_token_may_be_larger_than_any_layer() -> None:
    asked = Inference(prompt=4_096, all_logits=True, on_gpu=False)
    assert part("working set", asked) == 6 * 4_096 * LLAMA.vocabulary
    assert part("working set", asked.model_copy(update={"all_logits": False})) < 6 * 4_096 * LLAMA.vocabulary


def test_autocast_copies_a_weight_while_it_multiplies_and_keeps_rotated_keys_long() -> None:
    """All copies at most: under torch.no_grad autocast keeps them."""
    asked = Inference(weights="fp32", computing="bf16", prompt=8_192, on_gpu=False)
    held = instant("prompt", asked)
    assert held["weights"] == 4 * LLAMA.parameters
    assert held["autocast copies"] == 2 * HEAD
    (copies,) = (each for each in needed(LLAMA, asked).instants[0].parts if each.name == "autocast copies")
    assert (copies.low, copies.high) == (2 * HEAD, 2 * LLAMA.active_parameters)
    assert held["KV cache"] == 1.5 * 2**30
    assert "autocast copies" not in instant("prompt", asked.model_copy(update={"computing": "fp32"}))


@pytest.mark.parametrize(("name", "devices", "share"), [
    ("Llama-3.1-8B", 2, 1 / 2), ("Llama-3.1-8B", 8, 1 / 8), ("Llama-3.1-8B", 32, 1 / 8), ("DeepSeek-V3", 8, 1.0),
])  # fmt: skip
def test_devices_share_heads_of_the_cache_and_no_latent(name: str, devices: int, share: float) -> None:
    anatomy = known.anatomy(name)

    def cache(count: int) -> float:
        parts = needed(anatomy, Inference(prompt=512, devices=count)).instants[0].parts
        return next(part.bytes for part in parts if part.name == "KV cache")

    assert cache(devices) == share * cache(1)
