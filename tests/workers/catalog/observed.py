"""Builds a model with a stack and looks at one step of work, as the measuring program does, for tests of proofs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from workers.catalog.model import Model
from workers.catalog.report import Proof
from workers.catalog.technique import DeviceFacts, Evidence, LoadOptions, Technique, Verified
from workers.catalog.workload import Bench, Session, Workload

CPU = DeviceFacts("cpu", "a CPU", cpu_flags=frozenset({"avx512_bf16", "avx512_fp16"}))


def bench(model: Model, stack: Sequence[Technique] = (), seed: int = 0) -> Bench:
    """The model, loaded, transformed and compiled in the order in which the stack acts."""
    ordered = sorted(stack, key=lambda technique: technique.order)
    options = LoadOptions(seed=seed)
    for technique in ordered:
        options = technique.load_options(options)
    built = model.build(options)
    for technique in ordered:
        built = technique.convert(model, built, seed)
    for technique in ordered:
        built = technique.compile(built)
    return Bench(built, model, ordered, "cpu", seed)


def steps(session: Session, count: int = 1) -> list[str]:
    """Make some steps; returns the phases that were marked."""
    marks: list[str] = []
    for _ in range(count):
        session.step(marks.append)
        session.between()
    return marks


def evidence(workload: Workload, ready: Bench) -> Evidence:
    """What one step shows, after a first one that set everything up; read as the measuring program reads it."""
    import torch
    from torch._dynamo.utils import counters

    from workers.measurement.probes import evidence as collected
    from workers.measurement.probes import products

    counters.clear()
    forget_graphs()
    products.watch_compiler()
    session = workload.prepare(ready)
    steps(session)
    recorded = collected.observe(torch.device("cpu"), session.step)
    session.between()
    return collected.collect(CPU, recorded, ready.model, session.facts(), ready.stack)


def forget_graphs() -> None:
    """Have no graph compiled so far, as in a fresh process."""
    from workers.measurement.probes import products

    for counts in products._compiled:
        counts.clear()


def proven(technique: Technique, workload: Workload, model: Model, *others: Technique) -> Verified:
    """What a technique's proof says after really running, alone or with others."""
    return technique.proof(evidence(workload, bench(model, (technique, *others))))


def verdicts(workload: Workload, model: Model, *stack: Technique) -> dict[str, str]:
    """What every proof of a stack says, by the technique's word."""
    seen = evidence(workload, bench(model, stack))
    found = {technique.word: technique.proof(seen) for technique in stack}
    for word, verified in found.items():
        Proof(technique=word, arm="variant", ran=verified.ran, detail=verified.detail)
    return {word: verified.ran for word, verified in found.items()}


def without(seen: Evidence, **changes: Any) -> Evidence:
    """The same evidence with some of it replaced: what a silent fall-back would have shown."""
    return dataclasses.replace(seen, **changes)
