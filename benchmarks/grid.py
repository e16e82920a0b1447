"""A grid of stacks of the decoder that ships, measured on this CPU: what the guide's picks are held against (``make bench-guide``).

Five situations; in each of them every stack against the same fp32 baseline. What is measured is kept with its whole reports in
``docs/results/guide/``: ``tests/app/guide/test_regret.py`` asks the guide about each situation with what was measured in the
others, and compares its choice with the best that there is. It takes half an hour, during which nothing else should run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import measure_demo
from scripts.demo_studies import Planned
from workers import isolation
from workers.catalog.spec import StudySpec

FOLDER = Path(__file__).parents[1] / "docs/results/guide"
FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
INT8 = {"technique": "int8_weight_only"}
NF4 = {"technique": "nf4"}
COMPILE = {"technique": "torch_compile"}
AUTOCAST = {"technique": "autocast", "dtype": "bf16"}
CHECKPOINTS = {"technique": "gradient_checkpointing"}
PIECES = {"technique": "gradient_accumulation", "steps": 2}
INFERENCE: tuple[list[dict[str, Any]], ...] = (
    [BF16], [FP32, COMPILE], [BF16, COMPILE], [FP32, INT8], [BF16, INT8], [FP32, INT8, COMPILE], [BF16, INT8, COMPILE], [BF16, NF4],
)  # fmt: skip
TRAINING: tuple[list[dict[str, Any]], ...] = (
    [BF16], [FP32, AUTOCAST], [FP32, COMPILE], [FP32, CHECKPOINTS], [FP32, PIECES], [FP32, AUTOCAST, COMPILE],
    [FP32, AUTOCAST, CHECKPOINTS], [BF16, COMPILE],
)  # fmt: skip
SITUATIONS: dict[str, tuple[dict[str, Any], tuple[list[dict[str, Any]], ...]]] = {
    "one-prompt": ({"name": "prefill", "batch_size": 1, "sequence_length": 64}, INFERENCE),
    "many-prompts": ({"name": "prefill", "batch_size": 16, "sequence_length": 256}, INFERENCE),
    "one-token": ({"name": "decode", "batch_size": 4, "context_length": 256}, INFERENCE),
    "small-update": ({"name": "train_step", "batch_size": 2, "sequence_length": 128}, TRAINING),
    "large-update": ({"name": "train_step", "batch_size": 16, "sequence_length": 256}, TRAINING),
}


def planned() -> Iterator[Planned]:
    """The study of each situation."""
    for word, (workload, stacks) in SITUATIONS.items():
        study = {
            "name": f"Grid for the guide: {word.replace('-', ' ')}",
            "model": {"name": "reference_decoder"},
            "workload": workload,
            "baseline": {"name": "fp32", "stack": [FP32]},
            "variants": [{"name": _name(stack), "stack": stack} for stack in stacks],
            "device": "cpu",
            "effort": "quick",
        }
        yield Planned(word, StudySpec.model_validate(study))


def _name(stack: list[dict[str, Any]]) -> str:
    return " + ".join(str(entry.get("dtype", entry["technique"])) for entry in stack)


def main() -> None:
    """Measure what was asked for, each situation into a file of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("situations", nargs="*", metavar="SITUATION", help=f"of {', '.join(SITUATIONS)} (default: all)")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    asked = parser.parse_args()
    unknown = set(asked.situations) - set(SITUATIONS)
    if unknown:
        parser.error(f"there is no situation {', '.join(sorted(unknown))}; there are {', '.join(SITUATIONS)}")
    chosen = [one for one in planned() if not asked.situations or one.word in asked.situations]
    asked.folder.mkdir(parents=True, exist_ok=True)
    stop = isolation.Stop()
    with tempfile.TemporaryDirectory() as data:
        measure_demo.on_this_machine(chosen, asked.folder, Path(data), stop)
    sys.exit(0)


if __name__ == "__main__":
    main()
