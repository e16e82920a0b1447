"""A grid of stacks of the decoder that ships, measured on this CPU: what the guide's picks are held against (``make bench-guide``).

Five situations; in each of them every stack against the same fp32 baseline, by ``tradespace measure``. The result is data:
``tests/app/guide/test_grid.py`` asks the guide about each situation with what was measured in the others, and compares its pick
with the best that there is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workers.measurement import environment

TRADESPACE = Path(sys.executable).with_name("tradespace")
FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
INT8 = {"technique": "int8_weight_only"}
NF4 = {"technique": "nf4"}
COMPILE = {"technique": "torch_compile"}
AUTOCAST = {"technique": "autocast", "dtype": "bf16"}
CHECKPOINTS = {"technique": "gradient_checkpointing"}
PIECES = {"technique": "gradient_accumulation", "steps": 2}
CACHE = {"technique": "kv_cache", "implementation": "dynamic"}
INFERENCE = (
    [BF16], [FP32, COMPILE], [BF16, COMPILE], [FP32, INT8], [BF16, INT8], [FP32, INT8, COMPILE], [BF16, INT8, COMPILE], [BF16, NF4],
)  # fmt: skip
TRAINING = (
    [BF16], [FP32, AUTOCAST], [FP32, COMPILE], [FP32, CHECKPOINTS], [FP32, PIECES], [FP32, AUTOCAST, COMPILE],
    [FP32, AUTOCAST, CHECKPOINTS], [BF16, COMPILE],
)  # fmt: skip
SITUATIONS: dict[str, tuple[dict[str, Any], tuple[list[dict[str, Any]], ...]]] = {
    "one prompt": ({"name": "prefill", "batch_size": 1, "sequence_length": 128}, INFERENCE),
    "many prompts": ({"name": "prefill", "batch_size": 16, "sequence_length": 256}, INFERENCE),
    "an answer": ({"name": "generate", "batch_size": 1, "prompt_length": 64, "new_tokens": 24}, INFERENCE),
    "a small update": ({"name": "train_step", "batch_size": 2, "sequence_length": 128}, TRAINING),
    "a large update": ({"name": "train_step", "batch_size": 16, "sequence_length": 256}, TRAINING),
}
METRICS = ("latency", "memory.peak_allocated", "quality.perplexity", "quality.loss")


def study(name: str) -> dict[str, Any]:
    """The study of one situation."""
    workload, stacks = SITUATIONS[name]
    chat = workload["name"] == "generate"
    beside = [CACHE] if chat else []
    evaluation = "perplexity" if workload["name"] != "train_step" else "loss_trajectory"
    return {
        "name": f"guide's grid: {name}",
        "model": {"name": "reference_decoder"},
        "workload": workload,
        "evaluation": {"name": evaluation},
        "baseline": {"name": "fp32", "stack": [FP32, *beside]},
        "variants": [{"name": _name(stack), "stack": [*stack, *beside]} for stack in stacks],
        "device": "cpu",
        "effort": "quick",
    }


def _name(stack: list[dict[str, Any]]) -> str:
    return " + ".join(str(entry.get("dtype", entry["technique"])) for entry in stack)


def measured(name: str) -> dict[str, Any]:
    """One situation: the study, and of each run what counts for the guide."""
    with tempfile.TemporaryDirectory() as folder:
        order, reports = Path(folder) / "study.json", Path(folder) / "reports.json"
        order.write_text(json.dumps(study(name)))
        began = time.monotonic()
        done = subprocess.run(
            [str(TRADESPACE), "measure", str(order), "--json", str(reports)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        if not reports.exists():
            raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        held = json.loads(reports.read_text())
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return {"study": study(name), "runs": [_run(one) for one in _reports(held)]}


def _reports(held: Any) -> list[Any]:
    return held["runs"] if isinstance(held, dict) and "runs" in held else list(held)


def _run(one: dict[str, Any]) -> dict[str, Any]:
    report = one.get("report", one)
    effects = [each for each in report["effects"] if each["metric"] in METRICS]
    return {
        "variant": one["variant"], "outcome": report["outcome"],
        "ran": sorted({proof["ran"] for proof in report["proofs"] if proof["arm"] == "variant"}),
        "effects": [{name: each[name] for name in ("metric", "phase", "ratio", "low", "high", "verdict")} for each in effects],
    }  # fmt: skip


def ceilings() -> dict[str, Any]:
    """What this CPU can do at most."""
    told = subprocess.run(
        [sys.executable, "-m", "workers.measurement.ceilings"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def main() -> None:
    """Measure all situations and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("docs/results/guide-grid.json"))
    parser.add_argument("--only", choices=list(SITUATIONS), help="one situation, printed and not written")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(measured(asked.only), indent=1))
        return
    held = {
        "ceilings": ceilings(),
        "situations": {name: measured(name) for name in SITUATIONS},
        "environment": environment.host(),
    }
    asked.json.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
