"""Studies with invented but plausible figures, for tests of pages and charts: specs, reports, and their stored rows."""

import base64
import gzip
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import col

from app.db import queries
from app.db.session import Database
from app.db.tables import EffectRow, MeasurementRow, Run, Study, User
from app.ordering import submission
from app.runs import ledger
from workers.catalog import metrics
from workers.catalog.environment import NO_ENERGY
from workers.catalog.lease import Announcement, Beat, Device, Finish, Progress, Start
from workers.catalog.metrics import Metric
from workers.catalog.report import (
    Arm,
    Artifact,
    Bottleneck,
    Effect,
    Kernel,
    Measurement,
    Proof,
    Report,
    Samples,
    Timeline,
    Verdict,
    ran_as,
)
from workers.catalog.spec import PlannedRun, StudySpec

NOW = 1_795_000_000.0
ENVIRONMENT: dict[str, Any] = {
    "cpu": {"model": "AMD EPYC 9B45", "cores": 2, "flags": ["avx512_bf16", "avx512_vnni"], "governor": None},
    "memory_bytes": 25_196_199_936,
    "os": "Linux 6.1",
    "python": "3.11.2",
    "libraries": {"torch": "2.13.0+cpu", "torchao": "0.18.0", "transformers": "5.23.0"},
    "threads": 2,
    "load_average": 0.31,
}


class Shape(NamedTuple):
    """What a variant does to the baseline's figures."""

    latency: float
    peak: float
    weights: float
    kl: float
    first_call: float
    spread: float = 0.02


SHAPES: dict[str, Shape] = {
    "fp32": Shape(1.0, 1.0, 1.0, 0.0, 1.0),
    "bf16": Shape(0.52, 0.55, 0.5, 2.1e-4, 0.9),
    "flash attention": Shape(0.91, 0.62, 1.0, 1e-9, 1.02, 0.03),
    "compile": Shape(0.71, 0.98, 1.0, 3e-9, 41.0),
    "int8 weights": Shape(1.18, 0.44, 0.28, 9.4e-4, 1.3, 0.04),
    "bf16 + flash + compile": Shape(0.39, 0.5, 0.5, 2.3e-4, 44.0),
}
FAILED: dict[str, Report] = {
    "nf4": Report(
        outcome="unsupported",
        phase="convert",
        arm="variant",
        message="bitsandbytes needs a CPU with AVX512 for 4-bit products; this one has none.",
    ),
    "llm.int8": Report(
        outcome="oom_host",
        phase="load",
        arm="variant",
        message="The measuring process asked for 21.4 GiB; the machine has 23.5 GiB, of which 4.1 GiB were free.",
        tail="RuntimeError: [enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory",
        signal=9,
    ),
}


def order(**changes: Any) -> dict[str, Any]:
    """A study as somebody would post it."""
    return {
        "name": "tiny llama, what pays on this CPU",
        "model": {"name": "llama", "preset": "tiny"},
        "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 512},
        "evaluation": {"name": "divergence"},
        "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
        "variants": [
            {"name": "bf16", "stack": [{"technique": "precision", "dtype": "bf16"}]},
            {
                "name": "flash attention",
                "stack": [
                    {"technique": "precision", "dtype": "fp32"},
                    {"technique": "attention", "backend": "flash"},
                ],
            },
            {"name": "compile", "stack": [{"technique": "torch_compile"}]},
            {"name": "int8 weights", "stack": [{"technique": "int8_weight_only"}]},
            {
                "name": "bf16 + flash + compile",
                "stack": [
                    {"technique": "precision", "dtype": "bf16"},
                    {"technique": "attention", "backend": "flash"},
                    {"technique": "torch_compile"},
                ],
            },
            {"name": "nf4", "stack": [{"technique": "nf4"}]},
            {"name": "llm.int8", "stack": [{"technique": "llm_int8"}]},
        ],
        "device": "cpu",
        "effort": "standard",
    } | changes


def report(planned: PlannedRun, seed: int = 7) -> Report:
    """What the measuring program could have brought for a run."""
    name = planned.variant.name
    if name in FAILED:
        return FAILED[name]
    shape = SHAPES.get(name, Shape(0.8, 0.9, 1.0, 1e-5, 1.1))
    dice = random.Random(f"{seed} {name} {planned.point}")
    size = planned.point.get("sequence_length", 512) / 512
    phase = planned.spec.workload.main_phase
    base: list[tuple[Metric, str, float, float, float]] = [
        (metrics.LATENCY, phase, 0.0213 * size, shape.latency, shape.spread),
        (metrics.THROUGHPUT_TOKENS, phase, 512 / 0.0213, 1 / shape.latency, shape.spread),
        (metrics.COLD_LOAD, "load", 0.41, 1.0, 0.05),
        (metrics.COLD_FIRST_CALL, "first_call", 0.062, shape.first_call, 0.06),
        (metrics.MEMORY_PEAK_ALLOCATED, phase, 5.2e7 * (0.6 + 0.4 * size), shape.peak, 0.0),
        (metrics.MEMORY_HOST, phase, 7.4e8, 0.5 + 0.5 * shape.peak, 0.01),
        (metrics.MEMORY_WEIGHTS, "load", 2.113e7, shape.weights, 0.0),
        (metrics.MODEL_PARAMETERS, "load", 5_283_072, 1.0, 0.0),
    ]
    measurements: list[Measurement] = []
    effects: list[Effect] = []
    for metric, where, start, factor, spread in base:
        drift = 1 + dice.gauss(0, spread / 3)
        for arm, value in (("baseline", start), ("variant", start * factor * drift)):
            measurements.append(
                Measurement(
                    metric=metric.name,
                    phase=where,
                    arm=arm,
                    value=value,
                    low=value * (1 - spread),
                    high=value * (1 + spread * 1.2),
                    unit=metric.unit,
                    n=420 if spread else 1,
                )
            )
        if metric.better != "neither":
            ratio = factor * drift
            effects.append(
                Effect(
                    metric=metric.name,
                    phase=where,
                    ratio=ratio,
                    low=ratio * (1 - spread),
                    high=ratio * (1 + spread),
                    verdict=_verdict(metric, ratio, spread),
                    pairs=3,
                    p_value=_p_value(ratio, spread) if spread else None,
                    method="moderated t over 3 pairs" if spread else None,
                )
            )
    for metric, value in ((metrics.QUALITY_KL, shape.kl), (metrics.QUALITY_AGREEMENT, 1 - shape.kl * 20)):
        measurements.append(
            Measurement(
                metric=metric.name,
                phase="quality",
                arm="variant",
                value=value,
                low=value * 0.9 if metric is metrics.QUALITY_KL else max(0.0, value - 0.004),
                high=value * 1.1 if metric is metrics.QUALITY_KL else min(1.0, value + 0.002),
                unit=metric.unit,
                n=256,
            )
        )
    for arm, share in (("baseline", 1.0), ("variant", shape.peak)):
        measurements += _parts(
            arm, phase, 5.2e7 * (0.6 + 0.4 * size) * share, 2.113e7 * (1 if arm == "baseline" else shape.weights)
        )
    latency = base[0]
    return Report(
        outcome="ok",
        measurements=tuple(measurements),
        effects=tuple(effects),
        samples=tuple(
            Samples(
                metric="latency",
                phase=phase,
                arm=arm,
                pair=pair,
                values=tuple(latency[2] * factor * dice.lognormvariate(0, 0.03) for _ in range(60)),
            )
            for pair in range(3)
            for arm, factor in (("baseline", 1.0), ("variant", shape.latency))
        ),
        proofs=tuple(
            Proof(
                technique=technique.word,
                arm="variant",
                ran="emulated" if name == "int8 weights" else "as_asked",
                detail="Operators seen in one step: {'aten::_scaled_dot_product_flash_attention_for_cpu': 6}.",
            )
            for technique in planned.variant.stack
        ),
        timelines=tuple(
            _memory(arm, phase, 5.2e7 * factor) for arm, factor in (("baseline", 1.0), ("variant", shape.peak))
        ),
        kernels=tuple(_kernels(0.0213, shape.latency)) if planned.spec.profile else (),
        artifacts=tuple(trace(arm) for arm in ("baseline", "variant")) if planned.spec.profile else (),
        bottlenecks=(
            Bottleneck(
                arm="variant",
                phase=phase,
                kind="bandwidth",
                headroom=1.7,
                sentence="Moving bytes binds: they explain 59 % of the time, and twice the batch takes 1.1 times as long.",
                evidence={"bandwidth": 0.59},
            ),
        ),
        environment=ENVIRONMENT,
        unmet=("latency: interval ±2.6 %, goal ±2 %",) if shape.spread > 0.02 else (),
        notes=("Another process used 12 % of a core while this run was measured.",) if name == "compile" else (),
        seconds=48.2,
    )


def elsewhere(planned: PlannedRun) -> Report:
    """As ``report``; the variant "compile" was measured on another processor."""
    found = report(planned)
    model = "Intel Xeon 6975P" if planned.variant.name == "compile" else "AMD EPYC 9B45"
    fields = {
        "cpu.model": model,
        "torch.version": "2.13.0+cpu",
        "host.name": f"{model[:5]}-01",
        "energy.method": f"{NO_ENERGY}no counter is there",
    }
    return found.model_copy(update={"environment": fields})


def redefined(planned: PlannedRun) -> Report:
    """As ``report``; the variant "compile" followed another definition of latency than the catalogue's."""
    found = report(planned)
    if planned.variant.name != "compile":
        return found
    return found.model_copy(
        update={
            "measurements": tuple(
                one.model_copy(update={"definition": 2}) if one.metric == metrics.LATENCY.name else one
                for one in found.measurements
            )
        }
    )


def fallen(planned: PlannedRun) -> Report:
    """As ``report``; the variant "bf16 + flash + compile" ran another attention kernel than asked."""
    found = report(planned)
    if planned.variant.name != "bf16 + flash + compile":
        return found
    seen = "Asked for flash, but the step called aten::_scaled_dot_product_attention_math."
    return found.model_copy(
        update={"proofs": (Proof(technique="attention", arm="variant", ran="fell_back", detail=seen),)}
    )


def rows(
    asked: Mapping[str, Any], *, measured: bool = True
) -> tuple[Study, list[Run], list[MeasurementRow], list[EffectRow]]:
    """A study as the ledger stores it; with ``measured`` false, every run still queued."""
    spec = StudySpec.model_validate(asked)
    study = Study(
        id="01KSTUDY0000000000000000AA",
        name=spec.name,
        owner_id="01KUSER00000000000000000AA",
        state="done" if measured else "queued",
        spec=spec.model_dump(mode="json"),
        model=spec.model.label,
        workload=spec.workload.word,
        device=spec.device,
        effort=spec.effort,
        run_count=spec.size,
        created_at=NOW,
        finished_at=NOW + 300 if measured else None,
    )
    runs: list[Run] = []
    measurements: list[MeasurementRow] = []
    effects: list[EffectRow] = []
    for position, planned in enumerate(spec.runs()):
        run = Run(
            id=f"01KRUN{position:020d}",
            study_id=study.id,
            position=position,
            variant=planned.variant.name,
            is_baseline=planned.is_baseline,
            point=planned.point,
            spec=planned.spec.model_dump(mode="json"),
            device_kind=spec.device,
            not_before=NOW,
            queue_until=NOW + 86_400,
            created_at=NOW,
        )
        runs.append(run)
        if not measured:
            continue
        brought = report(planned)
        run.state = "done"
        run.outcome = brought.outcome
        run.outcome_phase = brought.phase
        run.message = brought.message
        run.tail = brought.tail
        run.signal = brought.signal
        run.token = run.result_token = run.attempts = 1
        run.proofs = [proof.model_dump(mode="json") for proof in brought.proofs]
        run.ran = ran_as(brought.proofs, "variant")
        run.notes = {"notes": list(brought.notes), "unmet": list(brought.unmet)}
        run.bottlenecks = [found.model_dump(mode="json") for found in brought.bottlenecks]
        run.seconds = brought.seconds
        run.finished_at = NOW + 60
        measurements += [MeasurementRow(run_id=run.id, token=1, **row.model_dump()) for row in brought.measurements]
        effects += [EffectRow(run_id=run.id, token=1, **row.model_dump()) for row in brought.effects]
    return study, runs, measurements, effects


DEVICE = Device(key="box-01:cpu", kind="cpu", name="AMD EPYC 9B45", memory_bytes=25_196_199_936)
WORKER = "box-01 cpu 412"


def owner(database: Database) -> str:
    """Id of the first user."""
    with database.reading() as session:
        return session.execute(select(col(User.id)).order_by(col(User.id))).scalars().first() or ""


def present(database: Database) -> None:
    """A worker announces itself."""
    with database.writing() as session:
        ledger.announce(session, Announcement(name=WORKER, host="box-01", pid=412, version="0.1.0", device=DEVICE))


def submit(database: Database, asked: Mapping[str, Any], owner_id: str) -> str:
    """Store a study. Returns its id."""
    with database.writing() as session:
        return submission.submit(session, StudySpec.model_validate(asked), owner_id, "demo").id


def measure(
    database: Database,
    study_id: str,
    runs: int | None = None,
    *,
    stop_before_report: bool = False,
    brings: Callable[[PlannedRun], Report] = report,
) -> None:
    """Let the worker take runs of a study, one after the other, and bring reports.

    Args:
        database: where the study is.
        study_id: the study.
        runs: how many; None takes all.
        stop_before_report: leave the last of them running.
        brings: the report of each.
    """
    with database.reading() as session:
        study = queries.study(session, study_id)
        planned = list(StudySpec.model_validate(study.spec).runs())
        waiting = [(run.id, planned[run.position]) for run in queries.runs(session, study_id) if run.state == "queued"]
    for number, (run_id, plan) in enumerate(waiting[:runs], start=1):
        with database.reading() as session:
            if queries.run(session, run_id).state != "queued":
                continue  # Cancelled: its baseline has failed against itself.
        with database.writing() as session:
            granted = ledger.claim(session, run_id, WORKER)
        with database.writing() as session:
            ledger.start(session, run_id, Start(token=granted.token, pid=4_321))
        with database.writing() as session:
            progress = Progress(phase="measure", message="pair 2 of 3", fraction=0.6)
            lines = (f"{plan.variant.name}: model built in 0.41 s", f"{plan.variant.name}: pair 1 of 3")
            ledger.beat(session, run_id, Beat(token=granted.token, progress=progress, log=lines))
        if stop_before_report and number == len(waiting[:runs]):
            return
        with database.writing() as session:
            ledger.finish(session, run_id, Finish(token=granted.token, report=brings(plan)))


def trace(arm: str) -> Artifact:
    """A profiled step as Chrome's trace format has it."""
    events = [{"name": "aten::mm", "ph": "X", "ts": 0, "dur": 812, "pid": 1, "tid": 1, "args": {"arm": arm}}]
    data = base64.b64encode(gzip.compress(json.dumps({"traceEvents": events}).encode(), mtime=0)).decode()
    return Artifact.model_validate({"name": "trace.json", "arm": arm, "media_type": "application/json", "data": data})


def _parts(arm: str, phase: str, peak: float, weights: float) -> Iterator[Measurement]:
    """A peak of a forward pass taken apart: what is left after the weights is activations and temporary."""
    left = max(peak - weights, 0.0)
    found = {"weights": weights, "gradients": 0.0, "optimizer_states": 0.0, "activations": 0.7 * left, "kv_cache": 0.0}
    for part, value in (found | {"temporary": 0.25 * left, "other": 0.05 * left}).items():
        yield Measurement.model_validate(
            {"metric": f"memory.peak.{part}", "phase": phase, "arm": arm, "value": value, "low": value, "high": value}
            | {"unit": "B", "n": 1}
        )


def _memory(arm: str, phase: str, peak: float) -> Timeline:
    """Bytes held by tensors over one step: up through the layers, down at its end."""
    at = tuple(step * 2.0e-4 for step in range(60))
    held = tuple(peak * (0.45 + 0.55 * math.sin(math.pi * step / 59) ** 2) for step in range(60))
    return Timeline.model_validate(
        {"metric": "memory.allocated", "phase": phase, "arm": arm, "at_s": at, "values": held}
    )


def _kernels(seconds: float, factor: float) -> Iterator[Kernel]:
    names = ("aten::mm", "aten::_scaled_dot_product_flash_attention_for_cpu", "aten::copy_", "aten::mul", "aten::silu")
    arms: tuple[tuple[Arm, float], ...] = (("baseline", 1.0), ("variant", factor))
    for arm, share in arms:
        for rank, name in enumerate(names):
            yield Kernel(
                arm=arm, name=name, device="cpu", calls=6 * (rank + 1), seconds=seconds * share * 0.5 ** (rank + 1)
            )


def _p_value(ratio: float, spread: float) -> float:
    """Two-sided, of a normal log-ratio whose 95 % interval is the ratio within the spread."""
    return math.erfc(abs(math.log(ratio)) / (spread / 1.96) / math.sqrt(2))


def _verdict(metric: Metric, ratio: float, spread: float) -> Verdict:
    words: tuple[Verdict, Verdict] = ("smaller", "larger") if metric.aspect == "memory" else ("faster", "slower")
    if metric.better == "higher":
        ratio = 1 / ratio
    if ratio * (1 + spread) < 0.98:
        return words[0]
    if ratio * (1 - spread) > 1.02:
        return words[1]
    return "same" if spread < 0.02 else "undecided"
