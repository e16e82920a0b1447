"""Generate: exactly the tokens asked for, the first one marked, and without a cache everything computed again."""

from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import bench, steps
from workers.catalog.metrics import LATENCY_TPOT, LATENCY_TTFT
from workers.catalog.models.llama import Llama
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workload import Bench
from workers.catalog.workloads.generate import Generate

WORKLOAD = Generate(batch_size=2, prompt_length=6, new_tokens=4)


def widths(ready: Bench) -> list[int]:
    """Tokens the model was given in each forward pass of one step."""
    seen: list[int] = []

    def look(_: Any, inputs: Any, named: dict[str, Any]) -> None:
        seen.append(named["input_ids"].shape[1])

    handle = ready.model.register_forward_pre_hook(look, with_kwargs=True)
    steps(WORKLOAD.prepare(ready))
    handle.remove()
    return seen


def test_it_writes_exactly_the_tokens_asked_for() -> None:
    session = WORKLOAD.prepare(bench(Llama()))
    # Four tokens, and what is done after the last one.
    assert steps(session, 2) == ["ttft", "tpot", "tpot", "tpot", "tpot"] * 2
    assert session.facts() == {
        "cache": "DynamicCache",
        "new_tokens": 4,
        "forward_passes": 4,
        "answer": "GenerateDecoderOnlyOutput",
    }


def test_an_end_token_of_the_checkpoint_does_not_stop_it() -> None:
    ready = bench(Llama())
    greedy: Any = ready.model
    prompt = ready.declared.inputs(ready.model, batch_size=2, length=6, seed=0)
    with torch.inference_mode():
        first = int(ready.declared.logits(ready.model, prompt)[0, -1].argmax())
    greedy.generation_config.eos_token_id = first
    greedy.config.eos_token_id = first
    session = WORKLOAD.prepare(ready)
    steps(session)
    assert session.facts()["new_tokens"] == 4


@pytest.mark.parametrize("implementation", ["dynamic", "static"])
def test_a_cache_takes_one_token_at_a_time(implementation: str) -> None:
    stack = (KvCache.model_validate({"implementation": implementation}),)
    assert widths(bench(Llama(), stack)) == [6, 1, 1, 1]


def test_without_a_cache_everything_is_computed_again() -> None:
    assert widths(bench(Llama(), (KvCache(implementation="off"),))) == [6, 7, 8, 9]


def test_parts_are_named_and_divided() -> None:
    assert [(part.phase, part.metric, part.divisor) for part in WORKLOAD.parts] == [
        ("ttft", LATENCY_TTFT, 1),
        ("tpot", LATENCY_TPOT, 3),
    ]
    assert (WORKLOAD.main_phase, WORKLOAD.tokens, WORKLOAD.samples) == ("generate", 8, 2)
