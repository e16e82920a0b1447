"""The memory instruments against allocations of known size."""

from collections.abc import Callable

import torch
from torch import nn

from workers.measurement.probes import memory
from workers.measurement.probes.memory import Change, Peak

MIB = 1 << 20
CPU = torch.device("cpu")


def test_peaks_of_a_step_and_of_its_parts() -> None:
    events = [
        Change(1, 100),
        Change(2, 50),
        Change(3, 0, "forward"),
        Change(4, 70),
        Change(5, -50),
        Change(6, -70),
        Change(7, 0, "backward"),
        Change(8, -100),
        Change(9, 20),
        Change(10, 0, "optimizer"),
    ]
    assert memory.peaks(events, "step") == [
        Peak("step", 220, 220),
        Peak("forward", 150, 150),
        Peak("backward", 220, 70),
        Peak("optimizer", 100, 0),
    ]


def test_a_part_that_comes_twice_counts_with_its_higher_peak() -> None:
    events = [Change(1, 10), Change(2, 0, "forward"), Change(3, 30), Change(4, -40), Change(5, 0, "forward")]
    assert memory.peaks(events, "step")[1] == Peak("forward", 40, 30)


def test_a_profiled_step_shows_what_it_allocates() -> None:
    def step(mark: Callable[[str], None]) -> None:
        first = torch.zeros(4 * MIB, dtype=torch.uint8)
        mark("one")
        second = torch.zeros(8 * MIB, dtype=torch.uint8)
        del first, second
        mark("two")

    recorded = memory.profiled(CPU, step)
    found = {(each.metric, each.phase): each.value for each in memory.step_readings(recorded, "step", 1_000)}
    assert found["memory.peak_allocated", "step"] == 1_000 + 12 * MIB
    assert found["memory.activations", "step"] == 12 * MIB
    assert found["memory.activations", "one"] == 4 * MIB
    assert found["memory.activations", "two"] == 8 * MIB


def test_what_a_step_keeps_for_its_backward_pass_is_its_activations() -> None:
    model = nn.Sequential(*(nn.Linear(256, 256, bias=False) for _ in range(8)))
    batch = torch.ones(1_024, 256)

    def step(mark: Callable[[str], None]) -> None:
        loss = model(batch).sum()
        mark("forward")
        loss.backward()
        model.zero_grad()
        mark("backward")

    step(lambda _: None)
    found = {
        (each.metric, each.phase): each.value for each in memory.step_readings(memory.profiled(CPU, step), "step", 0)
    }
    assert 8 * MIB <= found["memory.activations", "forward"] <= 9 * MIB
    assert found["memory.activations", "step"] > found["memory.activations", "forward"]


def test_held_bytes_rise_by_a_new_tensor_and_views_are_free() -> None:
    before = memory.held_bytes(CPU)
    tensor = torch.zeros(3 * MIB, dtype=torch.uint8)
    views = [tensor[10:], tensor.view(3, MIB)]
    assert memory.held_bytes(CPU) - before == 3 * MIB
    del tensor, views
    assert memory.held_bytes(CPU) == before


def test_the_host_peak_sees_what_is_gone_again_and_forgets_at_a_reset() -> None:
    memory.reset_host_peak()
    before = memory.host_peak()
    block = torch.ones(64 * MIB, dtype=torch.uint8)
    del block
    risen = memory.host_peak()
    assert 60 * MIB < risen - before < 80 * MIB
    memory.reset_host_peak()
    assert memory.host_peak() < risen - 50 * MIB


def test_shared_weights_count_once() -> None:
    first, second = nn.Linear(100, 100, bias=False), nn.Linear(100, 100, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    assert memory.weights_bytes(model) == 40_000
    assert memory.size(model).value == 40_000


def test_quantised_weights_count_what_is_inside_them() -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    model = nn.Sequential(nn.Linear(512, 512, bias=False))
    quantize_(model, Int8WeightOnlyConfig(set_inductor_config=False))
    # One byte a weight, and one scale of four bytes for each of the 512 rows.
    assert 512 * 512 + 512 <= memory.weights_bytes(model) <= 512 * 512 + 512 * 8
