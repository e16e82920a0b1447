"""How long a study of six variants with quality takes, start to end, by `tradespace measure` with no server."""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TRADESPACE = Path(sys.executable).with_name("tradespace")
FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
STUDY: dict[str, Any] = {
    "name": "six variants of the decoder that ships",
    "model": {"name": "reference_decoder"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "evaluation": {"name": "perplexity"},
    "baseline": {"name": "fp32", "stack": [FP32]},
    "variants": [
        {"name": "bf16", "stack": [BF16]},
        {"name": "bf16 autocast", "stack": [{"technique": "autocast", "dtype": "bf16"}]},
        {"name": "int8 weights", "stack": [FP32, {"technique": "int8_weight_only"}]},
        {"name": "flash attention", "stack": [FP32, {"technique": "attention", "backend": "flash"}]},
        {"name": "math attention", "stack": [FP32, {"technique": "attention", "backend": "math"}]},
        {"name": "compile", "stack": [FP32, {"technique": "torch_compile"}]},
    ],
    "device": "cpu",
    "effort": "standard",
}


def seconds() -> tuple[float, str]:
    """Seconds the study took, and the table it ended with."""
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "study.json"
        order.write_text(json.dumps(STUDY))
        began = time.monotonic()
        done = subprocess.run(
            [str(TRADESPACE), "measure", str(order)], capture_output=True, text=True, check=False, cwd=folder
        )
        took = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"the study ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return took, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
