"""How long one answer of the planner takes, with the ways that make a question fit: every known model on every known device.

``python -m benchmarks.plans [--json FILE]``. One after the other in one process, as the server answers, in seconds of a processor, so
that what else runs does not count; what is kept from one question to the next was asked for before. The exit code is 1 when the goal
was missed.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from time import process_time
from typing import NamedTuple

from app.planner import machines
from app.planner.models import known
from app.planner.plan import plan
from app.planner.question import Phase, Question, of_body

GOAL = 0.05
"""Seconds that 99 of 100 answers take at most."""
PHASES: tuple[Phase, ...] = ("inference", "training", "qlora")
SLOWEST = 5
"""Questions that are named."""


class Answer(NamedTuple):
    """One answer, and what it took."""

    model: str
    phase: Phase
    device: str
    verdict: str
    ways: int
    seconds: float


def answers() -> list[Answer]:
    """Every model in every phase on every device."""
    found = []
    for model in known.models():
        for phase in PHASES:
            for device in machines.known():
                question = Question(model=model.name, phase=phase, batch=4, device=device.title)
                began = process_time()
                answer = plan(of_body(question))
                took = process_time() - began
                assert answer.fit is not None
                found.append(Answer(model.name, phase, device.title, answer.fit.verdict, len(answer.ways), took))
    return found


def main() -> int:
    """Ask, print the table; returns 1 when the goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    for model in known.models():
        plan(of_body(Question(model=model.name)))
    found = answers()
    seconds = sorted(answer.seconds for answer in found)
    middle, most = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    met = most <= GOAL
    print(
        f"{len(found):,} plans, {sum(answer.ways > 0 for answer in found):,} of them with ways: median {middle * 1e3:.1f} ms, "
        f"99th percentile {most * 1e3:.1f} ms, longest {seconds[-1] * 1e3:.1f} ms; goal {GOAL * 1e3:.0f} ms {'met' if met else 'MISSED'}"
    )
    for answer in sorted(found, key=lambda each: -each.seconds)[:SLOWEST]:
        print(f"{answer.seconds * 1e3:7.1f} ms  {answer.model}, {answer.phase} on {answer.device}: {answer.verdict}, {answer.ways} ways")  # fmt: skip
    if chosen.json:
        kept = {"met": met, "plans": len(found), "median_s": middle, "p99_s": most, "longest_s": seconds[-1]}
        chosen.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
