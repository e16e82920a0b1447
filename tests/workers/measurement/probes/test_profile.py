"""One real step under torch's profiler: kernels by time, a trace that opens, and what is too large left out."""

import base64
import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]

from workers.catalog.workload import Mark, Session
from workers.measurement.probes import profile

CPU = torch.device("cpu")


class Products(Session):
    def __init__(self) -> None:
        self.undone = 0

    def step(self, mark: Mark) -> None:
        (torch.ones(64, 64) @ torch.ones(64, 64)).sum()

    def between(self) -> None:
        self.undone += 1


def test_a_step_brings_its_operators_and_a_trace_that_opens(tmp_path: Path) -> None:
    session = Products()
    found = profile.step(session, CPU, "variant", tmp_path / "trace.json")
    assert session.undone == 1
    assert {"aten::mm", "aten::sum"} <= {kernel.name for kernel in found.kernels}
    assert [kernel.seconds for kernel in found.kernels] == sorted((k.seconds for k in found.kernels), reverse=True)
    assert found.note is None
    assert found.trace is not None
    assert (found.trace.name, found.trace.arm) == ("trace.json", "variant")
    events = json.loads(gzip.decompress(base64.b64decode(found.trace.data)))["traceEvents"]
    assert any(event.get("name") == "aten::mm" for event in events)
    assert list(tmp_path.iterdir()) == []


def test_a_trace_that_is_too_large_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MOST_TRACE", 100)
    found = profile.step(Products(), CPU, "baseline", tmp_path / "trace.json")
    assert found.trace is None
    assert found.note is not None
    assert "baseline" in found.note
    assert found.kernels


def test_what_lies_beyond_the_longest_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MOST_KERNELS", 2)

    def average(key: str, kind: object, own: float, calls: int) -> SimpleNamespace:
        return SimpleNamespace(
            key=key, device_type=kind, self_cpu_time_total=own, self_device_time_total=own, count=calls
        )

    averages = [
        average("a", DeviceType.CPU, 5e6, 1),
        average("k" * 600, DeviceType.CUDA, 9e6, 2),
        average("b", DeviceType.CPU, 1e6, 3),
        average("c", DeviceType.CPU, 2e6, 4),
        average("d", DeviceType.CUDA, 3e6, 5),
    ]
    found = profile.listed(averages, "variant")
    assert [(kernel.name[:3], kernel.device, kernel.calls) for kernel in found] == [
        ("kkk", "cuda", 2),
        ("a", "cpu", 1),
        ("oth", "cpu", 7),
        ("oth", "cuda", 5),
    ]
    assert found[2].name == "other (2)"
    assert found[2].seconds == pytest.approx(3.0)
    assert len(found[0].name) == 500
