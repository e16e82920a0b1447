"""Starts the measuring program as a worker would, and reads what it says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workers.catalog.report import Report

FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
SPEC: dict[str, Any] = {
    "model": {"name": "mlp", "width": 256, "layers": 3},
    "workload": {"name": "classify", "batch_size": 32},
    "evaluation": {"name": "divergence", "items": 64},
    "baseline": {"name": "fp32", "stack": [FP32]},
    "variant": {"name": "bf16", "stack": [BF16]},
}
COMMAND = (sys.executable, "-I", "-m", "workers.measurement")


def measure(spec: dict[str, Any], *options: str) -> tuple[Report, list[dict[str, Any]]]:
    """The report of one run, and its progress lines."""
    done = subprocess.run(
        [*COMMAND, *options], input=json.dumps(spec), capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "standard output holds the report and nothing else"
    return Report.model_validate_json(done.stdout), progress(done.stderr)


def progress(text: str) -> list[dict[str, Any]]:
    """The progress lines among what went to standard error."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def hurt(spec: dict[str, Any], phase: str, arm: str, how: signal.Signals) -> Report:
    """Send a signal to an arm's process once the program has reached a phase."""
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdin.write(json.dumps(spec))
        run.stdin.close()
        for line in run.stderr:
            if line.startswith("{") and json.loads(line)["phase"] == phase:
                break
        baseline, variant = sorted(arms(run.pid))
        os.kill(baseline if arm == "baseline" else variant, how)
        run.stderr.read()
        report = Report.model_validate_json(run.stdout.read())
    assert run.returncode == 0
    return report


def arms(coordinator: int) -> list[int]:
    """Processes the coordinator has started, in the order in which it did."""
    return [int(pid) for pid in Path(f"/proc/{coordinator}/task/{coordinator}/children").read_text().split()]
