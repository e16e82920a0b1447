"""What a worker and the server say to each other about a run: claim, start, beat, finish, release.

The token rises with every claim of a run; whoever speaks with an older one is refused (reliability C.1).
"""

from typing import Annotated, Literal

from pydantic import Field

from workers.catalog.declared import Paper
from workers.catalog.report import Report
from workers.catalog.spec import RunSpec
from workers.catalog.technique import DeviceKind

LEASE_S = 30.0
"""How long a claim holds without a beat."""

Line = Annotated[str, Field(max_length=4_000)]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Limits(Paper):
    """What one attempt may take, in seconds and bytes (reliability C.5)."""

    start_s: float = 1200.0
    """Until the program reports its first measured block: load, convert, compile."""
    run_s: float = 3600.0
    silence_s: float = 300.0
    """Between two lines of the program."""
    report_bytes: int = 8_000_000
    tail_bytes: int = 256_000
    scratch_bytes: int = 10_000_000_000
    """In the program's own folder."""


class Device(Paper):
    """One thing to measure on: one GPU, or this machine's CPU."""

    key: Word
    """Unique over all machines: host name and the device's own uuid."""
    kind: DeviceKind
    index: int = 0
    name: Word
    memory_bytes: int = Field(ge=0)


class Announcement(Paper):
    """A worker says that it is there, and again every few seconds while it is."""

    name: Word
    """Unique per worker process and stable while it lives: host, device, pid."""
    host: Word
    pid: int
    version: Word
    device: Device


class Work(Paper):
    """What waits for a worker."""

    queued: int
    """Runs that it could claim now."""
    measure_ceilings: bool = False
    """Whether somebody asked for what its device can do at most to be measured again."""


class Claim(Paper):
    """A worker asks for a run."""

    worker: Word


class Granted(Paper):
    """The claim holds."""

    run: str
    token: int
    attempt: int
    lease_s: float = LEASE_S
    limits: Limits = Limits()
    spec: RunSpec


class Start(Paper):
    """The measuring program runs now."""

    token: int
    pid: int


class Progress(Paper):
    """How far a run is; also one line of the program's standard error."""

    phase: Annotated[str, Field(max_length=100)]
    """start, load, convert, first_call, warm_up, measure, memory, quality, report."""
    message: Annotated[str, Field(max_length=500)] = ""
    fraction: float = Field(0.0, ge=0, le=1)
    """Share of the whole sitting that is done."""


class Beat(Paper):
    """The attempt lives."""

    token: int
    progress: Progress | None = None
    log: tuple[Line, ...] = Field((), max_length=500)


class Pulse(Paper):
    """What the server answers to a beat."""

    cancel: bool = False
    lease_s: float = LEASE_S


class Finish(Paper):
    """The attempt brought a report."""

    token: int
    report: Report


class Release(Paper):
    """The attempt ends without a report."""

    token: int
    ending: Literal["released", "infra_error", "cancelled"]
    message: Annotated[str, Field(max_length=2_000)] = ""
