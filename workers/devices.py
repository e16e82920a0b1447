"""Finds what this machine can measure on: its NVIDIA GPUs by their driver's library, else its CPU. Needs no torch.

``python -m workers.devices`` prints them as JSON.
"""

import json
import platform
import socket
import sys
from pathlib import Path

import psutil
import pynvml

from workers.catalog.lease import Device
from workers.catalog.technique import DeviceKind
from workers.settings import BadSettings, read_settings


def find() -> list[Device]:
    """The devices of this machine that a worker serves unless told otherwise: each GPU, or the CPU where there is none."""
    return gpus() or [cpu()]


def named(name: str) -> Device:
    """The device called ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        LookupError: This machine has no such device; the message names those it has.
    """
    known = {"cpu": cpu()} | {f"cuda:{gpu.index}": gpu for gpu in gpus()}
    device = known.get("cuda:0" if name == "cuda" else name)
    if device is None:
        raise LookupError(f"this machine has no device {name!r}; it has {', '.join(known)}")
    return device


def label(device: Device) -> str:
    """What a person calls the device: the name that ``named`` takes."""
    return "cpu" if device.kind == "cpu" else f"{device.kind}:{device.index}"


def visible(device: Device) -> dict[str, str]:
    """The environment in which a program sees this device alone, as the first of its kind."""
    if device.kind == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {"CUDA_VISIBLE_DEVICES": device.key.rpartition("/")[2], "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def cpu() -> Device:
    """This machine's processor and memory."""
    host = socket.gethostname()
    kind: DeviceKind = "cpu"
    return Device(key=f"{host}/cpu", kind=kind, name=_cpu_name(), memory_bytes=psutil.virtual_memory().total)


def gpus() -> list[Device]:
    """The NVIDIA GPUs that the driver lists, in its order; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _gpu(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Device(
        key=f"{socket.gethostname()}/{_text(pynvml.nvmlDeviceGetUUID(handle))}",
        kind="cuda",
        index=index,
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(handle).total,
    )


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names[0] if names else platform.processor() or platform.machine())[:200] or "CPU"


def main() -> None:
    """Print the devices of this machine, for who is about to start a worker for each; settings no worker could use end it."""
    try:
        read_settings()
    except BadSettings as error:
        sys.exit(str(error))
    print(json.dumps([{"device": label(device), **device.model_dump()} for device in find()]))


if __name__ == "__main__":
    main()
