"""What a stack would run on: capabilities, memory, and what is reached of bandwidth and peaks, measured or typical."""

from typing import Literal

from pydantic import Field

from app.devices.datasheets import Datasheet, Processor, datasheets, processors
from app.errors import Invalid
from app.frozen import Frozen
from app.planner.machines import FREE, FREE_HOST
from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Problem, closest
from workers.catalog.technique import DeviceKind

Basis = Literal["measured", "datasheet"]

BANDWIDTH_SHARE: dict[DeviceKind, float] = {"cuda": 0.85, "cpu": 0.7}
"""What is typically reached of the wire's rate: A100 1,700 of 2,039 GB/s (gpt-fast), H200 copy 4.3 of 4.8 TB/s; STREAM on
CPUs 67 to 79 %, 43 % on a Raspberry Pi 4."""
MATRIX_SHARE: dict[DeviceKind, float] = {"cuda": 0.8, "cpu": 0.6}
"""What matrix products typically reach of the peak: 78 to 87 % in bfloat16 on A100, H100 and B200, 71 to 76 % in FP8
(stas00/ml-engineering); on CPUs 0.56 of 0.9 TFLOP/s on AVX2, 28 of 82 with AMX (torch-performance-test-data)."""
FREE_SHARE: dict[DeviceKind, float] = {"cuda": FREE, "cpu": FREE_HOST}
"""What is free at best where nothing is said, as the planner has it."""


class Device(Frozen):
    """One device; several of them are alike."""

    name: str
    kind: DeviceKind
    generation: str
    """Architecture, as its maker calls it."""
    capability: tuple[int, int] | None = None
    """CUDA compute capability; None where there is none."""
    flags: tuple[str, ...] = ()
    """Instruction sets of a CPU, as Linux lists them."""
    memory: int = Field(gt=0)
    """Bytes."""
    bandwidth: float = Field(gt=0)
    """Bytes per second that are reached."""
    peaks: dict[str, float]
    """Operations per second that are reached, by the format of the factors, as torch names it."""
    basis: Basis
    """Whether bandwidth and peaks were measured on it."""
    link: float | None = None
    """Bytes per second, one way, to other devices of its kind."""
    url: str | None = None
    """Where the facts stand."""

    def computes(self, dtype: str) -> bool:
        """Whether it has units for products of a format, so that it need not go a way round."""
        need = CAPABILITY.get(dtype)
        if need is not None and self.capability is not None:
            return self.capability >= need
        if self.kind == "cpu" and dtype in FLAGS and (self.flags or self.basis == "datasheet"):
            return any(flag in self.flags for flag in FLAGS[dtype])
        # What was measured tells: a format that is no faster than float32 is emulated.
        return dtype in self.peaks and (dtype == "float32" or self.peaks[dtype] > EMULATED * self.peaks["float32"])

    def peak(self, dtype: str) -> float:
        """Operations per second with factors of a format; a format without units runs at the rate of float32."""
        if dtype in self.peaks and self.computes(dtype):
            return self.peaks[dtype]
        # A format that has units but no figure: twice the rate of the format twice as long, which is how all of them are built.
        if self.computes(dtype) and dtype in ("float8_e4m3fn", "int8") and "bfloat16" in self.peaks:
            return 2 * self.peaks["bfloat16"]
        return self.peaks["float32"]


EMULATED = 1.2
"""Times float32 up to which a short format counts as emulated: on T4 0.52, on V100 0.74, on Apple's GPUs 0.96 to 0.98, with
units of its own from 2 (torch-performance-test-data)."""
CAPABILITY: dict[str, tuple[int, int]] = {
    "float16": (7, 0), "tf32": (8, 0), "bfloat16": (8, 0), "int8": (7, 5), "float8_e4m3fn": (8, 9), "float4": (10, 0),
}  # fmt: skip
"""Compute capability from which on tensor cores take a format (CUDA C++ programming guide, arithmetic of tensor cores)."""
FLAGS: dict[str, tuple[str, ...]] = {
    "bfloat16": ("avx512_bf16", "amx_bf16", "bf16"),
    "float16": ("avx512_fp16", "amx_fp16", "asimdhp"),
    "int8": ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"),
}
"""Instruction sets that multiply a format, as Linux lists them."""


def of_title(title: str, memory: int | None = None) -> Device:
    """A device of the datasheets, with what is typically reached.

    Args:
        title: of a datasheet or processor.
        memory: bytes, for a processor whose machines differ, or for a variant.

    Raises:
        Invalid: there is none of this title, or it needs ``memory``; named with the choices.
    """
    known: list[Datasheet | Processor] = [*datasheets(), *processors()]
    found = next((one for one in known if one.title.casefold() == title.strip().casefold()), None)
    if found is None:
        near = closest(title, [one.title for one in known])
        meant = f" Did you mean {near!r}?" if near else ""
        choices = f"One of {', '.join(one.title for one in known)}."
        raise Invalid.of([Problem("device", "unknown_choice", f"{title[:80]!r} is not known here.{meant}", choices)])
    held = memory or found.memory
    if held is None:
        message = f"is missing, and machines with {found.title} differ."
        raise Invalid.of([Problem("memory", "missing", message, "Bytes of the machine's memory.")])
    is_cpu = isinstance(found, Processor)
    kind: DeviceKind = "cpu" if is_cpu else "cuda"
    return Device(
        name=found.title,
        kind=kind,
        generation=found.architecture,
        capability=None if isinstance(found, Processor) else found.capability,
        flags=found.flags if isinstance(found, Processor) else (),
        memory=held,
        bandwidth=BANDWIDTH_SHARE[kind] * found.bandwidth,
        peaks={dtype: MATRIX_SHARE[kind] * peak for dtype, peak in found.peaks.items()},
        basis="datasheet",
        link=None if isinstance(found, Processor) else found.link,
        url=found.sources[0].url,
    )


def of_ceilings(
    name: str, memory: int, ceilings: Ceilings, sheet: Datasheet | None = None, flags: tuple[str, ...] = ()
) -> Device:
    """A worker's device, as its ceilings were measured; what was not measured is the datasheet's.

    Args:
        name: as its driver calls it.
        memory: bytes.
        ceilings: of the device; with at least one bandwidth and a product in float32.
        sheet: its datasheet, where it has one.
        flags: instruction sets of a CPU.

    Raises:
        Invalid: the ceilings have no bandwidth or no product in float32, and no datasheet stands in.
    """
    kind = ceilings.device
    dtypes = {each.dtype for each in ceilings.products}
    peaks = {} if sheet is None else {dtype: MATRIX_SHARE[kind] * peak for dtype, peak in sheet.peaks.items()}
    peaks |= {dtype: found for dtype in dtypes if (found := ceilings.peak(dtype)) is not None}
    largest = max((each.working_set for each in ceilings.bandwidths), default=0)
    bandwidth = ceilings.bandwidth(largest) or (BANDWIDTH_SHARE[kind] * sheet.bandwidth if sheet else None)
    if bandwidth is None or "float32" not in peaks:
        raise Invalid.of(
            [Problem("device", "not_measured", f"{name} has no measured bandwidth or products.", "Measure its ceilings first.")]
        )  # fmt: skip
    return Device(
        name=name,
        kind=kind,
        generation=sheet.architecture if sheet else ceilings.name,
        capability=sheet.capability if sheet else None,
        flags=flags,
        memory=memory,
        bandwidth=bandwidth,
        peaks=peaks,
        basis="measured",
        link=sheet.link if sheet else None,
    )
