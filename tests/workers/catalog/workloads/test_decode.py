"""Decode: one token on a full context, the same at every step."""

from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import bench, steps
from workers.catalog.models.llama import Llama
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workloads.decode import Decode

WORKLOAD = Decode(batch_size=2, context_length=9)


@pytest.mark.parametrize("implementation", ["off", "dynamic", "static"])
def test_every_step_scores_the_same_token(implementation: str) -> None:
    """The scores of a step equal those of the whole sequence at its last position, however often it is repeated."""
    ready = bench(Llama(), (KvCache.model_validate({"implementation": implementation}),))
    session = WORKLOAD.prepare(ready)
    answers: list[torch.Tensor] = []
    handle = ready.model.register_forward_hook(lambda _, __, answer: answers.append(answer.logits[:, -1]))
    steps(session, 4)
    handle.remove()
    batch = ready.declared.inputs(ready.model, batch_size=2, length=10, seed=0)
    with torch.inference_mode():
        whole = ready.declared.logits(ready.model, batch)[:, -1]
    assert len(answers) == 4
    for answer in answers:
        torch.testing.assert_close(answer, whole, rtol=1e-4, atol=1e-4)


def test_the_cache_is_as_long_as_the_context_between_steps() -> None:
    session: Any = WORKLOAD.prepare(bench(Llama()))
    for _ in range(3):
        assert session.cache.get_seq_length() == 9
        steps(session)


def test_facts_say_what_was_computed() -> None:
    assert steps(WORKLOAD.prepare(bench(Llama()))) == ["tpot"]
    for implementation, tokens in (("off", 10), ("dynamic", 1)):
        session = WORKLOAD.prepare(bench(Llama(), (KvCache.model_validate({"implementation": implementation}),)))
        steps(session)
        assert session.facts()["tokens_computed"] == tokens
