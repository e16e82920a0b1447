"""The coordinator's side of an arm: starts its process, orders, waits without spinning, and types whatever ends it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO

from workers import processes
from workers.catalog.report import Arm
from workers.catalog.spec import RunSpec, Variant
from workers.measurement import environment, failures
from workers.measurement.messages import Answer, Deed, Failed, Order

MODULE = "workers.measurement.arm"
"""What an arm's process runs; a benchmark puts a spoiled one in its place."""
TAIL_LINES = 60
LINE_BYTES = 4_000
CHUNK = 65_536
MOST_ANSWER = 64_000_000
"""Bytes of one answer: eight artifacts of 4 MB and a long series of steps stay below."""
PULSE_S = 30.0
"""Between two looks at whether an arm that is busy with something long still computes."""
LONG = frozenset({"load", "convert", "first_call", "exact"})
"""Deeds that may rightly take minutes without a word; their own limit is the runner's time to start."""

PHASES: dict[Deed, str] = {
    "begin": "start", "load": "load", "convert": "convert", "first_call": "first_call", "steps": "measure",
    "memory": "memory", "exact": "memory", "count": "memory", "observe": "memory", "outputs": "quality", "perturb": "memory", "profile": "memory", "energy": "energy", "end": "report",
}  # fmt: skip


class ArmFailed(Exception):
    """An arm cannot go on: what it is called, where it stood, and what it means."""

    def __init__(self, arm: Arm, phase: str, failed: Failed, number: int | None = None) -> None:
        super().__init__(failed.message)
        self.arm: Arm = arm
        self.phase = phase
        self.failed = failed
        self.signal = number


class ArmProcess:
    """One arm's process; ends with the block.

    Args:
        spec: the run.
        arm: whose stack it applies.
        folder: an empty folder of its own.
    """

    def __init__(self, spec: RunSpec, arm: Arm, folder: Path) -> None:
        self.arm: Arm = arm
        self.spec = spec
        self.phase = "start"
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._answer = bytearray()
        self._line = bytearray()
        self._busy = 0.0
        self._deed: Deed = "begin"
        self._kills = processes.oom_kills()
        folder.mkdir()
        variables = dict(os.environ)
        variant: Variant = getattr(spec, arm)
        for technique in sorted(variant.stack, key=lambda each: each.order):
            variables |= technique.environment()
        # Every process builds its own compiled code; the time of a cache's hit would not be compile time.
        variables |= {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"), "TRITON_CACHE_DIR": str(folder / "triton")}
        variables.setdefault("KINETO_LOG_LEVEL", "99")
        self._process = subprocess.Popen(
            [sys.executable, *_flags(), "-m", MODULE, "--parent", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            process_group=0,
            bufsize=0,
        )
        self._selector = selectors.DefaultSelector()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            self._selector.register(pipe, selectors.EVENT_READ)

    def __enter__(self) -> ArmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it with what it has started: compilers work in processes of their own."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    @property
    def group(self) -> int:
        """Id of the process group that it and what it starts are in."""
        return self._process.pid

    @property
    def held_bytes(self) -> int:
        """Memory it has to itself at the moment."""
        return environment.held(self._process.pid)

    def begin(self) -> None:
        """Have it import its libraries; several arms may do so at once. The answer is waited for by ``wait``."""
        self.send(Order(deed="begin", spec=self.spec, arm=self.arm))

    def do(self, order: Order) -> Answer:
        """Send an order and wait for the answer.

        Raises:
            ArmFailed: the arm said that it failed, or ended.
        """
        self.send(order)
        return self.wait()

    def send(self, order: Order) -> None:
        """Write an order down the pipe.

        Raises:
            ArmFailed: nobody is there to read it.
        """
        self.phase = PHASES[order.deed]
        self._deed = order.deed
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.model_dump_json().encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None

    def wait(self) -> Answer:
        """Sleep until the answer is there; what the arm writes meanwhile goes to standard error.

        Raises:
            ArmFailed: the arm said that it failed, or ended.
        """
        while not self._answer.endswith(b"\n"):
            if len(self._answer) > MOST_ANSWER:
                message = f"The process answered with more than {MOST_ANSWER:,} bytes."
                raise ArmFailed(self.arm, self.phase, Failed(outcome="error", message=message))
            ready = self._selector.select(PULSE_S if self._deed in LONG else None)
            if not ready:
                self._pulse()
            for key, _ in ready:
                chunk = os.read(key.fd, CHUNK)
                if key.fileobj is self._process.stdout:
                    if not chunk:
                        raise self._ended()
                    self._answer += chunk
                elif chunk:
                    self._heard(chunk)
                else:
                    self._selector.unregister(key.fileobj)
        answer = Answer.model_validate_json(bytes(self._answer))
        self._answer.clear()
        if answer.failed:
            raise ArmFailed(self.arm, self.phase, answer.failed)
        return answer

    def _pulse(self) -> None:
        """Say that it still computes, when it does: loading or compiling may rightly take long in silence."""
        busy = environment.busy_seconds(self._process.pid)
        if busy - self._busy > PULSE_S / 10:
            sys.stderr.write(f"{self.arm}: still in {self.phase.replace('_', ' ')}, {busy:.0f} s of processor time\n")
            sys.stderr.flush()
        self._busy = busy

    def _heard(self, chunk: bytes) -> None:
        """Pass whole lines on and remember the last ones."""
        *whole, rest = (bytes(self._line) + chunk).split(b"\n")
        self._line[:] = rest[:LINE_BYTES]
        for line in whole:
            text = line[:LINE_BYTES].decode("utf-8", "replace")
            self._tail.append(text)
            # A line that opens like a progress line could be taken for one.
            sys.stderr.write(f"{self.arm}: {text}\n")
        sys.stderr.flush()

    def _ended(self) -> ArmFailed:
        """What it means that the process is gone."""
        code = self._process.wait()
        stderr: IO[bytes] | None = self._process.stderr
        assert stderr is not None
        os.set_blocking(stderr.fileno(), False)
        with suppress(BlockingIOError):
            while chunk := os.read(stderr.fileno(), CHUNK):
                self._heard(chunk)
        failed, number = failures.ended(code, "\n".join(self._tail), processes.oom_kills() > self._kills)
        return ArmFailed(self.arm, self.phase, failed, number)


def _flags() -> list[str]:
    """The isolation this interpreter was started with, so that arms import from where the coordinator does."""
    return ["-I"] if sys.flags.isolated else []
