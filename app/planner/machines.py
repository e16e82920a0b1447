"""Devices as the planner sees them: those with a datasheet, small computers, and the team's own with what was measured on them."""

import re
from collections.abc import Sequence
from functools import cache

from app.devices.datasheets import Datasheet, Processor, datasheets, processors
from app.devices.hardware import ShownHardware
from app.frozen import Frozen
from app.planner.calibration import Calibration
from workers.catalog.declared import closest

FREE = 0.95
"""Share of a card's memory that is free at best: 7.6 to 7.9 of the 8 GiB of an RTX 4060; the driver and a desktop keep the rest."""
FREE_HOST = 0.8
"""The same of a computer's own memory: the system, and programs that come with it."""
MAKERS_WORDS = frozenset({"nvidia", "geforce", "tesla", "amd", "instinct", "intel"})


SIZE = re.compile(r"(.+?)[ ,]+(\d+) ?gi?b")


class Machine(Frozen):
    """One device that something may fit on."""

    title: str
    gpu: bool
    memory: int
    """Bytes it has."""
    free: float
    """Bytes of them that can be counted on."""
    bandwidth: float
    """Bytes per second of its memory."""
    peaks: dict[str, float]
    """Operations per second by the format of the factors, as torch names it."""
    measured: bool
    """Whether bandwidth and peaks were measured on it, and are not its maker's."""
    calibrations: dict[str, Calibration] = {}
    """What was learnt of decoding on it, by the format that is computed in."""
    url: str | None = None
    """Its page; None for one that nobody here has."""


def of_sheet(sheet: Datasheet) -> Machine:
    """A device as its maker describes it."""
    return Machine(
        title=sheet.title,
        gpu=True,
        memory=sheet.memory,
        free=FREE * sheet.memory,
        bandwidth=sheet.bandwidth,
        peaks=sheet.peaks,
        measured=False,
    )


def of_processor(processor: Processor) -> Machine | None:
    """A small computer; None where machines of its class differ in memory."""
    if processor.memory is None:
        return None
    return Machine(
        title=processor.title,
        gpu=False,
        memory=processor.memory,
        free=FREE_HOST * processor.memory,
        bandwidth=processor.bandwidth,
        peaks=processor.peaks,
        measured=False,
    )


def of_hardware(hardware: ShownHardware, calibrations: dict[str, Calibration] | None = None) -> Machine | None:
    """One of the team's devices; None while its ceilings were not measured."""
    held = hardware.ceilings
    if held is None or not held.bandwidths:
        return None
    bandwidth = held.bandwidth(max(each.working_set for each in held.bandwidths))
    if bandwidth is None:
        return None
    share = FREE if hardware.kind == "cuda" else FREE_HOST
    return Machine(
        title=hardware.name,
        gpu=hardware.kind == "cuda",
        memory=hardware.memory,
        free=share * hardware.memory,
        bandwidth=bandwidth,
        peaks={each.dtype: held.peak(each.dtype) or each.value for each in held.products},
        measured=True,
        calibrations=calibrations or {},
        url=hardware.url,
    )


@cache
def known() -> tuple[Machine, ...]:
    """Those with a datasheet, the smallest memory first."""
    found = [of_sheet(sheet) for sheet in datasheets()]
    found += [machine for processor in processors() if (machine := of_processor(processor))]
    return tuple(sorted(found, key=lambda one: (one.memory, one.title)))


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


def meant(name: str, own: Sequence[Machine] = ()) -> str | None:
    """The title that a person probably meant; None where none is near."""
    titles = {short(one.title): one.title for one in (*own, *known())}
    near = closest(short(name), titles)
    return titles[near] if near else None


def short(title: str) -> str:
    """A device's name in small letters without its maker's words before it."""
    words = title.casefold().split()
    while len(words) > 1 and words[0] in MAKERS_WORDS:
        del words[0]
    return " ".join(words)
