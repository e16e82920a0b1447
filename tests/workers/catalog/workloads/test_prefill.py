"""Prefill: the whole prompt is read, one position scored."""

from typing import Any

from tests.workers.catalog.observed import bench, steps
from workers.catalog.models.llama import Llama
from workers.catalog.workloads.prefill import Prefill


def test_it_reads_the_prompt_and_scores_one_token() -> None:
    ready = bench(Llama())
    shapes: list[Any] = []
    handle = ready.model.register_forward_hook(lambda _, __, answer: shapes.append(tuple(answer.logits.shape)))
    workload = Prefill(batch_size=2, sequence_length=12)
    assert steps(workload.prepare(ready), 2) == []
    handle.remove()
    assert shapes == [(2, 1, 4_096)] * 2
    assert (workload.main_phase, workload.tokens, workload.samples) == ("prefill", 24, 2)
