"""Measures the demo data set anew: studies of models that ship, on this machine's CPU, each kept with its whole reports.

``.venv/bin/python -m scripts.measure_demo`` takes about half an hour; nothing else should run meanwhile. With names of
studies it measures those alone and leaves the others as they are.
"""

import argparse
import base64
import collections
import gzip
import json
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import psutil

from scripts.demo_studies import PLANNED, Planned
from workers import ceilings, device_lock, devices, isolation
from workers.catalog import lease, recorded
from workers.catalog.applicability import problems
from workers.catalog.recorded import RecordedRun, RecordedStudy
from workers.catalog.report import Artifact, Report
from workers.catalog.spec import RunSpec
from workers.settings import SHARE_OF_MEMORY, BadSettings, Settings, read_settings

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "demo"
MOST_BYTES = 3_000_000
"""Of all files together: they ship with the product."""
DIGITS = 5
"""Significant digits of raw samples and series: far finer than any interval here, and the files are a third as large."""
HOST = "demo"
"""What the machine is called: its own name is nobody's business, and the reader's may be the same."""
DEVICE_WAIT_S = 30.0


class Machine(NamedTuple):
    """What is measured on, held for as long as the measuring takes."""

    settings: Settings
    device: lease.Device
    lock: int
    ceilings: Path | None


class Diary(isolation.Listener):
    """Writes down what a worker would tell the server about a run."""

    def __init__(self) -> None:
        self.claimed_at = self.started_at = time.time()
        self.pid = 0
        self.lines: collections.deque[str] = collections.deque(maxlen=recorded.MOST_LINES)

    def started(self, pid: int) -> None:
        self.pid, self.started_at = pid, time.time()

    def line(self, text: str) -> None:
        self.lines.append(text)


def measure(planned: Planned, machine: Machine, stop: isolation.Stop) -> RecordedStudy | None:
    """Measure every run of a study, one after the other; None when asked to stop."""
    submitted_at = time.time()
    runs = []
    for index, run in enumerate(planned.study.runs()):
        measured = measure_run(run.spec, f"{planned.word}-{index}", planned.memory_limit, machine, stop)
        if measured is None:
            return None
        runs.append(measured)
    device = machine.device.model_copy(update={"key": f"{HOST}/{machine.device.kind}"})
    worker = lease.Announcement(
        name=f"{HOST} {device.kind}", host=HOST, pid=os.getpid(), version=version("tradespace"), device=device
    )
    known = ceilings.read(machine.ceilings) if machine.ceilings else None
    return RecordedStudy(
        study=planned.study, submitted_at=submitted_at, worker=worker, ceilings=known, runs=tuple(runs)
    )


def measure_run(
    spec: RunSpec, name: str, memory_limit: int | None, machine: Machine, stop: isolation.Stop
) -> RecordedRun | None:
    """Measure one run as a worker does, in processes of its own; None when asked to stop.

    Args:
        spec: what is measured.
        name: of its folder.
        memory_limit: bytes that its processes may hold; None is what a worker of this machine allows.
        machine: on what.
        stop: ends it early.
    """
    settings = machine.settings
    within = isolation.Confinement(
        program=settings.program,
        limits=lease.Limits(),
        memory_bytes=memory_limit or settings.memory_limit or int(SHARE_OF_MEMORY * psutil.virtual_memory().total),
        environment=settings.for_program | devices.visible(machine.device),
        ceilings=machine.ceilings,
        kept_open=(machine.lock,),
    )
    diary = Diary()
    report = isolation.measure(spec, name, within, diary, stop)
    if report is None:
        return None
    return RecordedRun(
        claimed_at=diary.claimed_at,
        started_at=diary.started_at,
        ended_at=time.time(),
        pid=diary.pid,
        log=tuple(diary.lines),
        report=report,
    )


def shipped(study: RecordedStudy) -> RecordedStudy:
    """A study as it ships: without this machine's name and folders, raw samples and series in fewer digits."""
    runs = tuple(run.model_copy(update={"report": _brief(run.report)}) for run in study.runs)
    text = study.model_copy(update={"runs": runs}).model_dump_json()
    return RecordedStudy.model_validate_json(text.replace(str(ROOT), "."))


def _brief(report: Report) -> Report:
    named = {"host.name": HOST} if "host.name" in report.environment else {}
    return report.model_copy(
        update={
            "samples": tuple(
                each.model_copy(update={"values": tuple(map(_rounded, each.values))}) for each in report.samples
            ),
            "timelines": tuple(
                each.model_copy(
                    update={"at_s": tuple(map(_rounded, each.at_s)), "values": tuple(map(_rounded, each.values))}
                )
                for each in report.timelines
            ),
            "environment": report.environment | named,
            "artifacts": tuple(map(_unnamed, report.artifacts)),
        }
    )


def _unnamed(artifact: Artifact) -> Artifact:
    """A trace without the names that the profiler writes into it: of the machine, and of the file it was written to."""
    trace = json.loads(gzip.decompress(base64.b64decode(artifact.data)))
    names = {"host_name": HOST, "traceName": artifact.name}
    text = json.dumps(trace | {key: name for key, name in names.items() if key in trace}, separators=(",", ":"))
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return artifact.model_copy(update={"data": packed})


def _rounded(value: float) -> float:
    """With fewer digits; counts and bytes stay as they are."""
    return value if value.is_integer() or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def _outcomes(study: RecordedStudy) -> str:
    counted = collections.Counter(run.report.outcome for run in study.runs)
    return ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())


def measure_all(chosen: list[Planned], folder: Path, machine: Machine, stop: isolation.Stop) -> Iterator[str]:
    """Measure studies and write a file for each; yields a line for each that is done."""
    for number, planned in enumerate(chosen, start=1):
        began = time.monotonic()
        study = measure(planned, machine, stop)
        if study is None:
            return
        recorded.write(shipped(study), folder / f"{planned.word}{recorded.ENDING}")
        taken = time.monotonic() - began
        yield f"{number}/{len(chosen)} {planned.word}: {len(study.runs)} runs in {taken:.0f} s: {_outcomes(study)}"


def main() -> None:
    """Measure what was asked for; ends with 1 when it was stopped, or when the files are too large."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    words = [planned.word for planned in PLANNED]
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(words)} (default: all)")
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="where the files go (default: %(default)s)")
    asked = parser.parse_args()
    for word in asked.studies:
        if word not in words:
            parser.error(f"there is no study {word!r}; there are {', '.join(words)}")
    chosen = [planned for planned in PLANNED if planned.word in (asked.studies or words)]
    for planned in chosen:
        for problem in problems(planned.study):
            parser.error(f"{planned.word}: {problem.field}: {problem.message} {problem.hint}")
    stop = isolation.Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.ask("cancelled")

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    asked.folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as data:
            on_this_machine(chosen, asked.folder, Path(data), stop)
    except (BadSettings, OSError, device_lock.DeviceBusy) as error:
        parser.exit(2, f"{error}\n")
    if stop.reason:
        parser.exit(1, "Stopped; what is not listed above is as it was.\n")
    if not asked.studies:
        for file in asked.folder.glob(f"*{recorded.ENDING}"):
            if file.name.removesuffix(recorded.ENDING) not in words:
                file.unlink()  # Of a study that the data set no longer has.
    size = sum(file.stat().st_size for file in asked.folder.glob(f"*{recorded.ENDING}"))
    print(f"{size:,} bytes in {asked.folder}; at most {MOST_BYTES:,} ship.")
    sys.exit(size > MOST_BYTES)


def on_this_machine(chosen: list[Planned], folder: Path, data: Path, stop: isolation.Stop) -> None:
    """Measure studies on this machine's CPU, each into a file of its own.

    Args:
        chosen: the studies.
        folder: where the files go.
        data: an empty folder for ceilings and the like.
        stop: ends it early.
    """
    with this_machine(data, stop) as machine:
        for line in measure_all(chosen, folder, machine, stop):
            print(line, flush=True)


@contextmanager
def this_machine(data: Path, stop: isolation.Stop) -> Iterator[Machine]:
    """This machine's CPU, held, with its ceilings.

    Args:
        data: an empty folder for ceilings and the like.
        stop: ends the waiting for it.
    """
    settings = read_settings().model_copy(update={"data": data})
    device = devices.cpu()
    with device_lock.hold(settings.locks, device.key, DEVICE_WAIT_S, lambda: stop.reason is not None) as lock:
        machine = Machine(settings, device, lock, ceilings.ensure(settings, device, lock, stop))
        known = ceilings.read(machine.ceilings) if machine.ceilings else None
        if known and known.contended:
            print(
                f"Others keep {known.contention:.0%} of the processors busy: what is measured now says little.",
                flush=True,
            )
        yield machine


if __name__ == "__main__":
    main()
