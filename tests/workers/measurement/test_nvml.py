"""What the driver's library says becomes fields and words; what it does not say is absent."""

import sys
from types import SimpleNamespace

import pytest

from tests.workers.measurement.drivers import HANDLE, Driver, NVMLError, process
from workers.measurement import nvml
from workers.measurement.nvml import Gpu


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    return driver


def opened() -> Gpu:
    gpu = nvml.by_uuid("GPU-1")
    assert isinstance(gpu, Gpu)
    return gpu


def test_bits_become_words_and_unknown_ones_stay_visible() -> None:
    assert nvml.words(0) == ()
    assert nvml.words(0x4 | 0x40) == ("power cap", "hardware thermal slowdown")
    assert nvml.words(0x1000 | 0x1) == ("idle", "0x1000")


def test_a_look_says_how_the_gpu_fares(driver: Driver) -> None:
    driver.answers |= {
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0x20,
        "nvmlDeviceGetViolationStatus": lambda handle, policy: SimpleNamespace(violationTime=policy * 2_000_000_000),
        "nvmlDeviceGetComputeRunningProcesses": [process(7, 2**20), process(8, None)],
    }
    seen = opened().look()
    assert (seen.sm_clock_hz, seen.memory_clock_hz, seen.temperature_c) == (1_980_000_000, 2_619_000_000, 41)
    assert seen.power_w == 300.0
    assert seen.reasons == ("software thermal slowdown",)
    assert seen.held_back_s == {"power cap": 0.0, "heat": 2.0}
    assert seen.processes == {7: 2**20, 8: None}


def test_bytes_of_a_process_are_the_larger_of_what_is_told_and_nothing_told_is_not_0(driver: Driver) -> None:
    driver.answers |= {
        "nvmlDeviceGetComputeRunningProcesses": [process(7, None), process(8, 0), process(9, 5)],
        "nvmlDeviceGetGraphicsRunningProcesses": [process(7, 2**20), process(9, 3), process(10, None)],
    }
    assert opened().processes() == {7: 2**20, 8: 0, 9: 5, 10: None}
    assert opened().used_bytes() == 3 * 2**30
    driver.answers["nvmlDeviceGetMemoryInfo"] = NVMLError("Not Supported")
    assert opened().used_bytes() is None


def test_what_a_gpu_does_not_tell_is_none(driver: Driver) -> None:
    driver.answers |= dict.fromkeys(
        ("nvmlDeviceGetClockInfo", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetTotalEnergyConsumption"), NVMLError("no")
    )
    gpu = opened()
    assert (gpu.look().sm_clock_hz, gpu.power_w(), gpu.joules()) == (None, None, None)
    fields = gpu.fields()
    assert fields["gpu.driver"] == "570.86.15"
    assert fields["gpu.power_cap_w"] == 700.0
    assert fields["gpu.vbios"] is None


def test_a_driver_that_is_not_there_is_a_sentence(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.answers["nvmlInit"] = NVMLError("Driver Not Loaded")
    assert nvml.visible(0) == "the NVIDIA driver's library answers: Driver Not Loaded"
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.visible(0) == "the package nvidia-ml-py is missing"


def test_a_gpu_is_found_by_the_id_a_worker_makes_visible(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def found(uuid: bytes) -> object:
        asked.append(uuid)
        return HANDLE

    driver.answers["nvmlDeviceGetHandleByUUID"] = found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5, GPU-6")
    assert isinstance(nvml.visible(1), Gpu)
    assert asked == [b"GPU-6"]
    assert nvml.visible(2) == "CUDA_VISIBLE_DEVICES does not list a device 2"


def test_a_number_among_several_gpus_means_one_only_in_the_buss_order(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.answers["nvmlDeviceGetCount"] = 2
    assert "several GPUs" in str(nvml.visible(0))
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert isinstance(nvml.visible(0), Gpu)
