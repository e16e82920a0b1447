"""Bytes of single operators and of small steps against what their shapes say."""

import torch
from torch import nn
from torch.nn import functional

from tests.workers.catalog.observed import bench
from workers.catalog.models.llama import Llama
from workers.catalog.workload import Mark
from workers.catalog.workloads.generate import Generate
from workers.measurement.probes import work

F = 4
"""Bytes of a float32."""


def test_a_product_reads_both_factors_and_writes_its_result() -> None:
    a, b = torch.ones(8, 16), torch.ones(16, 4)
    with torch.inference_mode():
        done = work.count(lambda _: a @ b).step
    assert done.traffic == F * (8 * 16 + 16 * 4 + 8 * 4)
    assert done.compulsory == done.traffic
    assert [operator.kept for operator in done.operators] == [F * (8 * 16 + 16 * 4)]


def test_what_the_step_makes_itself_is_no_compulsory_traffic() -> None:
    a = torch.ones(1_000)
    with torch.inference_mode():
        done = work.count(lambda _: a.add(1).mul(2)).step
    assert done.traffic == F * 4_000
    assert done.compulsory == F * 2_000
    assert [operator.kept for operator in done.operators] == [F * 1_000, 0]


def test_views_move_nothing_but_are_called() -> None:
    a = torch.ones(8, 16)
    with torch.inference_mode():
        done = work.count(lambda _: a.t().reshape(4, 32).unsqueeze(0)[:, 1:]).step
    copied = work.count(lambda _: a.t().contiguous()).step
    assert done.traffic == copied.traffic == 2 * F * 8 * 16
    assert done.calls > len(done.operators)


def test_expanded_axes_lie_in_memory_once() -> None:
    a, b = torch.ones(1, 16).expand(8, 16), torch.ones(8, 16)
    with torch.inference_mode():
        assert work.count(lambda _: a + b).step.traffic == F * (16 + 2 * 8 * 16)


def test_an_embedding_reads_the_rows_it_returns() -> None:
    table, rows = torch.ones(1_000, 8), torch.tensor([1, 2, 3])
    with torch.inference_mode():
        assert work.count(lambda _: functional.embedding(rows, table)).step.traffic == 2 * F * 3 * 8 + 3 * 8


def test_a_change_in_place_reads_and_writes_and_an_overwriting_one_only_writes() -> None:
    a = torch.ones(100)
    with torch.inference_mode():
        changed = work.count(lambda _: a.add_(1)).step
        assert changed.traffic == changed.compulsory == 2 * F * 100
        assert work.count(lambda _: a.zero_()).step.traffic == F * 100
        assert work.count(lambda _: a.copy_(torch.ones(()).expand(100))).step.operators[-1].bytes == F + F * 100


def test_lists_that_an_operator_changes_count_although_it_returns_nothing() -> None:
    parameters, steps = [torch.ones(10), torch.ones(20)], [torch.ones(10), torch.ones(20)]
    with torch.inference_mode():
        done = work.count(lambda _: torch._foreach_add_(parameters, steps)).step
    assert done.traffic == 3 * F * 30


def test_weights_used_twice_are_compulsory_once() -> None:
    weight, a = torch.ones(64, 64), torch.ones(1, 64)
    with torch.inference_mode():
        done = work.count(lambda _: a @ weight @ weight).step
    assert done.compulsory == F * (64 + 64 * 64 + 64)
    assert done.traffic == F * 2 * (64 + 64 * 64 + 64)


def test_an_address_that_is_given_to_another_tensor_is_not_the_old_one() -> None:
    held = {"old": torch.ones(4, 256)}

    def step(_: Mark) -> None:
        twice = held.pop("old") * 2
        # As large as what is gone: an allocator gives it the same address.
        held["new"] = torch.empty(4, 256).copy_(twice) + 1
        held["old"] = held.pop("new")

    found = {work.count(step).step.compulsory for _ in range(20)}
    assert found == {F * 2 * 4 * 256}


def test_weights_are_read_again_for_every_token() -> None:
    ready = bench(Llama())
    weights = sum(each.numel() * each.element_size() for each in ready.model.parameters())
    session = Generate(prompt_length=4, new_tokens=5).prepare(ready)
    first, second = work.count(session.step), work.count(session.step)
    token = first.parts["tpot"].compulsory / 4
    # Of the embedding a row is read alone, and keys and values are read besides.
    assert 0.4 * weights < token < 1.2 * weights
    assert first.step.compulsory == sum(part.compulsory for part in first.parts.values())
    assert second.step.compulsory == first.step.compulsory


def test_parts_add_up_to_the_step() -> None:
    layer, a = nn.Linear(16, 8), torch.ones(4, 16)

    def step(mark: Mark) -> None:
        for _ in range(2):
            loss = layer(a).sum()
            mark("forward")
            loss.backward()
            mark("backward")

    done = work.count(step)
    assert set(done.parts) == {"forward", "backward"}
    assert sum(part.traffic for part in done.parts.values()) == done.step.traffic
    assert sum(part.flops or 0 for part in done.parts.values()) == done.flops
    assert done.parts["forward"].flops == 2 * 2 * 4 * 16 * 8
    assert sum(part.calls for part in done.parts.values()) == done.step.calls


def test_formats_of_the_operations() -> None:
    layer = nn.Linear(64, 32).to(torch.bfloat16)
    a = torch.ones(8, 64, dtype=torch.bfloat16)
    with torch.inference_mode():
        assert work.count(lambda _: layer(a)).step.by_format == {"bfloat16": 2 * 8 * 64 * 32}
