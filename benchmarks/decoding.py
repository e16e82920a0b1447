"""Decoding time predicted: two measured steps calibrate this CPU, and five others are predicted (``make bench-decoding``).

Steps are taken in turns within one process, so that what else happens on the machine meets all of them alike. The exit code
is 1 when the goal was missed.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from app.planner.calibration import Decoded, calibrated
from app.planner.models import families
from app.planner.work import read_bytes
from benchmarks.sized import sized
from workers.measurement import environment

GOAL = 0.10
ROUNDS = 9
STEPS = 5


class Case(NamedTuple):
    """One decoding step: a decoder, tokens before the new one, sequences."""

    name: str
    hidden: int
    layers: int
    kv_heads: int | None
    context: int
    vocabulary: int


CALIBRATING = (
    Case("small", 768, 6, None, 64, 8_192),
    Case("large", 1_536, 16, None, 64, 8_192),
)
PREDICTED = (
    Case("in between", 1_024, 12, None, 64, 8_192),
    Case("wide and shallow", 2_048, 4, None, 64, 8_192),
    Case("deep and narrow", 640, 24, None, 64, 8_192),
    Case("grouped heads, a large vocabulary", 1_024, 8, 4, 64, 32_768),
    Case("a long context", 1_024, 12, None, 1_024, 8_192),
)


class Step:
    """A decoder with its cache, ready for one token more."""

    def __init__(self, case: Case) -> None:
        import torch
        from transformers import DynamicCache

        self.case = case
        declared = sized(case.hidden, case.layers, kv_heads=case.kv_heads, vocabulary=case.vocabulary)
        from workers.catalog.technique import LoadOptions

        self.model = declared.build(LoadOptions()).eval()
        self.anatomy = families.read(self.model.config.to_dict())
        self.cache = DynamicCache()
        with torch.inference_mode():
            prompt = torch.randint(0, case.vocabulary, (1, case.context))
            self.model(input_ids=prompt, past_key_values=self.cache, use_cache=True)
        self.token = prompt[:, :1]

    @property
    def bytes(self) -> float:
        """Read of weights and cache."""
        return read_bytes(self.anatomy, "fp32", "fp32", "fp32", 1, self.case.context)

    def seconds(self) -> float:
        """Median of some steps, the cache cut back after each."""
        import torch

        times = []
        with torch.inference_mode():
            for _ in range(STEPS):
                began = perf_counter()
                self.model(input_ids=self.token, past_key_values=self.cache, use_cache=True)
                times.append(perf_counter() - began)
                self.cache.crop(-1)
        return statistics.median(times)


def measured() -> dict[str, tuple[Decoded, float]]:
    """Every step with its bytes, and the spread of its rounds."""
    import torch

    torch.set_num_threads(environment.physical_cores())
    steps = [Step(case) for case in (*CALIBRATING, *PREDICTED)]
    rounds: dict[str, list[float]] = {step.case.name: [] for step in steps}
    for number in range(ROUNDS + 1):
        for step in steps if number % 2 else steps[::-1]:
            took = step.seconds()
            if number:
                rounds[step.case.name].append(took)
    found = {}
    for step in steps:
        times = rounds[step.case.name]
        typical = statistics.median(times)
        spread = (max(times) - min(times)) / typical
        found[step.case.name] = Decoded(layers=step.case.layers, bytes=step.bytes, seconds=typical), spread
    return found


def main() -> None:
    """Measure, calibrate with two, predict the others, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    steps = measured()
    calibration = calibrated([steps[case.name][0] for case in CALIBRATING])
    if calibration is None:
        sys.exit("the two steps do not tell a layer's cost from a byte's")
    print(
        f"a layer {calibration.layer_s * 1e6:.0f} µs, {calibration.bandwidth / 1e9:.2f} GB/s, from {', '.join(case.name for case in CALIBRATING)}"
    )
    rows: list[dict[str, Any]] = []
    for case in (*CALIBRATING, *PREDICTED):
        step, spread = steps[case.name]
        expected = calibration.seconds(step.layers, step.bytes)
        error = expected / step.seconds - 1
        rows.append(
            {
                "name": case.name,
                "layers": step.layers,
                "bytes": step.bytes,
                "seconds": step.seconds,
                "spread": spread,
                "predicted": expected,
                "error": error,
                "calibrating": case in CALIBRATING,
            }
        )
        print(
            f"{case.name:36} {step.bytes / 1e6:8.1f} MB {step.seconds * 1e3:8.2f} ms (spread {spread:.0%}) predicted {expected * 1e3:8.2f} ms {error:+.1%}{' calibrates' if case in CALIBRATING else ''}"
        )
    median = statistics.median(abs(row["error"]) for row in rows if not row["calibrating"])
    print(f"median error of {len(PREDICTED)} predicted steps {median:.1%} (goal {GOAL:.0%})")
    if asked.json:
        asked.json.write_text(
            json.dumps(
                {
                    "goal": GOAL,
                    "median_error": median,
                    "layer_s": calibration.layer_s,
                    "bandwidth": calibration.bandwidth,
                    "steps": rows,
                    "environment": environment.host(),
                },
                indent=1,
            )
            + "\n"
        )
    sys.exit(int(median > GOAL))


if __name__ == "__main__":
    main()
