"""Sees what others do to the machine before, while and after something is measured: read at its borders, never beside it.

``with watch.over("measure", processes) as seen: ...`` and then ``seen.share``, ``seen.reasons``, ``seen.fields``. A block
border may be passed to ``seen.look()``, which reads the GPU's clock at most once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from workers.catalog.ceilings import CONTENDED
from workers.measurement import environment, nvml
from workers.measurement.nvml import Gpu, Sight

STOLEN = 0.02
"""Share of the processors' time that a hypervisor gives to other guests from which on a reader is told."""
STALLED = 0.2
"""Share of the time in which some process waits for a processor, likewise. Compilers of our own wait a little, too."""
SWAPPED = 256
"""Pages that go to or come from swap, likewise: one megabyte."""
BUSY_GPU = 0.05
"""Share of the time in which others' kernels run on a GPU that is to be measured, likewise."""
SLOW_CLOCK = 0.75
"""Share of a GPU's fastest clock seen under load below which a reader is told (nvbench's threshold)."""
HELD_BACK = 0.05
"""Share of the time in which a GPU is held back by heat from which on figures are another machine's."""
REST_S = 0.3
"""How long the machine is looked at before a sitting begins and after it has ended, while nothing of ours runs."""
LOOK_S = 1.0
"""Least time between two looks at a GPU."""
HEAT = frozenset({"hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "power brake"})
"""Reasons of a low clock that come from outside the program; a power cap that is reached is how a GPU runs at full load."""


SHARES = "state.contention."
"""Opens the names of fields of which the larger is the worse."""


class Process(Protocol):
    """Something of ours (``arms.ArmProcess``)."""

    @property
    def group(self) -> int:
        """Its process group."""


class Counters(NamedTuple):
    """What the kernel has added up so far, over the processors that this process may use."""

    at_s: float
    busy_s: float
    """Processor time used by anybody."""
    own_s: float
    """Processor time used by some process groups and by this process."""
    stolen_s: float
    """Processor time the hypervisor gave to other guests."""
    stalled_s: float | None
    """Time in which some process waited for a processor; None where the kernel does not account for pressure."""
    swapped: int
    """Pages that went to or came from swap."""


class Seen:
    """What was seen over one stretch of time; complete when its block has ended."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.share = 0.0
        """Share of the processors that others kept busy, 0 to 1."""
        self.told: dict[str, str] = {}
        """What disturbed it, by the kind of disturbance; a clause each."""
        self.spoilt = False
        """Whether a GPU was disturbed so that its times are another machine's: by others' work on it, or by heat."""
        self.fields: dict[str, JsonValue] = {}
        """For the environment's state."""
        self._look = look
        self._looked = time.monotonic()

    @property
    def reasons(self) -> tuple[str, ...]:
        """What disturbed it, a clause each ("others kept 34% of the processors busy"); empty when nothing did."""
        return tuple(self.told.values())

    def look(self) -> None:
        """Read the GPU's clock at the border of a block; does nothing when the last look was less than a second ago."""
        if time.monotonic() - self._looked >= LOOK_S:
            self._look()
            self._looked = time.monotonic()


Known = tuple[dict[str, JsonValue], dict[str, dict[str, str]]]
"""Of all stretches: the fields for the environment's state, and what disturbed them."""


class Watch:
    """Watches a machine for one sitting.

    Args:
        gpu: The GPU that is measured on; None on a CPU or when the driver cannot be asked.
        proc: The kernel's folder of processes and counters.
    """

    def __init__(self, gpu: Gpu | None = None, proc: Path = environment.PROC) -> None:
        self.gpu = gpu
        self.fields: dict[str, JsonValue] = {}
        """For the environment's state, of all stretches: of shares and counts the worst."""
        self._told: dict[str, dict[str, str]] = {}
        self._proc = proc

    @contextmanager
    def over(self, name: str, processes: Sequence[Process] = ()) -> Iterator[Seen]:
        """Note what others do while the block lasts.

        Args:
            name: What the stretch is called in the environment's state.
            processes: What of ours is at work meanwhile; none means that nothing of ours is.
        """
        groups = {process.group for process in processes}
        sights: list[Sight] = []

        def look() -> None:
            if self.gpu is not None:
                sights.append(self.gpu.look())

        seen = Seen(look)
        look()
        before = read(groups, self._proc)
        yield seen
        after = read(groups, self._proc)
        look()
        machine(seen, name, before, after)
        if sights:
            device(seen, name, sights, after.at_s - before.at_s, environment.members(groups, self._proc), len(groups))
        self._keep(name, seen)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know besides how busy the processors were: one sentence for each stretch."""
        clauses = {name: [told[kind] for kind in told if kind != "processors"] for name, told in self._told.items()}
        return tuple(f"Contention ({name}): {'; '.join(each)}." for name, each in clauses.items() if each)

    def known(self) -> Known:
        """What was kept so far, for ``recall``."""
        return dict(self.fields), dict(self._told)

    def recall(self, known: Known) -> None:
        """Forget what was kept since: it is about samples that do not count."""
        self.fields, self._told = dict(known[0]), dict(known[1])

    def rest(self, name: str) -> Seen:
        """Look at the machine for a moment in which nothing of ours runs: before a sitting, and after it."""
        with self.over(name) as seen:
            time.sleep(REST_S)
        busy = self.gpu.busy() if self.gpu is not None else None
        if busy is not None and name == "before":
            seen.fields[f"state.contention.{name}.gpu_busy"] = busy
            if busy >= BUSY_GPU:
                seen.told["gpu busy"] = f"others' kernels ran on the GPU {busy:.0%} of the time"
                seen.spoilt = True
            self._keep(name, seen)
        return seen

    def _keep(self, name: str, seen: Seen) -> None:
        """Add a stretch to what the report says of the whole sitting."""
        for field, value in seen.fields.items():
            before = self.fields.get(field)
            if field.startswith(SHARES) and isinstance(value, int | float) and isinstance(before, int | float):
                value = max(value, before)
            self.fields[field] = value
        self._told[name] = self._told.get(name, {}) | seen.told


def machine(seen: Seen, name: str, before: Counters, after: Counters) -> None:
    """What the kernel's counters say about a stretch of time."""
    wall = max(after.at_s - before.at_s, 1e-9)
    processors = environment.affinity()
    others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    seen.share = min(1.0, max(0.0, others / wall / processors))
    stolen = min(1.0, max(0.0, (after.stolen_s - before.stolen_s) / wall / processors))
    swapped = after.swapped - before.swapped
    stalled = None
    if before.stalled_s is not None and after.stalled_s is not None:
        stalled = min(1.0, (after.stalled_s - before.stalled_s) / wall)
    told = (
        ("processors", seen.share >= CONTENDED, f"others kept {seen.share:.0%} of the processors busy"),
        ("stolen", stolen >= STOLEN, f"the hypervisor gave {stolen:.0%} of the processors' time to other guests"),
        ("stalled", (stalled or 0) >= STALLED, f"processes waited for a processor {stalled or 0:.0%} of the time"),
        ("swapped", swapped >= SWAPPED, f"{swapped} pages went to or came from swap"),
    )
    seen.told |= {kind: clause for kind, so, clause in told if so}
    seen.fields |= {
        f"state.contention.{name}": round(seen.share, 3),
        f"state.contention.{name}.stolen": round(stolen, 3),
        f"state.contention.{name}.stalled": None if stalled is None else round(stalled, 3),
        f"state.contention.{name}.swapped_pages": swapped,
    }


def device(seen: Seen, name: str, sights: Sequence[Sight], wall_s: float, own: Collection[int], processes: int) -> None:
    """What looks at a GPU say about a stretch of time.

    Args:
        seen: Is told.
        name: Of the stretch.
        sights: At its beginning, at borders within, and at its end.
        wall_s: How long it was.
        own: Process ids of ours.
        processes: How many of ours may be on the GPU.
    """
    strangers = max((foreign(sight.processes, own, processes) for sight in sights), key=len)
    clocks = [sight.sm_clock_hz for sight in sights if sight.sm_clock_hz is not None]
    held_back = {
        word: min(1.0, (spent - sights[0].held_back_s.get(word, spent)) / max(wall_s, 1e-9))
        for word, spent in sights[-1].held_back_s.items()
    }
    reasons = sorted({reason for sight in sights for reason in sight.reasons} & nvml.THROTTLED)
    hot = bool(HEAT.intersection(reasons)) or held_back.get("heat", 0.0) >= HELD_BACK
    sagged = len(clocks) > 2 and min(clocks[1:-1]) < SLOW_CLOCK * max(clocks)
    told = (
        ("gpu shared", bool(strangers), f"others were on the GPU: {', '.join(strangers)}"),
        ("gpu hot", hot, f"the GPU was held back: {', '.join(reasons) or 'heat'}"),
        ("gpu clock", sagged, f"the GPU's clock fell to {min(clocks[1:-1], default=0) / nvml.MHZ:.0f} MHz"),
    )
    seen.told |= {kind: clause for kind, so, clause in told if so}
    seen.spoilt = seen.spoilt or bool(strangers) or hot
    middle = sights[len(sights) // 2]
    for when, sight in (("start", sights[0]), ("middle", middle), ("end", sights[-1])):
        at = f"state.gpu.{name}.{when}"
        seen.fields |= {
            f"{at}.sm_clock_hz": sight.sm_clock_hz,
            f"{at}.memory_clock_hz": sight.memory_clock_hz,
            f"{at}.temperature_c": sight.temperature_c,
            f"{at}.power_w": sight.power_w,
            f"{at}.clock_reasons": ", ".join(sight.reasons) or None,
        }
    seen.fields |= {
        f"state.gpu.{name}.held_back.{word.replace(' ', '_')}": round(share, 3) for word, share in held_back.items()
    }
    seen.fields[f"state.gpu.{name}.foreign_processes"] = len(strangers)


def foreign(listed: Mapping[int, int | None], own: Collection[int], processes: int) -> list[str]:
    """Who of those listed on a GPU is not ours, in words.

    In a container the driver may list processes by numbers that mean nothing here; then none of ours is among them, and only
    more of them than there are of ours tells that somebody else is there.
    """
    strangers = [pid for pid in listed if pid not in own]
    if processes and len(strangers) == len(listed):
        more = len(listed) - processes
        return [f"{more} more than ours"] if more > 0 else []
    return [_stranger(pid, listed[pid]) for pid in strangers]


def _stranger(pid: int, held: int | None) -> str:
    return f"process {pid}" if held is None else f"process {pid} with {held / 2**20:.0f} MiB"


def read(groups: Collection[int], proc: Path = environment.PROC) -> Counters:
    """The kernel's counters now."""
    return Counters(
        at_s=time.monotonic(),
        busy_s=environment.processor_seconds(proc),
        own_s=environment.group_seconds(groups, proc) + time.process_time(),
        stolen_s=environment.stolen_seconds(proc),
        stalled_s=environment.stalled_seconds(proc),
        swapped=environment.swapped_pages(proc),
    )
