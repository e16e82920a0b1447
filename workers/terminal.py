"""Measures a whole study in the terminal, with no server: a progress bar, a table, and the reports as JSON if wanted.

``python -m workers.terminal study.json`` is what ``tradespace measure`` becomes.
"""

import argparse
import base64
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from workers import ceilings, device_lock, devices, isolation
from workers.catalog import lease, strictjson, written
from workers.catalog.declared import Problem
from workers.catalog.report import Report
from workers.catalog.spec import PlannedRun, StudySpec
from workers.results import Ended, shown, title
from workers.settings import SHARE_OF_MEMORY, BadSettings, Settings, read_settings

NOT_ALL_WELL = 1
BAD_STUDY = 2
INTERRUPTED = 130
DEVICE_WAIT_S = 30.0


class Wrong(Exception):
    """The study cannot be measured; the message says why, one line for each reason."""


class Measured(NamedTuple):
    """What became of a study's runs."""

    ended: list[Ended]
    broken: str | None = None
    """Why the runs after them could not be measured."""


class Bar(isolation.Listener):
    """Shows how far one run of several is."""

    def __init__(self, bar: Progress, task: TaskID, before: int, title: str) -> None:
        self._bar = bar
        self._task = task
        self._before = before
        self._title = title
        self._phase = ""

    def waits(self) -> None:
        """Another program holds the device."""
        self._enters("wait", "waiting for the device, which another program holds", 0.0)

    def progress(self, progress: lease.Progress) -> None:
        self._enters(progress.phase, progress.message or progress.phase, progress.fraction)

    def _enters(self, phase: str, what: str, fraction: float) -> None:
        """Show it; where lines stay, only the first of a phase."""
        if phase != self._phase or self._bar.console.is_terminal:
            self.say(what, fraction)
        self._phase = phase

    def say(self, what: str, fraction: float) -> None:
        """Show it on the bar; where there is no terminal to draw one in, as a line of its own."""
        said = escape(f"{self._title}: {what}")
        self._bar.update(self._task, completed=self._before + fraction, description=said)
        if not self._bar.console.is_terminal:
            self._bar.console.print(said, highlight=False)


def read_study(text: bytes, form: written.Form = "json") -> StudySpec:
    """The study that a text describes.

    Raises:
        Wrong: It is no study, or one that cannot be measured; names each field, its line and the valid choices.
    """
    try:
        study, wrong = written.read_study(text, form)
    except strictjson.Malformed as error:
        raise Wrong(f"the study {error}") from error
    except strictjson.Unfit as error:
        raise Wrong(_told(error.problems)) from error
    if wrong:
        raise Wrong(_told(wrong))
    return study


def _told(wrong: Sequence[Problem]) -> str:
    return "\n".join(f"{each.field or 'the study'}: {each.message} {each.hint}".rstrip() for each in wrong)


def measure(study: StudySpec, settings: Settings, console: Console, stop: isolation.Stop) -> Measured:
    """Measure every run of a study, one after the other, until asked to stop or until one cannot be begun.

    Raises:
        Wrong: This machine has not the device.
    """
    try:
        device = devices.named(study.device)
    except LookupError as error:
        raise Wrong(f"device: {error.args[0]}") from error
    runs = list(study.runs())
    columns = (BarColumn(), TextColumn("{task.completed:.1f} of {task.total:.0f} runs"), TimeElapsedColumn())
    ended: list[Ended] = []
    with Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("measuring what the device can do at most", total=len(runs))
        known = _ceilings(settings, device, stop)
        for index, planned in enumerate(runs):
            listener = Bar(bar, task, index, title(planned))
            try:
                report = _run(planned, f"terminal-{index}", settings, device, known, listener, stop)
            except (Wrong, OSError) as error:
                return Measured(ended, str(error))  # What has ended is not lost with it.
            if report is None:
                break
            ended.append(Ended(planned, report))
    return Measured(ended)


def _ceilings(settings: Settings, device: lease.Device, stop: isolation.Stop) -> Path | None:
    """File with what the device can do at most; measured if need be."""
    if ceilings.program(settings) is None:
        return None
    try:
        with device_lock.hold(settings.locks, device.key, DEVICE_WAIT_S, lambda: stop.reason is not None) as lock:
            return ceilings.ensure(settings, device, lock, stop)
    except device_lock.DeviceBusy:
        return None  # The first run waits for the device too, and says so.


def _run(
    planned: PlannedRun,
    name: str,
    settings: Settings,
    device: lease.Device,
    known: Path | None,
    listener: Bar,
    stop: isolation.Stop,
) -> Report | None:
    def given_up() -> bool:  # Asked only while another program holds the device.
        listener.waits()
        return stop.reason is not None

    try:
        with device_lock.hold(settings.locks, device.key, DEVICE_WAIT_S, given_up) as lock:
            within = isolation.Confinement(
                program=settings.program,
                limits=lease.Limits(),
                memory_bytes=settings.memory_limit or int(SHARE_OF_MEMORY * psutil.virtual_memory().total),
                environment=settings.for_program | devices.visible(device),
                ceilings=known,
                kept_open=(lock,),
            )
            return isolation.measure(planned.spec, name, within, listener, stop)
    except device_lock.DeviceBusy as error:
        if stop.reason:
            return None
        raise Wrong(f"{error}; a worker of this machine may be measuring on it") from error


def reports(study: StudySpec, ended: Sequence[Ended]) -> str:
    """Study and reports as JSON."""
    runs = [
        {
            "variant": each.planned.variant.name,
            "point": each.planned.point,
            "report": each.report.model_dump(mode="json"),
        }
        for each in ended
    ]
    return json.dumps({"study": study.model_dump(mode="json"), "runs": runs}, indent=1) + "\n"


def traces(ended: Sequence[Ended], folder: Path) -> list[Path]:
    """Write the traces of profiled steps, packed as Chrome and Perfetto open them; returns the files."""
    written: list[Path] = []
    for planned, report in ended:
        point = "".join(f"-{name}-{value}" for name, value in planned.point.items())
        of = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{planned.variant.name}{point}").strip("-.") or "variant"
        for each in report.artifacts:
            file = folder / f"{each.name.removesuffix('.json')}-{of}-{each.arm}.json.gz"
            if file in written:  # Names that differ only in what a file's name cannot hold.
                file = file.with_name(f"{len(written)}-{file.name}")
            file.write_bytes(base64.b64decode(each.data))
            written.append(file)
    return written


def check_writable(file: Path) -> None:
    """Nobody wants to learn after an hour of measuring that the reports cannot be written.

    Raises:
        OSError: A file cannot be written there.
    """
    there = os.path.lexists(file)
    if there and not (file.is_file() or file.is_dir()):
        return  # A pipe or a terminal: opening it would already be something that its reader sees.
    with file.open("ab"):
        pass
    if not there:
        file.unlink()


def main(words: list[str] | None = None) -> None:
    """Measure the study in a file, and end with 1 when a run did not end ok."""
    parser = argparse.ArgumentParser(prog="tradespace measure", description=str(__doc__).partition("\n")[0])
    parser.add_argument("file", help="the study as JSON or, in a .yaml file, YAML; - reads JSON from standard input")
    parser.add_argument("--json", metavar="PATH", help="write the reports there; - writes them to standard output")
    parser.add_argument(
        "--profile", action="store_true", help="profile a step of each arm; the traces go beside the reports"
    )
    chosen = parser.parse_args(words)
    console = Console(stderr=chosen.json == "-")
    stop = isolation.Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.ask("cancelled")

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    file = Path(chosen.json) if chosen.json not in (None, "-") else None
    try:
        text = sys.stdin.buffer.read() if chosen.file == "-" else Path(chosen.file).read_bytes()
        study = read_study(text, written.form_of_file(chosen.file))
        if chosen.profile:
            study = study.model_copy(update={"profile": True})
        if file:
            check_writable(file)
        ended, broken = measure(study, read_settings(), console, stop)
        if ended:
            console.print(shown(ended), highlight=False)
        if stop.reason or (broken and ended):
            console.print(f"Stopped after {len(ended)} of {study.size} runs.", highlight=False)
        if file:
            file.write_text(reports(study, ended), encoding="utf-8")
        elif chosen.json:
            sys.stdout.write(reports(study, ended))
        for trace in traces(ended, file.parent if file else Path()):
            console.print(f"trace: {trace}", highlight=False)
    except (Wrong, BadSettings, OSError) as error:
        parser.exit(BAD_STUDY, f"{error}\n")
    if broken:
        parser.exit(NOT_ALL_WELL if ended else BAD_STUDY, f"{broken}\n")
    if stop.reason:
        sys.exit(INTERRUPTED)
    sys.exit(0 if all(report.outcome == "ok" for _, report in ended) else NOT_ALL_WELL)


if __name__ == "__main__":
    main()
