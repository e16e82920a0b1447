"""Measures a whole study in the terminal, with no server: a progress bar, a table, and the reports as JSON if wanted.

``python -m workers.terminal study.json`` is what ``tradespace measure`` becomes.
"""

import argparse
import base64
import json
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import psutil
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from workers import ceilings, device_lock, devices, isolation
from workers.catalog import lease
from workers.catalog.applicability import problems
from workers.catalog.multiplicity import Claim, Corrected, corrected
from workers.catalog.report import IMPROVES, WORSENS, Effect, Report
from workers.catalog.spec import PlannedRun, StudySpec
from workers.catalog.validation import explain
from workers.settings import SHARE_OF_MEMORY, BadSettings, Settings, read_settings

NOT_ALL_WELL = 1
BAD_STUDY = 2
INTERRUPTED = 130
DEVICE_WAIT_S = 30.0


class Wrong(Exception):
    """The study cannot be measured; the message says why, one line for each reason."""


class Ended(NamedTuple):
    """A run and what it brought back."""

    planned: PlannedRun
    report: Report


class Bar(isolation.Listener):
    """Shows how far one run of several is."""

    def __init__(self, bar: Progress, task: TaskID, before: int, title: str) -> None:
        self._bar = bar
        self._task = task
        self._before = before
        self._title = title
        self._phase = ""
        self.say("waiting for the device, which another program holds", 0.0)

    def progress(self, progress: lease.Progress) -> None:
        said = f"{progress.phase} {progress.message}".strip()
        if progress.phase != self._phase or self._bar.console.is_terminal:
            self.say(said, progress.fraction)
        self._phase = progress.phase

    def say(self, what: str, fraction: float) -> None:
        """Show it on the bar; where there is no terminal to draw one in, as a line of its own."""
        said = escape(f"{self._title}: {what}")
        self._bar.update(self._task, completed=self._before + fraction, description=said)
        if not self._bar.console.is_terminal:
            self._bar.console.print(said, highlight=False)


def read_study(text: str) -> StudySpec:
    """The study that a JSON text describes.

    Raises:
        Wrong: It is no study, or one that cannot be measured; names each field and the valid choices.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from error
    try:
        study = StudySpec.model_validate(data)
        wrong = problems(study)
    except ValidationError as error:
        wrong = explain(error.errors(), data, StudySpec)
    if wrong:
        raise Wrong("\n".join(f"{each.field or 'the study'}: {each.message} {each.hint}".rstrip() for each in wrong))
    return study


def measure(study: StudySpec, settings: Settings, console: Console, stop: isolation.Stop) -> list[Ended]:
    """Measure every run of a study, one after the other, until asked to stop.

    Raises:
        Wrong: This machine has not the device, or another program holds it.
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
            listener = Bar(bar, task, index, _title(planned))
            report = _run(planned, f"terminal-{index}", settings, device, known, listener, stop)
            if report is None:
                break
            ended.append(Ended(planned, report))
    return ended


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
    listener: isolation.Listener,
    stop: isolation.Stop,
) -> Report | None:
    try:
        with device_lock.hold(settings.locks, device.key, DEVICE_WAIT_S, lambda: stop.reason is not None) as lock:
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


def table(ended: Sequence[Ended]) -> Table:
    """What the runs brought: one line for each effect, or for the outcome where there is none.

    Verdicts are those that are left when all comparisons of the study are looked at together.
    """
    together = corrections(ended)
    caption = "ratio below 1: less of it than the baseline has"
    if any(found.comparisons > 1 for found in together.values()):
        caption += "; verdicts are corrected for how many comparisons the study makes (Holm)"
    drawn = Table(title="Variant over baseline", caption=caption)
    drawn.add_column("run", overflow="fold")
    drawn.add_column("metric", overflow="fold")
    drawn.add_column("ratio", justify="right")
    drawn.add_column("95 % interval", justify="right", no_wrap=True)
    drawn.add_column("verdict")
    drawn.add_column("outcome", overflow="fold")
    for run, (planned, report) in enumerate(ended):
        first = [escape(_title(planned)), _outcome(report)]
        for effect in report.effects:
            title, outcome = first
            interval = f"{effect.low:.3f} to {effect.high:.3f}"
            metric = f"{effect.metric}, {effect.phase}"
            verdict = _verdict(effect, together.get((run, effect.metric, effect.phase)))
            drawn.add_row(title, metric, f"{effect.ratio:.3f}", interval, verdict, outcome)
            first = ["", ""]
        if not report.effects:
            drawn.add_row(first[0], "", "", "", "", first[1])
        drawn.add_section()
    return drawn


def _title(planned: PlannedRun) -> str:
    point = " ".join(f"{name}={value}" for name, value in planned.point.items())
    against = " (against itself)" if planned.is_baseline else ""
    return f"{planned.variant.name}{against} {point}".rstrip()


def corrections(ended: Sequence[Ended]) -> dict[tuple[int, str, str], Corrected]:
    """Verdicts among all comparisons of the study, by place of the run, metric and phase; null tests have none."""
    return corrected(
        {
            (run, effect.metric, effect.phase): Claim(effect.metric, effect.phase, effect.verdict, effect.p_value)
            for run, (planned, report) in enumerate(ended)
            if not planned.is_baseline
            for effect in report.effects
        }
    )


def _verdict(effect: Effect, together: Corrected | None) -> str:
    verdict = together.verdict if together else effect.verdict
    if together and verdict != effect.verdict:
        return f"{verdict} after correction for {together.comparisons} comparisons ({effect.verdict} alone)"
    if verdict in IMPROVES:
        return f"[green]{verdict}[/green]"
    return f"[red]{verdict}[/red]" if verdict in WORSENS else verdict


def _outcome(report: Report) -> str:
    if report.outcome == "ok":
        strayed = [proof for proof in report.proofs if proof.arm == "variant" and proof.ran == "fell_back"]
        return f"[red]fell back[/red]: {escape(strayed[0].detail)}" if strayed else "ok"
    return f"[red]{report.outcome}[/red]" + (f": {escape(report.message)}" if report.message else "")


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


def main(words: list[str] | None = None) -> None:
    """Measure the study in a file, and end with 1 when a run did not end ok."""
    parser = argparse.ArgumentParser(prog="tradespace measure", description=str(__doc__).partition("\n")[0])
    parser.add_argument("file", help="the study as JSON; - reads standard input")
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
    try:
        text = sys.stdin.read() if chosen.file == "-" else Path(chosen.file).read_text(encoding="utf-8")
        study = read_study(text)
        if chosen.profile:
            study = study.model_copy(update={"profile": True})
        ended = measure(study, read_settings(), console, stop)
        if chosen.json == "-":
            sys.stdout.write(reports(study, ended))
        elif chosen.json:
            Path(chosen.json).write_text(reports(study, ended), encoding="utf-8")
        beside = Path(chosen.json).parent if chosen.json not in (None, "-") else Path()
        for file in traces(ended, beside):
            console.print(f"trace: {file}", highlight=False)
    except (Wrong, BadSettings, OSError, UnicodeDecodeError) as error:
        parser.exit(BAD_STUDY, f"{error}\n")
    if ended:
        console.print(table(ended))
    if stop.reason:
        console.print(f"Stopped after {len(ended)} of {study.size} runs.")
        sys.exit(INTERRUPTED)
    sys.exit(0 if all(report.outcome == "ok" for _, report in ended) else NOT_ALL_WELL)


if __name__ == "__main__":
    main()
