"""How close the planner's formulas come to counts on fake tensors, and those to the allocator's events.

``python -m benchmarks.planner [--json FILE]``. The formulas' tensors were read off the code of transformers and held against
counts of the families in ``FITTED``; those in ``HELD_OUT`` were chosen, and what their layers keep was written down, before any
of their counts was looked at. Six were held out at first. Their thirteen steps lay within 0.1 % in the median and 2.4 % at most;
two of them showed that attention's result is copied where rotary positions are concatenated (Phi 3, GPT-NeoX), one that passing
scores had been added to tensors gone by then (Mistral). The formulas follow that now, those three count as fitted, and four
others were held out in their place; Gemma 3, and thirteen more steps of the others, came when half of the steps no longer were. Mixtures of experts are fitted (what their backward pass holds for a moment, and DeepSeek V3's
router), and in bfloat16 alone, for which fake tensors have their product. The exit code is 1 when a goal was missed.
"""

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from app.planner.memory import training
from app.planner.models import families
from benchmarks.planned_steps import Step
from workers.catalog.workload import unmarked
from workers.measurement import environment
from workers.measurement.probes import anatomy, fakes, memory

MIB = 2**20
FITTED = ("llama", "qwen3", "gemma", "gpt2", "mistral", "phi3", "gpt_neox", "mixtral", "qwen3_moe", "deepseek_v3")
HELD_OUT = ("qwen2", "granite", "olmo2", "stablelm", "starcoder2", "glm4", "smollm3", "gemma3_text")
GOAL_MEDIAN, GOAL_MOST = 0.01, 0.03
GOAL_EVENTS = MIB
"""Bytes by which a count may differ from the allocator's events."""

GROUPED, ONE, ALL = ({"num_key_value_heads": count} for count in (2, 1, 8))
HEAD = {"head_dim": 64}
CLOSED: tuple[Step, ...] = (
    Step("llama", GROUPED),
    Step("llama", ALL, checkpointing=True, batch=4),
    Step("llama", ONE, dtype="bf16", stepping="adamw foreach"),
    Step("llama", GROUPED, rank=16, length=1_024),
    Step("llama", ALL | {"vocab_size": 2_048}, flash=False),
    Step("llama", GROUPED | {"vocab_size": 2_048}, batch=1, length=256, stepping="adamw"),
    Step("qwen3", GROUPED | HEAD, dtype="bf16", batch=4),
    Step("qwen3", GROUPED | HEAD, stepping="sgd momentum", checkpointing=True),
    Step("qwen3", GROUPED | HEAD | {"tie_word_embeddings": True}, batch=1, stepping="adafactor"),
    Step("gemma", ONE | HEAD, dtype="bf16"),
    Step("gemma", ALL | HEAD, batch=1, length=256, stepping="adafactor"),
    Step("gpt2"),
    Step("gpt2", dtype="bf16", stepping="sgd momentum"),
    Step("mistral", GROUPED),
    Step("mistral", ALL | {"vocab_size": 2_048}, flash=False, dtype="bf16", stepping="adamw foreach"),
    Step("mistral", GROUPED, rank=8, dtype="bf16", checkpointing=True, batch=4),
    Step("qwen2", GROUPED, checkpointing=True, dtype="bf16", length=1_024),
    Step("qwen2", ALL, stepping="adafactor", batch=1, length=256),
    Step("granite", GROUPED, dtype="bf16", stepping="sgd momentum"),
    Step("granite", ONE, batch=1, stepping="adamw foreach"),
    Step("phi3", GROUPED, batch=4),
    Step("phi3", ALL, checkpointing=True, stepping="sgd momentum"),
    Step("olmo2", GROUPED, dtype="bf16"),
    Step("olmo2", ALL | {"vocab_size": 4_096}, length=1_024, stepping="adamw"),
    Step("stablelm", GROUPED, batch=4, length=256),
    Step("stablelm", ALL | {"vocab_size": 4_096}, dtype="bf16", checkpointing=True, length=1_024),
    Step("stablelm", GROUPED | {"vocab_size": 2_048}, rank=16, stepping="adamw foreach"),
    Step("starcoder2", ONE, dtype="bf16"),
    Step("starcoder2", GROUPED | {"vocab_size": 2_048}, flash=False, stepping="sgd momentum"),
    Step("glm4", GROUPED | HEAD | {"vocab_size": 4_096}, dtype="bf16", batch=4),
    Step("glm4", GROUPED | HEAD, stepping="adafactor", length=1_024),
    Step("smollm3", GROUPED | {"vocab_size": 2_048}, dtype="bf16", flash=False, stepping="adamw foreach"),
    Step("smollm3", ONE, checkpointing=True, batch=1, length=256),
    Step("qwen2", GROUPED | {"vocab_size": 512}, checkpointing=True, batch=8),
    Step("granite", GROUPED | {"vocab_size": 512}, checkpointing=True, flash=False),
    Step("olmo2", GROUPED | {"vocab_size": 512}, dtype="bf16", checkpointing=True, batch=4, stepping="sgd momentum"),
    Step("starcoder2", GROUPED | {"vocab_size": 512}, checkpointing=True, batch=4),
    Step("glm4", GROUPED | HEAD | {"vocab_size": 512}, rank=16, checkpointing=True, batch=4),
    Step("smollm3", ONE | {"vocab_size": 512}, batch=1, length=128, stepping="sgd momentum"),
    Step("gpt_neox", batch=4, length=256),
    Step("gpt_neox", {"vocab_size": 4_096}, dtype="bf16", checkpointing=True, stepping="adamw foreach", length=1_024),
    Step("llama", GROUPED, dtype="autocast"),
    Step(
        "llama", ALL | {"vocab_size": 2_048}, dtype="autocast", checkpointing=True, pieces=4, stepping="adamw foreach"
    ),
    Step("llama", ALL | {"vocab_size": 512}, dtype="autocast", checkpointing=True, batch=8),
    Step("gpt2", dtype="autocast", stepping="sgd momentum"),
    Step("mistral", GROUPED | {"vocab_size": 2_048}, dtype="autocast", flash=False),
    Step("phi3", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("gemma", ONE | HEAD | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("qwen3", GROUPED | HEAD | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("stablelm", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("olmo2", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("gpt_neox", {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("llama", GROUPED, pieces=2, batch=1),
    Step(
        "qwen3", GROUPED | HEAD | {"tie_word_embeddings": True}, pieces=4, batch=1, length=128, stepping="sgd momentum"
    ),
    Step("qwen2", GROUPED | {"vocab_size": 512}, dtype="bf16", pieces=2, checkpointing=True),
    Step("mistral", GROUPED, checkpointing=True, every=3, batch=4),
    Step("granite", GROUPED | {"vocab_size": 512}, checkpointing=True, every=2, dtype="bf16"),
    Step("olmo2", ALL | {"vocab_size": 512}, checkpointing=True, every=7, batch=4),
    Step("mixtral", GROUPED, dtype="bf16"),
    Step("mixtral", GROUPED | {"vocab_size": 2_048}, dtype="bf16", batch=4, stepping="adamw foreach"),
    Step("mixtral", GROUPED | {"vocab_size": 512}, dtype="bf16", checkpointing=True, batch=16, stepping="sgd momentum"),
    Step("qwen3_moe", GROUPED | HEAD | {"vocab_size": 2_048}, dtype="bf16", batch=8, stepping="sgd momentum"),
    Step("qwen3_moe", ONE | HEAD | {"vocab_size": 512}, dtype="bf16", checkpointing=True, batch=8),
    Step("deepseek_v3", dtype="bf16"),
    Step("deepseek_v3", {"vocab_size": 2_048}, dtype="bf16", batch=8, stepping="sgd momentum"),
    Step("deepseek_v3", {"vocab_size": 512}, dtype="bf16", batch=16, checkpointing=True, stepping="sgd momentum"),
    # Held out when half of the steps no longer were: chosen before any of them was counted.
    Step("granite", ALL, pieces=2, stepping="adamw foreach"),
    Step("glm4", GROUPED | HEAD | {"vocab_size": 512}, dtype="bf16", checkpointing=True, batch=4),
    Step("starcoder2", ONE | {"vocab_size": 4_096}, dtype="bf16", length=1_024, stepping="adamw foreach"),
    Step("gemma3_text", GROUPED | HEAD | {"vocab_size": 2_048}, dtype="bf16", batch=4),
    Step("gemma3_text", ONE | HEAD, stepping="adamw foreach"),
    Step("gemma3_text", GROUPED | HEAD | {"vocab_size": 512}, checkpointing=True, batch=4),
    Step("qwen2", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("granite", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("starcoder2", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("smollm3", GROUPED | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("glm4", GROUPED | HEAD | {"vocab_size": 2_048}, dtype="autocast", batch=4),
    Step("smollm3", GROUPED, pieces=4, batch=1, stepping="sgd momentum"),
    Step("stablelm", GROUPED | {"vocab_size": 512}, checkpointing=True, every=3, batch=4),
    Step("qwen2", GROUPED, rank=16, dtype="bf16", checkpointing=True, batch=4),
)
SMALL: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3, "vocab_size": 4_096}
SMALL_GPT2: dict[str, Any] = {"n_embd": 256, "n_inner": 512, "n_layer": 3, "vocab_size": 4_096}
COMPUTED: tuple[Step, ...] = (
    Step("llama", GROUPED | SMALL, length=256),
    Step("llama", GROUPED | SMALL, length=256, checkpointing=True),
    Step("llama", GROUPED | SMALL, dtype="bf16", length=64, stepping="adamw foreach"),
    Step("mistral", ONE | SMALL, length=256, flash=False),
    Step("qwen2", ALL | SMALL, length=128, stepping="adafactor"),
    Step("qwen3", GROUPED | HEAD | SMALL, length=256, rank=8),
    Step("gemma", ONE | HEAD | SMALL, length=256, stepping="sgd momentum"),
    Step("phi3", GROUPED | SMALL, length=256, batch=4),
    Step("olmo2", GROUPED | SMALL, length=128, dtype="bf16", batch=1),
    Step("gpt2", SMALL_GPT2, length=256),
    Step("gpt_neox", SMALL, length=256, checkpointing=True, stepping="adamw"),
)
"""Computed on this machine, so small."""
SURROUNDINGS = ("cpu.model", "cpu.architecture", "cpu.physical", "cpu.virtual", "memory.total_bytes", "os.system")


class Row(NamedTuple):
    """One step by two ways."""

    step: Step
    told: float
    """Bytes by the way that is checked."""
    true: float
    """Bytes by the way it is checked by."""
    instant: str
    seconds: float
    """What the count took."""

    @property
    def error(self) -> float:
        """Share by which it is off."""
        return self.told / self.true - 1


def closed(steps: Sequence[Step] = CLOSED) -> list[Row]:
    """The planner's formulas against counts on fake tensors."""
    rows = []
    for step in steps:
        began = time.monotonic()
        peaks = fakes.count(step.prepare, "cpu", "step").peaks
        seconds = time.monotonic() - began
        found = training.needed(families.read(step.config), step.asked)
        rows.append(Row(step, found.peak.bytes, peaks[0].allocated, found.peak.name, seconds))
    return rows


def computed(steps: Sequence[Step] = COMPUTED) -> list[Row]:
    """Counts on fake tensors against torch's allocation events of the same step on real ones."""
    rows = []
    for step in steps:
        began = time.monotonic()
        peaks = fakes.count(step.prepare, "cpu", "step").peaks
        seconds = time.monotonic() - began
        before = sum(memory.held(torch.device("cpu")).values())
        model, session = step.prepare()
        session.step(unmarked)
        gc.collect()
        events = anatomy.of_step(model, session, torch.device("cpu"), "step").peaks
        highest = max(events[1:], key=lambda peak: peak.allocated).phase
        rows.append(Row(step, peaks[0].allocated, events[0].allocated - before, highest, seconds))
    return rows


def main() -> int:
    """Print both tables; returns 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planner", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    formulas, counts = closed(), computed()
    print("The planner's formulas against counts on fake tensors: peak of a training step")
    print(f"{'family':10}{'step':82}{'closed MiB':>11}{'exact MiB':>11}{'error':>8}  decides")
    for row in formulas:
        family = row.step.family + ("" if row.step.family in FITTED else " *")
        print(
            f"{family:10}{row.step.label:82}{row.told / MIB:11.1f}{row.true / MIB:11.1f}{row.error:+8.2%}  {row.instant}"
        )
    summary = {
        "all": _errors(formulas),
        "fitted": _errors([row for row in formulas if row.step.family in FITTED]),
        "held_out": _errors([row for row in formulas if row.step.family in HELD_OUT]),
    }
    for name, each in summary.items():
        print(
            f"{name.replace('_', ' '):10}{each['n']:3} steps: |error| median {each['median']:.2%}, largest {each['most']:.2%}"
        )
    print("* held out: nothing about these families was fitted")
    print("\nCounts on fake tensors against the allocator's events of the same step, computed")
    print(f"{'family':10}{'step':82}{'exact B':>14}{'events B':>14}{'difference':>12}")
    for row in counts:
        print(f"{row.step.family:10}{row.step.label:82}{row.told:14,.0f}{row.true:14,.0f}{row.told - row.true:+12,.0f}")
    met = goals_met(summary, counts)
    print(
        f"goals {'met' if met else 'MISSED'}: median {GOAL_MEDIAN:.0%}, largest {GOAL_MOST:.0%}; {GOAL_EVENTS:,} bytes of the events"
    )
    if chosen.json:
        kept = {"environment": _surroundings(), "met": met, "summary": summary}
        kept |= {"closed": [_plain(row) for row in formulas], "computed": [_plain(row) for row in counts]}
        chosen.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if met else 1


def goals_met(summary: Mapping[str, Mapping[str, float]], counts: Sequence[Row]) -> bool:
    """Whether formulas are close over all steps and over those of families that were held out, and counts to events.

    Args:
        summary: median and largest errors by group of steps.
        counts: counts against events.
    """
    close = all(
        summary[group]["median"] <= GOAL_MEDIAN and summary[group]["most"] <= GOAL_MOST for group in ("all", "held_out")
    )
    return close and all(abs(row.told - row.true) <= GOAL_EVENTS for row in counts)


def _errors(rows: Sequence[Row]) -> dict[str, float]:
    errors = [abs(row.error) for row in rows]
    return {"n": len(errors), "median": statistics.median(errors), "most": max(errors)}


def _plain(row: Row) -> dict[str, Any]:
    return {
        "family": row.step.family,
        "held_out": row.step.family in HELD_OUT,
        "step": row.step.label,
        "config": row.step.config,
        "told_bytes": row.told,
        "true_bytes": row.true,
        "instant": row.instant,
        "seconds": round(row.seconds, 2),
    }


def _surroundings() -> dict[str, Any]:
    host = environment.host()
    return {name: host[name] for name in SURROUNDINGS if name in host} | {
        "python.version": platform.python_version(),
        "package.torch": version("torch"),
        "package.transformers": version("transformers"),
    }


if __name__ == "__main__":
    sys.exit(main())
