"""What may never be smaller, for the lower bound, the figure and the upper bound alike, over models, settings and sizes.

An answer that breaks one of these is wrong whatever a measurement says, so that they hold without any.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner.memory import inference, training
from app.planner.memory.fit import verdict
from app.planner.memory.formats import BY_WORD as FORMAT
from app.planner.memory.formats import FORMATS, weight_bytes
from app.planner.memory.inference import CACHE_BITS, Inference
from app.planner.memory.parts import Needed
from app.planner.memory.states import OPTIMIZERS, Sharding, shares
from app.planner.memory.training import Training
from app.planner.models import families
from app.planner.models.anatomy import Anatomy
from tests.app.planner.models.test_families import PUBLISHED

MODELS: dict[str, Anatomy] = {
    name: families.read(PUBLISHED[name][0])
    for name in ("Llama 3.1 8B", "Llama 3.1 70B", "Mixtral 8x7B", "Gemma 2B", "Gemma 2 9B", "Pythia 1B", "Phi-3 mini", "DeepSeek V3", "GPT-OSS 20B", "Falcon 40B", "Granite 4 H Tiny")
}  # fmt: skip
SHARDINGS: tuple[Sharding, ...] = ("ddp", "zero1", "zero2", "zero3")
"""From the most to the least that a device keeps."""
many = settings(deadline=None, derandomize=True, max_examples=120)
models = st.sampled_from(sorted(MODELS))
tokens = st.integers(1, 16_384)
steps = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 64),
        "sequence": tokens,
        "optimizer": st.sampled_from([each.word for each in OPTIMIZERS]),
        "fused": st.booleans(),
        "checkpointing": st.booleans(),
        "flash": st.booleans(),
        "loss": st.sampled_from(["naive", "in_place", "chunked"]),
        "on_gpu": st.booleans(),
    }
)
answers = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 256),
        "prompt": tokens,
        "generated": st.integers(0, 8_192),
        "weights": st.sampled_from([each.word for each in FORMATS]),
        "cache": st.sampled_from(sorted(CACHE_BITS)),
        "flash": st.booleans(),
        "all_logits": st.booleans(),
        "loading": st.sampled_from([None, "stored", "quantised", "converted", "fused"]),
        "quantised_head": st.booleans(),
        "on_gpu": st.booleans(),
    }
)


def sizes(needed: Needed) -> tuple[float, float, float]:
    """The bounds and what lies between them."""
    found = (needed.low, needed.peak.bytes, needed.high)
    assert found[0] <= found[1] * (1 + 1e-12)
    assert found[1] <= found[2] * (1 + 1e-12)
    return found


def rises(less: Needed, more: Needed) -> None:
    """Fail where any of the three is smaller; sums of floats may differ in their last digits."""
    for one, other in zip(sizes(less), sizes(more), strict=True):
        assert one <= other * (1 + 1e-12)


def step(model: str, **asked: Any) -> Needed:
    return training.needed(MODELS[model], Training.model_validate(asked))


def answer(model: str, **asked: Any) -> Needed:
    return inference.needed(MODELS[model], Inference.model_validate(asked))


STATEFUL = st.sampled_from([each.word for each in OPTIMIZERS if each.bytes])


@many
@given(models, steps, STATEFUL, st.integers(1, 64), st.sampled_from(["nf4", "nf4_double", "int4"]))
def test_qlora_needs_no_more_than_lora_and_that_no_more_than_all(
    model: str, asked: dict[str, Any], optimizer: str, rank: int, quantised: str
) -> None:
    """With optimizers that keep states: without any, adapters come on top of what training all weights needs at its peak."""
    asked = asked | {"optimizer": optimizer}
    lora = step(model, **asked, rank=rank)
    rises(lora, step(model, **asked))
    rises(step(model, **asked, rank=rank, weights=quantised), lora)


@many
@given(models, steps, st.integers(1, 64), st.sampled_from(["batch", "sequence", "rank"]), st.integers(1, 512))
def test_more_of_a_training_step_needs_no_less(
    model: str, asked: dict[str, Any], rank: int, which: str, more: int
) -> None:
    asked = asked | {"rank": rank}
    rises(step(model, **asked), step(model, **asked | {which: asked[which] + more}))


@many
@given(models, steps, st.integers(2, 512), st.sampled_from([None, 16]), st.booleans())
def test_more_of_it_sharded_needs_no_more(
    model: str, asked: dict[str, Any], devices: int, rank: int | None, master: bool
) -> None:
    common = asked | {"devices": devices, "rank": rank, "master": master and rank is None}
    found = [step(model, **common, sharding=each) for each in SHARDINGS]
    for more, less in pairwise(found):
        rises(less, more)


@many
@given(models, steps, st.sampled_from(SHARDINGS), st.integers(2, 512))
def test_more_devices_need_no_more_of_each(model: str, asked: dict[str, Any], sharding: Sharding, devices: int) -> None:
    common = asked | {"sharding": sharding}
    rises(step(model, **common, devices=devices + 1), step(model, **common, devices=devices))


def test_shares_are_those_of_the_zero_paper() -> None:
    """Bytes of 7.5 billion parameters on each of 64 devices, arXiv 1910.02054, figure 1: 120, 31.4, 16.6 and 1.9 GB."""
    found = []
    for each in SHARDINGS:
        weights, gradients, states = shares(each, 64)
        found.append(7.5 * (2 * weights + 2 * gradients + 12 * states))
    assert found == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)


@many
@given(models, answers, st.sampled_from(["batch", "prompt", "generated"]), st.integers(1, 512))
def test_more_of_an_answer_needs_no_less(model: str, asked: dict[str, Any], which: str, more: int) -> None:
    rises(answer(model, **asked), answer(model, **asked | {which: asked[which] + more}))


LESS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a quantised cache": lambda asked: {"cache": "q8_0"},
    "chunks of the prompt": lambda asked: {"chunk": max(1, asked["prompt"] // 3)},
    "flash attention": lambda asked: {"flash": True},
    "logits of the last tokens": lambda asked: {"all_logits": False},
}


@many
@given(models, answers, st.sampled_from(sorted(LESS)))
def test_what_saves_memory_never_needs_more(model: str, asked: dict[str, Any], way: str) -> None:
    asked = asked | {"cache": "bf16"}
    rises(answer(model, **asked | LESS[way](asked)), answer(model, **asked))


@many
@given(models, answers, st.sampled_from(["q8_0", "fp8", "q4_0"]))
def test_a_quantised_cache_is_smaller(model: str, asked: dict[str, Any], cache: str) -> None:
    def held(word: str) -> float:
        instant = answer(model, **asked | {"cache": word, "on_gpu": False}).instants[-1]
        return next(part.bytes for part in instant.parts if part.name == "KV cache")

    assert held("q4_0") < held("fp8") < held("q8_0") < held("bf16") < held("fp32")
    rises(answer(model, **asked | {"cache": cache}), answer(model, **asked | {"cache": "bf16"}))


@many
@given(models, steps, answers, st.integers(1, 2**42), st.integers(0, 2**42))
def test_more_memory_never_fits_less(
    model: str, trained: dict[str, Any], asked: dict[str, Any], budget: int, more: int
) -> None:
    order = ["no", "tight", "fits"]
    for needed in (step(model, **trained), answer(model, **asked)):
        assert order.index(verdict(needed, budget)) <= order.index(verdict(needed, budget + more))


@pytest.mark.parametrize("model", MODELS)
def test_fewer_bits_take_fewer_bytes(model: str) -> None:
    ladder = ("fp32", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k")
    found = [weight_bytes(MODELS[model], FORMAT[word], FORMAT["bf16"]) for word in ladder]
    assert found == sorted(found, reverse=True)
