"""Starts, limits and kills the measuring program; whatever happens to it becomes a report.

The parent sleeps until a pipe, the program's end, a request to stop or a limit wakes it: it must not disturb what is
measured. Linux only. The calling process starts no other children meanwhile.
"""

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from workers import confine, processes, scratch
from workers.catalog.lease import Limits, Progress
from workers.catalog.report import Outcome, Report
from workers.catalog.spec import RunSpec
from workers.transcript import Transcript, clean

Reason = Literal["cancelled", "released", "stale"]

TERM_S = 10.0
"""From asking the program to end until it is killed."""
DUMP_S = 2.0
"""For a silent program to write its stacks before it is asked to end."""
WATCH_S = 1.0
"""Between two looks at the memory in use."""
WATCH_SCRATCH_S = 10.0
"""Between two looks at the files it keeps: there may be thousands."""
WATCH_MARGIN = 1.1
"""The program watches its own limit and can say which arm broke it; this share above it, it evidently did not."""
STARTED = frozenset({"measure", "memory", "quality", "report"})
"""Phases after the first measured block."""
CHUNK = 65_536

PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|VIRTUAL_ENV|CC|CXX|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|XDG_CACHE_HOME|HF_(HOME|HUB_CACHE|HUB_OFFLINE|ENDPOINT)|(OMP|MKL|OPENBLAS)_NUM_THREADS"
    r"|OMP_(WAIT_POLICY|PROC_BIND|PLACES)|KMP_\w+|GOMP_\w+"
    r"|(CUDA|NVIDIA|CUDNN|NCCL)_\w+|(TORCH|TORCHINDUCTOR|TRITON|PYTORCH)_\w+|TRADESPACE_(MODELS|HUB_MODELS|DATASETS)"
)
"""Environment variables the program may see; secrets are not among them."""


class Stop:
    """A request to end the program early; may be made from another thread or from a signal handler."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.reason: Reason | None = None

    def ask(self, reason: Reason) -> None:
        """End the program; the first reason counts."""
        self.reason = self.reason or reason
        os.eventfd_write(self.fd, 1)

    def close(self) -> None:
        """Give the descriptor back, once nobody can ask any more."""
        os.close(self.fd)


class Confinement(NamedTuple):
    """What a program is given and may take."""

    program: Sequence[str]
    limits: Limits
    memory_bytes: int
    """Host memory that the whole sitting may hold."""
    environment: Mapping[str, str]
    """Variables added to those passed on."""
    kept_open: Sequence[int] = ()
    """Descriptors the program inherits, so that what they lock stays locked while it lives."""
    ceilings: Path | None = None
    """File with what the device can do at most; None leaves out what is measured against it."""


class Listener:
    """Is told what happens while the program runs; called in the thread that waits for it, so be quick."""

    def started(self, pid: int) -> None:
        """The program runs."""

    def progress(self, progress: Progress) -> None:
        """The program said how far it is."""

    def line(self, text: str) -> None:
        """The program wrote a line that is not progress."""


def measure(spec: RunSpec, run: str, within: Confinement, listener: Listener, stop: Stop) -> Report | None:
    """Run the measuring program on one run and wait for its end.

    Args:
        spec: What it is told to measure.
        run: Id of the run, which marks its processes.
        within: What it is given and may take.
        listener: Is told what happens meanwhile.
        stop: Ends it early.

    Returns:
        The program's report, or one about how it ended; None when it was stopped on request.

    Raises:
        OSError: It cannot be started here: the program is missing, or the disk is full.
    """
    if shutil.which(within.program[0]) is None:
        raise FileNotFoundError(f"the measuring program {within.program[0]!r} is not there")
    processes.adopt_orphans()
    with scratch.folder() as folder:
        return _Sitting(within, listener, stop).hold(spec, run, folder)


class _Ending(NamedTuple):
    """Why the program is being killed."""

    outcome: Outcome | None
    """None when somebody asked."""
    message: str


class _Sitting:
    """One run of the program, from its start until none of its processes is left."""

    def __init__(self, within: Confinement, listener: Listener, stop: Stop) -> None:
        self.within = within
        self.listener = listener
        self.stop = stop
        self.report = bytearray()
        self.transcript = Transcript(within.limits.tail_bytes)
        self.ending: _Ending | None = None
        self.signals: deque[tuple[float, signal.Signals]] = deque()
        """When the program gets which signal, once it has to end."""

    def hold(self, spec: RunSpec, run: str, folder: str) -> Report | None:
        spared = set(processes.children(os.getpid()))
        kills = processes.oom_kills()
        self.began = self.heard = time.monotonic()
        self.measured_since: float | None = None
        self.watched = self.watched_scratch = self.began
        self.folder = folder
        process = self._start(spec, run, folder)
        try:
            self.listener.started(process.pid)
            self._wait(process)
        finally:
            process.kill()
            code = process.wait()
            self._drain(process)
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
            stuck = processes.end_all(process.pid, spared)
        if stuck:
            self.transcript.keep(f"processes that could not be killed: {', '.join(map(str, stuck))}")
        if self.ending and self.ending.outcome is None:
            return None
        report = self._judge(code, processes.oom_kills() > kills)
        return report.model_copy(update={"seconds": report.seconds or time.monotonic() - self.began})

    def _start(self, spec: RunSpec, run: str, folder: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
        environment |= self.within.environment
        environment |= {processes.RUN: run, processes.SUPERVISOR: processes.identity(os.getpid()) or ""}
        environment |= {"TMPDIR": folder}
        words = [*self.within.program, "--memory-limit", str(self.within.memory_bytes), "--scratch", folder]
        words += ["--ceilings", str(self.within.ceilings)] if self.within.ceilings else []
        command = confine.command(words, oom_score=1000, file_bytes=self.within.limits.scratch_bytes)
        with tempfile.TemporaryFile(dir=folder) as order:
            order.write(spec.model_dump_json().encode())
            order.seek(0)
            process = subprocess.Popen(
                command,
                stdin=order,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment,
                pass_fds=tuple(self.within.kept_open),
                start_new_session=True,
                bufsize=0,
            )
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until the program has ended."""
        assert process.stdout is not None
        assert process.stderr is not None
        over = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ, self._read_report)
                selector.register(process.stderr, selectors.EVENT_READ, self._read_lines)
                selector.register(self.stop.fd, selectors.EVENT_READ, self._stopped)
                selector.register(over, selectors.EVENT_READ, None)
                while True:
                    for key, _ in selector.select(self._patience()):
                        if key.data is None:
                            return
                        if not key.data(key.fd):
                            selector.unregister(key.fileobj)
                    self._check(process.pid)
        finally:
            os.close(over)

    def _patience(self) -> float:
        """Seconds until something has to be done without being woken."""
        if self.ending:
            due = self.signals[0][0] if self.signals else time.monotonic() + TERM_S
        else:
            due = min(self._limit()[0], self.heard + self.within.limits.silence_s, self.watched + WATCH_S)
        return max(0.0, due - time.monotonic())

    def _limit(self) -> tuple[float, _Ending]:
        """When the program has taken too long as a whole, and what that is then."""
        limits = self.within.limits
        if self.measured_since is None:
            message = (
                f"No block was measured within {limits.start_s:g} s: loading, converting or compiling took longer."
            )
            return self.began + limits.start_s, _Ending("timeout_start", message)
        message = f"The sitting took longer than {limits.run_s:g} s from its first measured block."
        return self.measured_since + limits.run_s, _Ending("timeout_run", message)

    def _check(self, pid: int) -> None:
        """Enforce the limits, and send what is due."""
        now = time.monotonic()
        if not self.ending:
            due, ending = self._limit()
            silence = self.within.limits.silence_s
            if now >= due:
                self._end(ending)
            elif now >= self.heard + silence:
                self._end(_Ending("timeout_no_progress", f"The program wrote nothing for {silence:g} s."), dump=True)
            elif now >= self.watched + WATCH_S:
                self.watched = now
                self._check_memory(pid)
            if not self.ending and now >= self.watched_scratch + WATCH_SCRATCH_S:
                self.watched_scratch = now
                self._check_scratch()
        while self.signals and now >= self.signals[0][0]:
            _, what = self.signals.popleft()
            processes.send(processes.tree(pid), what)

    def _check_memory(self, pid: int) -> None:
        held = sum(map(processes.private_bytes, processes.tree(pid)))
        limit = self.within.memory_bytes
        if held > limit * WATCH_MARGIN:
            self._kill(_Ending("oom_host", f"The sitting held {held:,} bytes of host memory; {limit:,} is its limit."))

    def _check_scratch(self) -> None:
        used = scratch.used(self.folder)
        limit = self.within.limits.scratch_bytes
        if used > limit:
            self._kill(_Ending("error", f"The program kept {used:,} bytes in its folder; {limit:,} is its limit."))

    def _end(self, ending: _Ending, dump: bool = False) -> None:
        """Let the program end: stacks first if asked for, then the request, then by force."""
        now = time.monotonic()
        self.ending = ending
        if dump:
            self.signals.append((now, signal.SIGUSR1))
            now += DUMP_S
        self.signals += ((now, signal.SIGTERM), (now + TERM_S, signal.SIGKILL))

    def _kill(self, ending: _Ending) -> None:
        self.ending = ending
        self.signals = deque([(time.monotonic(), signal.SIGKILL)])

    def _stopped(self, fd: int) -> bool:
        os.eventfd_read(fd)
        if self.ending is None:
            self._end(_Ending(None, self.stop.reason or ""))
        return False

    def _read_report(self, fd: int) -> bool:
        """Take what is on the report's pipe; False at its end."""
        chunk = os.read(fd, CHUNK)
        if self.ending is None:
            self.report += chunk
            most = self.within.limits.report_bytes
            if len(self.report) > most:
                self.report.clear()
                self._kill(_Ending("error", f"The program wrote more than {most:,} bytes where its report belongs."))
        return bool(chunk)

    def _read_lines(self, fd: int) -> bool:
        """Take what is on the pipe for progress and log lines; False at its end."""
        chunk = os.read(fd, CHUNK)
        self._tell(self.transcript.feed(chunk))
        return bool(chunk)

    def _tell(self, said: Iterator[Progress | str]) -> None:
        for each in said:
            self.heard = time.monotonic()
            if isinstance(each, str):
                self.listener.line(each)
                continue
            if self.measured_since is None and each.phase in STARTED:
                self.measured_since = self.heard
            self.listener.progress(each)

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        """Take what the program wrote last; what its children still write is not waited for."""
        assert process.stdout is not None
        assert process.stderr is not None
        for fd, read in ((process.stdout.fileno(), self._read_report), (process.stderr.fileno(), self._read_lines)):
            with suppress(BlockingIOError):
                for _ in range(2 + self.within.limits.report_bytes // CHUNK):
                    if not read(fd):
                        break
        self._tell(self.transcript.flush())

    def _judge(self, code: int, oom_killed: bool) -> Report:
        """What the program's end means."""
        if self.ending and self.ending.outcome:
            return self._about(self.ending.outcome, self.ending.message)
        tail = self.transcript.tail
        if code == 0:
            try:
                report = Report.model_validate_json(bytes(self.report))
            except ValidationError as error:
                wrong = json.loads(error.json(include_url=False, include_input=False))[0]
                where = ".".join(map(str, wrong["loc"])) or "the whole"
                return self._about("error", clean(f"The program's report cannot be read: {where}: {wrong['msg']}"))
            return report if report.outcome == "ok" else report.model_copy(update={"tail": report.tail or tail})
        if code > 0:
            last = f" Its last line: {tail.splitlines()[-1]}" if tail else ""
            return self._about("error", f"The program ended with exit code {code} and without a report.{last}")
        if code == -signal.SIGKILL and oom_killed:
            return self._about("oom_host", "The kernel killed the program because memory had run out.", signal.SIGKILL)
        if code == -signal.SIGKILL:
            message = "Something outside killed the program; there is no sign that memory had run out."
            return self._about("killed_unknown", message, signal.SIGKILL)
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        return self._about("crashed", f"The program crashed with {name}.", -code)

    def _about(self, outcome: Outcome, message: str, number: int | None = None) -> Report:
        said = self.transcript
        return Report(outcome=outcome, phase=said.phase, message=message, tail=said.tail, signal=number)
