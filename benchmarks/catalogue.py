"""Every row of the catalogue on this machine's CPU, a few seconds each: what ran, and what it brought (``make catalogue``).

A row is an entry of a menu, or one choice of its first parameter that has choices. It is measured with the first of a few small
models and workloads that it fits, against fp32, with quality beside speed where it can be scored; one that fits none is listed with
the reason. The exit code is 1 when a row ends otherwise than measured or refused with a reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from app.terminal.beside import aligned
from scripts.measure_demo import Machine, measure_run, this_machine
from workers import isolation
from workers.catalog.applicability import problems
from workers.catalog.declared import Declared
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.models import MODELS
from workers.catalog.report import Effect, Report, ran_as
from workers.catalog.spec import RunSpec, StudySpec
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.validation import explain
from workers.catalog.workloads import WORKLOADS

FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
DECODER, VIT = {"name": "reference_decoder"}, {"name": "reference_vit"}
PERPLEXITY = {"name": "perplexity", "tokens": 2_048}
DIVERGENCE = {"name": "divergence"}
LOSSES = {"name": "loss_trajectory", "steps": 8, "trainings": 3}
SETTINGS: tuple[tuple[dict[str, Any], dict[str, Any], tuple[dict[str, Any] | None, ...]], ...] = (
    (DECODER, {"name": "prefill", "batch_size": 1, "sequence_length": 128}, (PERPLEXITY, DIVERGENCE, None)),
    (DECODER, {"name": "generate", "prompt_length": 32, "new_tokens": 16}, (PERPLEXITY, DIVERGENCE, None)),
    (DECODER, {"name": "decode", "batch_size": 1, "context_length": 64}, (PERPLEXITY, None)),
    (DECODER, {"name": "train_step", "batch_size": 2, "sequence_length": 64}, (LOSSES, None)),
    (VIT, {"name": "classify", "batch_size": 8}, ({"name": "accuracy"}, None)),
    (VIT, {"name": "train_step", "batch_size": 8}, (LOSSES, None)),
)
"""Model, workload and evaluations, the first that fit first."""
FINE = ("ok", "unsupported")
"""Outcomes of a row that is as it should be: measured, or refused with a reason."""


class Row(NamedTuple):
    """One row, and how it is measured; or why it cannot be."""

    menu: str
    name: str
    spec: RunSpec | None
    reason: str = ""


def rows() -> Iterator[Row]:
    """All rows of all menus."""
    for technique in TECHNIQUES:
        for entry in choices(technique):
            stacks = [[entry]] if technique.word == "precision" else [[FP32, entry], [entry], [BF16, entry]]
            orders = [
                _order(model, workload, evaluation, stack)
                for model, workload, evaluations in SETTINGS
                for stack in stacks
                for evaluation in evaluations
            ]
            yield _row("technique", technique, entry, orders)
    for model in MODELS:
        for entry in choices(model) if "family" in model.model_fields else [_default(model)]:
            orders = [_order(entry, workload, None, [BF16]) for _, workload, _ in SETTINGS]
            yield _row("model", model, entry, orders)
    for workload in WORKLOADS:
        entry = _default(workload)
        orders = [_order(model, entry, None, [BF16]) for model in (DECODER, VIT)]
        yield _row("workload", workload, entry, orders)
    for evaluation in EVALUATIONS:
        entry = _default(evaluation)
        orders = [_order(model, workload, entry, [BF16]) for model, workload, _ in SETTINGS]
        yield _row("evaluation", evaluation, entry, orders)


def choices(declared: type[Declared]) -> list[dict[str, Any]]:
    """An entry for each choice of the first parameter that has choices; one where none has."""
    for name, field in declared.model_fields.items():
        if name != declared.discriminator and get_origin(field.annotation) is Literal:
            return [_default(declared) | {name: value} for value in get_args(field.annotation)]
    return [_default(declared)]


def _default(declared: type[Declared]) -> dict[str, Any]:
    return {declared.discriminator: declared.word}


def _order(
    model: dict[str, Any], workload: dict[str, Any], evaluation: dict[str, Any] | None, stack: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": "Catalogue", "model": model, "workload": workload, "evaluation": evaluation, "effort": "quick",
        "baseline": {"name": "fp32", "stack": [FP32]}, "variants": [{"name": "row", "stack": stack}],
    }  # fmt: skip


def _row(menu: str, declared: type[Declared], entry: dict[str, Any], orders: Iterable[dict[str, Any]]) -> Row:
    """The row with the first order that has no problem; else with what is wrong with most of them."""
    chosen = ", ".join(str(value) for name, value in entry.items() if name != declared.discriminator)
    name = f"{declared.word} {chosen}".strip()
    wrong: Counter[str] = Counter()
    for order in orders:
        try:
            study = StudySpec.model_validate(order)
        except ValidationError as refused:
            said = explain(refused.errors(), order, StudySpec)
            wrong.update(f"{problem.field}: {problem.message}" for problem in said)
            continue
        found = problems(study)
        if not found:
            return Row(menu, name, next(run.spec for run in study.runs() if not run.is_baseline))
        wrong.update(problem.message for problem in found)
    return Row(menu, name, None, wrong.most_common(1)[0][0])


def measured(row: Row, number: int, machine: Machine, stop: isolation.Stop) -> dict[str, Any]:
    """A row of the table."""
    shown: dict[str, Any] = {"menu": row.menu, "row": row.name, "outcome": "refused", "reason": row.reason}
    if row.spec is None:
        return shown
    began = time.monotonic()
    run = measure_run(row.spec, f"row-{number}", None, machine, stop)
    if run is None:
        return shown | {"outcome": "stopped"}
    report = run.report
    shown |= {
        "outcome": report.outcome,
        "reason": report.message or "",
        "model": row.spec.model.word,
        "workload": row.spec.workload.word,
        "evaluation": row.spec.evaluation.word if row.spec.evaluation else None,
        "ran": ran_as(report.proofs, "variant"),
        "proofs": {proof.technique: proof.detail for proof in report.proofs if proof.arm == "variant"},
        "seconds": round(time.monotonic() - began, 1),
    }
    phase = row.spec.workload.main_phase
    for word, found in (
        ("time", _effect(report, "latency", phase)),
        ("memory", _effect(report, "memory.peak_allocated", phase)),
        ("quality", next((one for one in report.effects if one.metric.startswith("quality.")), None)),
    ):
        if found is not None:
            shown[word] = {"metric": found.metric, "ratio": found.ratio, "low": found.low, "high": found.high, "verdict": found.verdict}  # fmt: skip
    return shown


def _effect(report: Report, metric: str, phase: str) -> Effect | None:
    return next((one for one in report.effects if one.metric == metric and one.phase == phase), None)


def line(row: dict[str, Any]) -> tuple[str, ...]:
    """Cells of the printed table."""
    cells = [row["row"], row["outcome"], (row.get("ran") or "").replace("_", " ")]
    for word in ("time", "memory", "quality"):
        found = row.get(word)
        cells.append(f"×{found['ratio']:.3g} ({found['low']:.3g}–{found['high']:.3g})" if found else "–")
    return (*cells, row["reason"][:110])


def main() -> None:
    """Measure what was asked for, print the table, and judge."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("only", nargs="*", metavar="WORD", help="rows whose names begin so (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    asked = parser.parse_args()
    chosen = [row for row in rows() if not asked.only or row.name.startswith(tuple(asked.only))]
    stop = isolation.Stop()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as data, this_machine(Path(data), stop) as machine:
        for number, row in enumerate(chosen, start=1):
            found.append(measured(row, number, machine, stop))
            print(f"{number}/{len(chosen)} {'  '.join(line(found[-1]))}", flush=True)
    print()
    for menu in dict.fromkeys(row["menu"] for row in found):
        print(f"{menu.capitalize()}s: outcome, what ran; over fp32: time, peak of memory, quality; why not")
        print("\n".join(aligned(line(row) for row in found if row["menu"] == menu)))
        print()
    print(", ".join(f"{count} {outcome}" for outcome, count in Counter(row["outcome"] for row in found).most_common()))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.exit(int(any(row["outcome"] not in (*FINE, "refused") for row in found)))


if __name__ == "__main__":
    main()
