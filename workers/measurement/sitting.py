"""The sitting: baseline and variant side by side in fresh processes, in turns, pair by pair; then everything else is read."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import numpy as np

from workers.catalog.lease import Progress
from workers.catalog.report import Arm, Proof, Report
from workers.catalog.spec import RunSpec
from workers.measurement import environment, protocol, statistics
from workers.measurement.arms import ArmFailed, ArmProcess
from workers.measurement.record import Record
from workers.measurement.summary import summarise

Tell = Callable[[Progress], None]
ARMS: tuple[Arm, ...] = get_args(Arm)
CONTENDED_LOAD = 0.5
"""Load average above which somebody else is at work when a sitting begins."""


def hold(spec: RunSpec, scratch: Path, memory_bytes: int | None, tell: Tell) -> Report:
    """Measure one variant against the baseline; whatever happens is in the report.

    Args:
        spec: the run.
        scratch: an empty folder.
        memory_bytes: private memory both arms may hold together, or None.
        tell: is told how far the sitting is.
    """
    began = time.monotonic()
    record = Record(spec)
    record.environment |= environment.of_machine() | environment.state("start")
    load = os.getloadavg()[0]
    if load > CONTENDED_LOAD:
        record.notes.append(f"The machine was busy when the sitting began: load average {load:.2f}.")
    try:
        for pair in range(protocol.PLANS[spec.effort].pairs):
            _pair(spec, pair, scratch, memory_bytes, record, tell)
    except ArmFailed as error:
        record.environment |= environment.state("end")
        return Report(
            outcome=error.failure.outcome,
            phase=error.failure.phase,
            arm=error.arm,
            message=error.failure.message,
            tail=error.failure.tail,
            signal=error.signal,
            samples=tuple(record.samples),
            proofs=tuple(record.proofs),
            environment=record.environment,
            notes=tuple(record.notes),
            seconds=time.monotonic() - began,
        )
    tell(Progress(phase="report", message="Summing up.", fraction=1.0))
    record.environment |= environment.state("end")
    return summarise(record, time.monotonic() - began)


def _pair(spec: RunSpec, pair: int, scratch: Path, memory_bytes: int | None, record: Record, tell: Tell) -> None:
    """One pair of fresh processes, measured in turns; the first pair also reads memory, work, proofs and quality."""
    pairs = protocol.PLANS[spec.effort].pairs

    def say(phase: str, message: str, share: float) -> None:
        tell(Progress(phase=phase, message=message, fraction=min(1.0, (pair + share) / pairs)))

    # Side by side each arm may hold half of what the sitting may.
    each = memory_bytes // 2 if memory_bytes is not None else None
    with ExitStack() as processes:
        arms: dict[Arm, ArmProcess] = {}
        for arm in ARMS:
            say("load", f"Pair {pair + 1} of {pairs}: loading the {arm}.", 0.02 if arm == "baseline" else 0.12)
            arms[arm] = processes.enter_context(ArmProcess(spec, arm, pair, scratch, each))
            record.loaded(arm, pair, arms[arm].ask("load"))
            say("first_call", f"First call of the {arm}.", 0.1 if arm == "baseline" else 0.2)
            record.first_called(arm, pair, arms[arm].ask("first_call"))
        for arm in ARMS:
            say("warm_up", f"Warming up the {arm}.", 0.25)
            record.warmed(arm, pair, arms[arm].ask("warm_up"))
        _turns(spec, pair, arms, record, say)
        for arm in ARMS:
            say("memory", f"Reading memory and proofs of the {arm}.", 0.85)
            record.remembered(arm, pair, arms[arm].ask("memory"))
            if pair == 0:
                record.flops[arm] = int(arms[arm].ask("work")["flops"])
                record.proofs += [Proof.model_validate(proof) for proof in arms[arm].ask("proofs")["proofs"]]
                record.environment |= arms[arm].ask("environment")["fields"] if arm == "baseline" else {}
        if pair == 0 and spec.evaluation is not None:
            say("quality", "Comparing outputs.", 0.95)
            files = {arm: str(scratch / f"outputs-{arm}.npy") for arm in ARMS}
            for arm in ARMS:
                arms[arm].ask("outputs", path=files[arm])
            record.scores = arms["variant"].ask("score", baseline=files["baseline"], candidate=files["variant"])[
                "scores"
            ]


def _turns(
    spec: RunSpec, pair: int, arms: dict[Arm, ArmProcess], record: Record, say: Callable[[str, str, float], None]
) -> None:
    """Blocks in turns, in seeded random order, until the pair is precise enough or its budget is spent."""
    generator = np.random.default_rng([spec.seed, pair])
    budget = protocol.PLANS[spec.effort].budget_s
    blocks = {arm: protocol.block(record.pace(arm, pair)) for arm in ARMS}
    slow = max(record.pace(arm, pair) for arm in ARMS) >= protocol.SLOW_STEP_S
    spent = 0.0
    told = 0.0
    turn = 0
    while True:
        for index in generator.permutation(len(ARMS)):
            arm = ARMS[int(index)]
            block = blocks[arm]
            taken: dict[str, Any] = arms[arm].ask("steps", samples=block.samples + block.discarded, inner=block.inner)
            spent += sum(taken["whole"]) * block.inner
            record.timed(arm, pair, taken, block.discarded)
        turn += 1
        ratios = record.turn_ratios(pair)
        half = statistics.half_width(ratios)
        if protocol.enough(spec.effort, turn, spent, half, slow):
            record.precision(pair, half, turn)
            return
        if turn == 1 or time.monotonic() - told > 0.5:
            told = time.monotonic()
            share = 0.3 + 0.5 * min(1.0, spent / budget)
            say("measure", f"Turn {turn}: latency ratio {np.exp(np.median(ratios)):.3f}.", share)
