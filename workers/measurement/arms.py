"""The coordinator's side of an arm: starts its process, asks, and turns whatever ends it into a failure."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from workers.catalog.report import Arm, Outcome
from workers.catalog.spec import RunSpec
from workers.measurement.messages import Failure, Order

TAIL_BYTES = 8_000


class ArmFailed(Exception):
    """An arm cannot go on."""

    def __init__(self, arm: Arm, failure: Failure, number: int | None = None) -> None:
        super().__init__(failure.message)
        self.arm: Arm = arm
        self.failure = failure
        self.signal = number


class ArmProcess:
    """One arm's process, as long as the block lasts.

    Args:
        spec: the run.
        arm: whose stack it applies.
        pair: number of the pair of processes.
        scratch: folder of the sitting.
        memory_bytes: what the arm may hold, or None.
    """

    def __init__(self, spec: RunSpec, arm: Arm, pair: int, scratch: Path, memory_bytes: int | None) -> None:
        self.arm: Arm = arm
        self.phase = "start"
        folder = scratch / f"{arm}-{pair}"
        folder.mkdir()
        environment = dict(os.environ)
        # Compiled code must be built by every process, or its time would be the cache's.
        environment |= {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"), "TRITON_CACHE_DIR": str(folder / "triton")}
        for technique in getattr(spec, arm).stack:
            environment |= technique.environment()
        self._stderr: IO[bytes] = tempfile.TemporaryFile(dir=folder)
        self._process = subprocess.Popen(
            [sys.executable, *_flags(), "-m", "workers.measurement.arm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
        )
        order = Order(
            spec=spec,
            arm=arm,
            seed=spec.seed + pair,
            scratch=str(folder),
            parent=os.getpid(),
            memory_bytes=memory_bytes,
        )
        self._say(order.model_dump_json())

    def __enter__(self) -> "ArmProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            ArmFailed: the arm said that it failed, or ended.
        """
        self.phase = {"steps": "measure", "work": "memory", "proofs": "memory", "score": "quality"}.get(do, do)
        self._say(json.dumps({"do": do, **fields}))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise ArmFailed(self.arm, Failure.model_validate(answer["failure"]))
        return answer

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> ArmFailed:
        """What it means that the process is gone."""
        kills = oom_kills()
        code = self._process.wait()
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - TAIL_BYTES))
        tail = self._stderr.read().decode("utf-8", "replace")
        outcome: Outcome
        if code == -signal.SIGKILL:
            outcome = "oom_host" if kills > STARTED_WITH else "killed_unknown"
            message = (
                "The kernel killed the measuring process because memory had run out."
                if outcome == "oom_host"
                else "Something outside killed the measuring process; there is no sign that memory had run out."
            )
        elif code < 0:
            outcome, message = "crashed", f"The measuring process crashed with {signal.Signals(-code).name}."
        else:
            outcome, message = "error", f"The measuring process ended with exit code {code} and without an answer."
        failure = Failure(outcome=outcome, phase=self.phase, message=message, tail=tail or None)
        return ArmFailed(self.arm, failure, -code if code < 0 else None)


def _flags() -> list[str]:
    """The isolation this interpreter was started with, so that arms import from where the coordinator does."""
    return ["-I"] if sys.flags.isolated else []


def oom_kills() -> int:
    """How often the kernel has killed for lack of memory on this machine or in this container."""
    count = 0
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")):
        if path.exists():
            for line in path.read_text().splitlines():
                name, _, value = line.partition(" ")
                count += int(value) if name == "oom_kill" else 0
    return count


STARTED_WITH = oom_kills()
