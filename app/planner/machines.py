"""Devices as planner and guide see them: those with a datasheet, processors, and the team's own with what was measured on them.

A datasheet's rates are what its maker says; ``reads`` and ``peak`` are what programs reach of them. What was measured on a device
is reached.
"""

import re
from collections.abc import Sequence
from functools import cache

from pydantic import Field

from app.devices.datasheets import Datasheet, Processor, datasheets, processors
from app.devices.hardware import ShownHardware
from app.errors import Invalid
from app.frozen import Frozen
from app.planner.calibration import Calibration
from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Problem, closest
from workers.catalog.technique import DeviceKind

FREE_SHARE: dict[DeviceKind, float] = {"cuda": 0.95, "cpu": 0.8}
"""Share of memory that is free at best: 7.6 to 7.9 of the 8 GiB of an RTX 4060, of which driver and desktop keep the rest; of a
computer's own, without the system and programs that come with it."""
INLINE_ECC = 1 / 16
"""Share of memory that error correction keeps where it has no memory of its own: an L4 has 22.5 of 24 GiB left, an L40S 45 of 48 (of
which 44.5 are seen), a T4 15 of 16 (of which 14.6 are)."""
BANDWIDTH_SHARE: dict[DeviceKind, float] = {"cuda": 0.85, "cpu": 0.7}
"""What is typically reached of the wire's rate: A100 1,700 of 2,039 GB/s (gpt-fast), H200 copy 4.3 of 4.8 TB/s; STREAM on
CPUs 67 to 79 %, 43 % on a Raspberry Pi 4."""
MATRIX_SHARE: dict[DeviceKind, float] = {"cuda": 0.8, "cpu": 0.6}
"""What matrix products typically reach of the peak: 78 to 87 % in bfloat16 on A100, H100 and B200, 71 to 76 % in FP8
(stas00/ml-engineering); on CPUs 0.56 of 0.9 TFLOP/s on AVX2, 28 of 82 with AMX (torch-performance-test-data)."""
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
ALIKE = 1.25
"""Times by which ceilings of one machine may differ when they are measured again; a judgement."""
MAKERS_WORDS = frozenset({"nvidia", "geforce", "tesla", "amd", "instinct", "intel"})
SIZE = re.compile(r"(.+?)[ ,]+(\d+) ?gi?b")


class Machine(Frozen):
    """One device; several of them are alike."""

    title: str
    kind: DeviceKind
    generation: str
    """Architecture, as its maker calls it."""
    capability: tuple[int, int] | None = None
    """CUDA compute capability; None where there is none."""
    flags: tuple[str, ...] = ()
    """Instruction sets of a CPU, as Linux lists them."""
    memory: int = Field(gt=0)
    """Bytes it has."""
    inline_ecc: bool = False
    """Whether error correction takes its part of them."""
    bandwidth: float = Field(gt=0)
    """Bytes per second of its memory."""
    peaks: dict[str, float]
    """Operations per second by the format of the factors, as torch names it."""
    measured: bool
    """Whether bandwidth and peaks were measured on it, and are not its maker's."""
    link: float | None = None
    """Bytes per second, one way, to other devices of its kind."""
    calibrations: dict[str, Calibration] = {}
    """What was learnt of decoding on it, by the format that is computed in."""
    url: str | None = None
    """Its page; None for one that nobody here has."""

    @property
    def gpu(self) -> bool:
        """Whether it is one."""
        return self.kind == "cuda"

    @property
    def free(self) -> float:
        """Bytes of its memory that can be counted on."""
        return FREE_SHARE[self.kind] * self.memory * (1 - INLINE_ECC if self.inline_ecc else 1.0)

    @property
    def reads(self) -> float:
        """Bytes per second that are typically reached."""
        return self.bandwidth * (1.0 if self.measured else BANDWIDTH_SHARE[self.kind])

    def peak(self, dtype: str) -> float:
        """Operations per second that products reach with factors of a format; without units, at most at that of float32."""
        share = 1.0 if self.measured else MATRIX_SHARE[self.kind]
        if dtype in self.peaks and self.computes(dtype):
            return share * self.peaks[dtype]
        # A format that has units but no figure: twice the rate of the format twice as long, which is how all of them are built.
        if self.computes(dtype) and dtype in ("float8_e4m3fn", "int8") and "bfloat16" in self.peaks:
            return share * 2 * self.peaks["bfloat16"]
        # It goes a way round, at best as fast as float32; where that was measured, as fast as it was.
        emulated = self.peaks.get(dtype, self.peaks["float32"]) if self.measured else self.peaks["float32"]
        return share * min(self.peaks["float32"], emulated)

    def alike(self, other: "Machine") -> bool:
        """Whether it may be the same as another: processors of virtual machines share a name, and not what they are given."""
        rates = [(self.reads, other.reads), (self.peak("float32"), other.peak("float32"))]
        near = all(max(pair) <= ALIKE * min(pair) for pair in rates)
        return self.title == other.title and near and all(self.computes(each) == other.computes(each) for each in FLAGS)

    def computes(self, dtype: str) -> bool:
        """Whether it has units for products of a format, so that it need not go a way round."""
        need = CAPABILITY.get(dtype)
        if need is not None and self.capability is not None:
            return self.capability >= need
        if self.kind == "cpu" and dtype in FLAGS and (self.flags or not self.measured):
            return any(flag in self.flags for flag in FLAGS[dtype])
        # What was measured tells: a format that is no faster than float32 is emulated.
        return dtype in self.peaks and (dtype == "float32" or self.peaks[dtype] > EMULATED * self.peaks["float32"])


def of_sheet(sheet: Datasheet) -> Machine:
    """A GPU as its maker describes it."""
    return Machine(
        title=sheet.title, kind="cuda", generation=sheet.architecture, capability=sheet.capability, memory=sheet.memory,
        inline_ecc=sheet.inline_ecc, bandwidth=sheet.bandwidth, peaks=sheet.peaks, measured=False, link=sheet.link,
    )  # fmt: skip


def of_processor(processor: Processor, memory: int | None = None) -> Machine | None:
    """A computer with a processor; None where machines of its class differ in memory and none is given.

    Args:
        processor: as it is described.
        memory: bytes.
    """
    held = memory or processor.memory
    if held is None:
        return None
    return Machine(
        title=processor.title, kind="cpu", generation=processor.architecture, flags=processor.flags, memory=held,
        bandwidth=processor.bandwidth, peaks=processor.peaks, measured=False,
    )  # fmt: skip


def of_title(title: str, memory: int | None = None, own: Sequence[Machine] = ()) -> Machine:
    """A device of the team's or of the datasheets, by its title with or without its maker's words and its memory.

    Args:
        title: of a device, a datasheet or a processor.
        memory: bytes, for a processor whose machines differ.
        own: the team's devices, which come first.

    Raises:
        Invalid: there is none of this title, or it needs ``memory``; named with the choices.
    """
    found = machine(title, own)
    if found is not None:
        return found
    differing = next((one for one in processors() if one.memory is None and short(one.title) == short(title)), None)
    if differing is None:
        every = {short(one): one for one in (*(each.title for each in own), *titles())}
        near = closest(short(title), every)
        meant = f" Did you mean {every[near]!r}?" if near else ""
        raise Invalid.of(
            [Problem("device", "unknown_choice", f"{title[:80]!r} is not known here.{meant}", f"One of {', '.join(every.values())}.")]
        )  # fmt: skip
    placed = of_processor(differing, memory)
    if placed is None:
        said = f"is missing, and machines with {differing.title} differ."
        raise Invalid.of([Problem("memory", "missing", said, "Bytes of the machine's memory.")])
    return placed


def of_ceilings(
    title: str,
    memory: int,
    ceilings: Ceilings,
    sheet: Datasheet | None = None,
    flags: tuple[str, ...] = (),
    calibrations: dict[str, Calibration] | None = None,
    url: str | None = None,
) -> Machine:
    """A worker's device, as its ceilings were measured; what was not measured is what is typically reached of its datasheet.

    Args:
        title: as its driver calls it.
        memory: bytes.
        ceilings: of the device; with at least one bandwidth and a product in float32.
        sheet: its datasheet, where it has one.
        flags: instruction sets of a CPU.
        calibrations: of decoding, by the format that is computed in.
        url: its page.

    Raises:
        Invalid: the ceilings have no bandwidth or no product in float32, and no datasheet stands in.
    """
    kind = ceilings.device
    peaks = {} if sheet is None else {dtype: MATRIX_SHARE[kind] * peak for dtype, peak in sheet.peaks.items()}
    dtypes = {each.dtype for each in ceilings.products}
    peaks |= {dtype: found for dtype in dtypes if (found := ceilings.peak(dtype)) is not None}
    largest = max((each.working_set for each in ceilings.bandwidths), default=0)
    bandwidth = ceilings.bandwidth(largest) or (BANDWIDTH_SHARE[kind] * sheet.bandwidth if sheet else None)
    if bandwidth is None or "float32" not in peaks:
        said = f"{title} has no measured bandwidth or products."
        raise Invalid.of([Problem("device", "not_measured", said, "Measure its ceilings first.")])
    return Machine(
        title=title, kind=kind, generation=sheet.architecture if sheet else ceilings.name,
        capability=sheet.capability if sheet else None, flags=flags, memory=memory, bandwidth=bandwidth, peaks=peaks,
        measured=True, link=sheet.link if sheet else None, calibrations=calibrations or {}, url=url,
    )  # fmt: skip


def of_hardware(hardware: ShownHardware, calibrations: dict[str, Calibration] | None = None) -> Machine | None:
    """One of the team's devices; None while its ceilings were not measured, or lack what formulas need."""
    if hardware.ceilings is None:
        return None
    try:
        return of_ceilings(
            hardware.name, hardware.memory, hardware.ceilings, hardware.datasheet, calibrations=calibrations, url=hardware.url
        )  # fmt: skip
    except Invalid:
        # Without bandwidth or products nothing can be reckoned, and the device's page says what is missing.
        return None


@cache
def known() -> tuple[Machine, ...]:
    """Those with a datasheet, and processors whose machines are alike, the smallest memory first."""
    found = [of_sheet(sheet) for sheet in datasheets()]
    found += [machine for processor in processors() if (machine := of_processor(processor))]
    return tuple(sorted(found, key=lambda one: (one.memory, one.title)))


@cache
def titles() -> tuple[str, ...]:
    """Of everything that is described, processors whose machines differ in memory among it, in the order of the files."""
    return (*(one.title for one in datasheets()), *(one.title for one in processors()))


def machine(name: str, own: Sequence[Machine] = ()) -> Machine | None:
    """The device of a name, with or without its maker's words before it; the team's own first."""
    every = (*own, *known())
    exact = next((one for one in every if short(one.title) == short(name)), None)
    if exact is not None:
        return exact
    # "RTX 4060 8 GB" and "Raspberry Pi 5": with a size that the title lacks, or without the one that it has.
    wanted, size = sized(name)
    found = [one for one in every if sized(one.title)[0] == wanted and size in (None, round(one.memory / 2**30))]
    return found[0] if len({one.title for one in found}) == 1 else None


def sized(title: str) -> tuple[str, int | None]:
    """A device's short name without its memory, and that in GB; None where it does not stand there."""
    found = SIZE.fullmatch(short(title))
    return (found[1].rstrip(" ,"), int(found[2])) if found else (short(title), None)


def short(title: str) -> str:
    """A device's name in small letters without its maker's words before it."""
    words = title.strip().casefold().split()
    while len(words) > 1 and words[0] in MAKERS_WORDS:
        del words[0]
    return " ".join(words)
