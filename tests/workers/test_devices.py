"""Devices come from the driver's library where there is one, and are the CPU where there is none."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pynvml
import pytest

from workers import devices


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists two GPUs."""
    names = ["NVIDIA H200", b"NVIDIA GeForce RTX 3070"]
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: f"GPU-{handle}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: names[handle])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda handle: SimpleNamespace(total=8 * 10**9))


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_found_by_the_driver() -> None:
    found = devices.find()
    assert [(d.kind, d.index, d.name) for d in found] == [
        ("cuda", 0, "NVIDIA H200"),
        ("cuda", 1, "NVIDIA GeForce RTX 3070"),
    ]
    assert found[1].key.endswith("/GPU-1")
    assert devices.named("cuda") == found[0]
    assert devices.named("cuda:1") == found[1]
    assert devices.named("cpu").kind == "cpu"
    assert [devices.label(d) for d in found] == ["cuda:0", "cuda:1"]
    assert devices.visible(found[1])["CUDA_VISIBLE_DEVICES"] == "GPU-1"


@pytest.mark.usefixtures("no_driver")
def test_without_a_driver_there_is_the_cpu() -> None:
    (found,) = devices.find()
    assert found.kind == "cpu"
    assert found.memory_bytes > 10**8
    assert devices.visible(found) == {"CUDA_VISIBLE_DEVICES": ""}
    with pytest.raises(LookupError, match=r"no device 'cuda:0'; it has cpu"):
        devices.named("cuda:0")


def test_they_are_printed_without_torch() -> None:
    done = subprocess.run([sys.executable, "-m", "workers.devices"], capture_output=True, check=True, text=True)
    listed = json.loads(done.stdout)
    assert {"device", "key", "kind", "index", "name", "memory_bytes"} <= set(listed[0])


@pytest.mark.gpu
@pytest.mark.skipif(not devices.gpus(), reason="this machine has no NVIDIA GPU")
def test_a_real_gpu_has_a_uuid_and_memory() -> None:
    gpu = devices.gpus()[0]
    assert gpu.key.rpartition("/")[2].startswith("GPU-")
    assert gpu.memory_bytes > 10**9
