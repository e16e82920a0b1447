"""Behaves as the name of the variant says: one of the nine misbehaving programs, or a short run that goes well.

It speaks as the measuring program does (spec on standard input, progress on standard error, report on standard output)
and imports only the standard library, so that a test can afford many runs of it.
"""

import argparse
import ctypes
import faulthandler
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOREVER_S = 600.0


def say(phase: str, fraction: float, message: str = "") -> None:
    print(json.dumps({"phase": phase, "message": message, "fraction": fraction}), file=sys.stderr, flush=True)


def report(outcome: str = "ok", **more: Any) -> None:
    print(json.dumps({"version": 1, "outcome": outcome, **more}), flush=True)


def well(arguments: argparse.Namespace) -> None:
    for step in range(1, 6):
        time.sleep(arguments.seconds / 5)
        say("measure", step / 6, f"block {step} of 5")
    latency = {"metric": "latency", "phase": "forward", "unit": "s", "n": 10}
    report(
        measurements=[
            {**latency, "arm": "baseline", "value": 0.02, "low": 0.019, "high": 0.021},
            {**latency, "arm": "variant", "value": 0.01, "low": 0.009, "high": 0.011},
        ],
        effects=[
            {
                "metric": "latency",
                "phase": "forward",
                "ratio": 0.5,
                "low": 0.45,
                "high": 0.55,
                "verdict": "faster",
                "pairs": 1,
            }
        ],
        environment={"program": "double"},
        seconds=arguments.seconds,
    )


def host_oom(arguments: argparse.Namespace) -> None:
    held = []
    while True:
        held.append(b"x" * 20_000_000)
        say("load", 0.1)
        time.sleep(0.02)


def device_oom(arguments: argparse.Namespace) -> None:
    report("oom_device", phase="measure", arm="variant", message="CUDA out of memory. Tried to allocate 20.00 GiB.")


def unsupported(arguments: argparse.Namespace) -> None:
    report("unsupported", phase="load", arm="variant", message="This technique needs the package bitsandbytes.")


def segfault(arguments: argparse.Namespace) -> None:
    ctypes.string_at(0)


def abort(arguments: argparse.Namespace) -> None:
    print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
    os.abort()


def exit_3(arguments: argparse.Namespace) -> None:
    print("\x1b[31mRuntimeError\x1b[0m: no kernel image\x07", file=sys.stderr, flush=True)
    os._exit(3)


def deaf_loop(arguments: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        say("measure", 0.5)
        time.sleep(0.05)


def blocked(arguments: argparse.Namespace) -> None:
    """Sits in native code with every signal blocked that can be."""
    say("measure", 0.5)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.CDLL(None).sleep(int(FOREVER_S))


def hoarder(arguments: argparse.Namespace) -> None:
    """Fills its folder with many files, each of them small."""
    for number in itertools.count():
        Path(arguments.scratch, str(number)).write_bytes(b"x" * 1_000_000)
        say("measure", 0.5)
        time.sleep(0.02)


def slow_start(arguments: argparse.Namespace) -> None:
    while True:
        say("load", 0.1)
        time.sleep(0.05)


def silent(arguments: argparse.Namespace) -> None:
    time.sleep(FOREVER_S)


def daemon(arguments: argparse.Namespace) -> None:
    """Leaves a process behind that has its own session and no mark, and writes down its pid."""
    code = "import sys, time; print('there', flush=True); time.sleep(600)"
    left = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env={}, stdout=subprocess.PIPE)
    assert left.stdout is not None
    left.stdout.readline()
    print(f"left {left.pid}", file=sys.stderr, flush=True)
    report()
    sys.stdout.flush()
    os._exit(0)


def flood(arguments: argparse.Namespace) -> None:
    for _ in range(1_000):
        sys.stdout.buffer.write(b"x" * 1_000_000)
    report(message="y" * 100_000_000)


def killed(arguments: argparse.Namespace) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leaky(arguments: argparse.Namespace) -> None:
    """Shows what it can see of its surroundings."""
    print(json.dumps({"environment": dict(os.environ), "files": os.listdir("/proc/self/fd")}), file=sys.stderr)
    Path(arguments.scratch, "left").write_text("x", encoding="ascii")
    report()


BEHAVIOURS: dict[str, Callable[[argparse.Namespace], None]] = {
    each.__name__: each
    for each in (
        host_oom,
        device_oom,
        unsupported,
        segfault,
        abort,
        exit_3,
        deaf_loop,
        blocked,
        hoarder,
        slow_start,
        silent,
        daemon,
        flood,
        killed,
        leaky,
    )
}


def main() -> None:
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory-limit", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--seconds", type=float, default=0.2)
    arguments = parser.parse_args()
    spec = json.load(sys.stdin)
    say("start", 0.0)
    BEHAVIOURS.get(spec["variant"]["name"], well)(arguments)


if __name__ == "__main__":
    main()
