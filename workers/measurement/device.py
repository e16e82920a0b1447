"""What the measuring process sees of its device, and the work of waiting for it."""

from pathlib import Path

import torch

from workers.catalog.spec import RunSpec
from workers.catalog.technique import DeviceFacts


def name(spec: RunSpec) -> str:
    """The device as torch calls it: ``cpu``, ``cuda:0``."""
    return "cpu" if spec.device == "cpu" else f"cuda:{spec.device_index}"


def facts(spec: RunSpec) -> DeviceFacts:
    """What a technique may want to know before it agrees to run."""
    if spec.device == "cuda":
        properties = torch.cuda.get_device_properties(spec.device_index)
        return DeviceFacts("cuda", properties.name, (properties.major, properties.minor))
    model, flags = processor()
    return DeviceFacts("cpu", model, cpu_flags=flags)


def processor() -> tuple[str, frozenset[str]]:
    """Name and instruction-set flags of this machine's processor, as the kernel lists them."""
    import platform

    fields: dict[str, str] = {}
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            fields[key.strip().lower()] = value.strip()
    flags = frozenset((fields.get("flags") or fields.get("features") or "").split())
    return fields.get("model name") or platform.processor() or platform.machine(), flags


def wait(device: str) -> None:
    """Until the device has done all it was told to."""
    if device != "cpu":
        torch.cuda.synchronize(device)
