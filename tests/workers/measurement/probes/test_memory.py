"""The memory instruments against allocations of known size."""

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.workers.measurement.drivers import Driver, NVMLError, process
from workers.catalog.technique import Technique
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.nf4 import Nf4
from workers.measurement.messages import Reading
from workers.measurement.probes import memory

MIB = 1 << 20
CPU = torch.device("cpu")


def test_held_bytes_rise_by_a_new_tensor_and_views_are_free() -> None:
    before = sum(memory.held(CPU).values())
    tensor = torch.zeros(3 * MIB, dtype=torch.uint8)
    views = [tensor[10:], tensor.view(3, MIB)]
    assert sum(memory.held(CPU).values()) - before == 3 * MIB
    del tensor, views
    assert sum(memory.held(CPU).values()) == before


RISE_AND_FALL = f"""
import torch
from workers.measurement.probes import memory
memory.reset_host_peak()
before = memory.host_peak()
block = torch.ones({64 * MIB}, dtype=torch.uint8)
del block
risen = memory.host_peak()
memory.reset_host_peak()
print(before, risen, memory.host_peak())
"""


def test_the_host_peak_sees_what_is_gone_again_and_forgets_at_a_reset() -> None:
    """In a process of its own: the kernel may take pages from one that has grown old at any time."""
    said = subprocess.run([sys.executable, "-c", RISE_AND_FALL], capture_output=True, text=True, check=True)
    before, risen, after = map(int, said.stdout.split())
    assert 60 * MIB < risen - before < 80 * MIB
    assert after < risen - 50 * MIB


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


class Stack(nn.Module):
    """One linear layer before the one that gives the scores, which techniques leave alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(512, 256, bias=False)
        self.scores = nn.Linear(256, 16, bias=False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.scores(self.inner(batch))
        return answer


SCORES = 256 * 16 * 4


def quantised(technique: Technique) -> tuple[nn.Module, Any]:
    """A model, and its one weight that the technique quantises."""
    model = technique.transform(Stack())
    return model, model.get_submodule("inner").weight


@pytest.mark.parametrize("double", [False, True])
def test_scales_of_4_bit_weights_count(double: bool) -> None:
    model, weight = quantised(Nf4(double_quantization=double))
    packed = 512 * 256 // 2
    state = weight.quant_state
    tensors = [state.absmax, state.code]
    if double:
        tensors += [state.offset, state.state2.absmax, state.state2.code]
    beside = sum(memory.storages(tensors).values())
    # One scale for 64 weights, of one byte at least.
    assert beside >= 512 * 256 // 64
    assert memory.weights_bytes(model) == packed + beside + SCORES


def test_scales_of_8_bit_weights_count_before_the_first_call_and_after() -> None:
    model, _ = quantised(LlmInt8())
    expected = 512 * 256 + 256 * 4 + SCORES
    assert memory.weights_bytes(model) == expected
    model(torch.ones(2, 512))
    assert memory.weights_bytes(model) == expected


def test_reading_the_size_of_repacked_weights_leaves_them_repacked(monkeypatch: pytest.MonkeyPatch) -> None:
    model, weight = quantised(Nf4())
    # As bitsandbytes' kernel for processors with AVX512-BF16 leaves them.
    monkeypatch.setattr(weight.quant_state, "packing_format_for_cpu", True, raising=False)
    before = weight.data_ptr()
    assert memory.size(model).value == memory.weights_bytes(model)
    assert weight.quant_state.packing_format_for_cpu
    assert weight.data_ptr() == before


def test_buffers_that_are_not_saved_take_memory_and_no_room_in_a_file() -> None:
    model = nn.Linear(10, 10, bias=False)
    model.register_buffer("kept", torch.zeros(10))
    model.register_buffer("made_again", torch.zeros(100), persistent=False)
    assert memory.weights_bytes(model) == 400 + 40 + 400
    assert memory.size(model).value == 400 + 40


def test_what_lies_outside_of_torch_is_never_negative_in_silence() -> None:
    assert memory.outside("step", 300, 100) == Reading(metric="memory.outside_torch", phase="step", value=200.0)
    said = memory.outside("step", 100, 300)
    assert isinstance(said, str)
    assert "300 bytes" in said
    assert "only 100 were resident" in said


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A driver, and torch as if its GPU were here: 100 bytes in use before a phase, 300 at its peak, 400 reserved."""
    counted = {"memory_allocated": 100, "max_memory_allocated": 300, "max_memory_reserved": 400, "memory_reserved": 400}
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda _: None)
    for name, value in counted.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1"))
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return driver


def of_a_phase() -> dict[str, float]:
    """What a phase on a GPU took, without the host's peak."""
    readings: list[Reading] = []
    with memory.phase("load", torch.device("cuda", 0), readings):
        pass
    found = {each.metric: each.value for each in readings}
    assert found.pop("memory.host_peak") > 0
    return found


ALLOCATOR = {
    "memory.peak_allocated": 300.0,
    "memory.activations": 200.0,
    "memory.peak_reserved": 400.0,
    "memory.fragmentation": 100.0,
}
DEVICE = {"memory.device": 3.0 * 2**30}


@pytest.mark.parametrize(
    ("told", "own"),
    [
        (1_000, {"memory.process": 1_000.0, "memory.outside_torch": 600.0}),
        (399, {"memory.process": 399.0}),
        (0, {"memory.process": 0.0}),
        (None, {}),
    ],
)
def test_the_driver_tells_of_this_process_and_the_whole_device(
    driver: Driver, told: int | None, own: dict[str, float]
) -> None:
    driver.answers["nvmlDeviceGetComputeRunningProcesses"] = [process(os.getpid(), told), process(2**22 + 1, 7)]
    assert of_a_phase() == ALLOCATOR | DEVICE | own


def test_a_process_that_the_driver_does_not_list_has_no_bytes_of_its_own(driver: Driver) -> None:
    driver.answers["nvmlDeviceGetComputeRunningProcesses"] = [process(2**22 + 1, 7)]
    assert of_a_phase() == ALLOCATOR | DEVICE
    driver.answers["nvmlDeviceGetMemoryInfo"] = NVMLError("Not Supported")
    assert of_a_phase() == ALLOCATOR


def test_without_the_drivers_library_the_allocator_still_tells(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.answers["nvmlInit"] = NVMLError("Driver Not Loaded")
    assert of_a_phase() == ALLOCATOR
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert of_a_phase() == ALLOCATOR
