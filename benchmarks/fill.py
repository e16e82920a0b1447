"""Fills a database with invented but plausible results, so that the dashboard can be timed at sizes nobody has measured yet.

``python -m benchmarks.fill 10000`` fills the database of this environment's settings. The same number gives the same figures.
A study has a null test and six variants; raw samples, logs and attempts are left out.
"""

import math
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select
from sqlmodel import Session, SQLModel, col

from app.db.migrate import migrate
from app.db.session import Database, insert_once
from app.db.tables import EffectRow, Environment, MeasurementRow, Result, Run, Study, User
from app.door.security import create_token
from app.results.figures import FIGURES, Cell, packed
from app.results.keeping import LENGTHS
from app.runs import ledger
from app.settings import read_settings
from app.study.stacks import apart, family, label
from workers.catalog import metrics
from workers.catalog.lease import Announcement, Device
from workers.catalog.metrics import Metric
from workers.catalog.multiplicity import Claim, corrected
from workers.catalog.report import Verdict, digest
from workers.catalog.spec import StudySpec

SEED = 11
NOW = 1_795_000_000.0
YEAR_S = 365 * 86_400.0
STUDIES_AT_ONCE = 200
FAILS = 0.04
"""Share of variants' runs that end without figures."""
OWNERS = ("ada", "ben", "eva")
DEVICES = (
    Device(key="box-01:cpu", kind="cpu", name="Invented CPU, 16 cores", memory_bytes=64 * 1024**3),
    Device(key="box-02:gpu-0", kind="cuda", name="Invented GPU, 24 GB", memory_bytes=24 * 10**9),
    Device(key="box-03:gpu-0", kind="cuda", name="Invented GPU, 80 GB", memory_bytes=80 * 10**9),
)
SPEED = {"box-01:cpu": 1.0, "box-02:gpu-0": 24.0, "box-03:gpu-0": 70.0}


class Shape(NamedTuple):
    """What a variant does to the baseline's figures."""

    latency: float
    peak: float
    weights: float
    kl: float
    first_call: float
    spread: float


FP32: dict[str, Any] = {"technique": "precision", "dtype": "fp32"}
BF16: dict[str, Any] = {"technique": "precision", "dtype": "bf16"}
FP16: dict[str, Any] = {"technique": "precision", "dtype": "fp16"}
FLASH: dict[str, Any] = {"technique": "attention", "backend": "flash"}
COMPILE: dict[str, Any] = {"technique": "torch_compile"}
INT8: dict[str, Any] = {"technique": "int8_weight_only"}
NULL = Shape(1.0, 1.0, 1.0, 0.0, 1.0, 0.02)
VARIANTS: dict[str, tuple[list[dict[str, Any]], Shape]] = {
    "bf16": ([BF16], Shape(0.55, 0.55, 0.5, 2.1e-4, 0.9, 0.02)),
    "fp16": ([FP16], Shape(0.57, 0.55, 0.5, 9e-5, 0.9, 0.02)),
    "flash attention": ([FP32, FLASH], Shape(0.9, 0.66, 1.0, 1e-9, 1.02, 0.03)),
    "compile": ([FP32, COMPILE], Shape(0.72, 0.98, 1.0, 3e-9, 41.0, 0.02)),
    "bf16 + compile": ([BF16, COMPILE], Shape(0.43, 0.54, 0.5, 2.2e-4, 44.0, 0.02)),
    "bf16 + flash": ([BF16, FLASH], Shape(0.5, 0.42, 0.5, 2.2e-4, 1.0, 0.03)),
    "int8 weights": ([INT8], Shape(1.15, 0.44, 0.28, 9.4e-4, 1.3, 0.04)),
    "nf4": ([{"technique": "nf4"}], Shape(1.3, 0.31, 0.16, 6e-3, 2.1, 0.04)),
}
MODELS: tuple[tuple[dict[str, Any], float, float], ...] = (
    ({"name": "llama", "preset": "tiny"}, 0.021, 2.1e7),
    ({"name": "llama", "preset": "125m"}, 0.31, 5.4e8),
    ({"name": "llama", "preset": "1b"}, 2.4, 4.9e9),
    ({"name": "vit", "preset": "small"}, 0.12, 8.8e7),
)
"""With the seconds of one step on the CPU and the bytes of the weights, both in fp32."""


class Planned(NamedTuple):
    """One run of a kind of study, as all studies of this kind have it."""

    variant: str
    is_baseline: bool
    point: dict[str, int]
    spec: dict[str, Any]
    shape: Shape
    label: str
    family: str
    techniques: str
    batch_size: int | None
    length: int | None


class Kind(NamedTuple):
    """Studies that differ by their figures alone."""

    spec: dict[str, Any]
    model: str
    workload: str
    phase: str
    device: Device
    effort: str
    baseline: str
    latency: float
    weights: float
    runs: tuple[Planned, ...]


def fill(database: Database, count: int) -> None:
    """Add results to a database that has the newest tables and no studies.

    Args:
        database: where.
        count: how many results; runs of whole studies, so the last study may be a few short.
    """
    dice = random.Random(SEED)
    kinds = _kinds()
    with database.writing() as session:
        owners, environments = _present(session)
    studies = math.ceil(count / len(kinds[0].runs))
    for first in range(0, studies, STUDIES_AT_ONCE):
        rows: dict[type[SQLModel], list[dict[str, Any]]] = {
            table: [] for table in (Study, Run, MeasurementRow, EffectRow, Result)
        }
        for number in range(first, min(first + STUDIES_AT_ONCE, studies)):
            kind = dice.choice(kinds)
            asked = count - number * len(kind.runs)
            created_at = NOW - YEAR_S * (1 - number / studies)
            owner = dice.choice(sorted(owners))
            for table, row in _study(
                kind, number, asked, created_at, (owner, owners[owner]), environments[kind.device.key], dice
            ):
                rows[table].append(row)
        with database.writing() as session:
            for table, members in rows.items():
                session.execute(insert(table), members)


def _kinds() -> list[Kind]:
    """Every model with its workloads on every device, at several batch sizes and lengths."""
    found = []
    for model, seconds, weights in MODELS:
        for device in DEVICES:
            for batch_size, length in ((1, 128), (1, 512), (4, 512), (8, 2_048)):
                names = [name for name in VARIANTS if not (device.kind == "cpu" and name == "nf4")]
                chosen = random.Random(f"{model} {device.key} {batch_size} {length}").sample(names, 6)
                workload: dict[str, Any] = {"name": "prefill", "batch_size": batch_size, "sequence_length": length}
                if model["name"] == "vit":
                    workload = {"name": "classify", "batch_size": batch_size * length // 128}
                effort = "standard" if length < 2_048 else "quick"
                size = batch_size * length / 512
                found.append(
                    _kind(model, workload, device, effort, chosen, seconds * size / SPEED[device.key], weights)
                )
    return found


def _kind(
    model: Mapping[str, Any],
    workload: Mapping[str, Any],
    device: Device,
    effort: str,
    chosen: Sequence[str],
    latency: float,
    weights: float,
) -> Kind:
    spec = StudySpec.model_validate(
        {
            "name": "to be named",
            "model": model,
            "workload": workload,
            "evaluation": {"name": "divergence"},
            "baseline": {"name": "fp32", "stack": [FP32]},
            "variants": [{"name": name, "stack": VARIANTS[name][0]} for name in chosen],
            "device": device.kind,
            "effort": effort,
        }
    )
    runs = []
    for plan in spec.runs():
        sizes = plan.spec.workload.model_dump()
        runs.append(
            Planned(
                variant=plan.variant.name,
                is_baseline=plan.is_baseline,
                point=plan.point,
                spec=plan.spec.model_dump(mode="json"),
                shape=NULL if plan.is_baseline else VARIANTS[plan.variant.name][1],
                label=label(plan.variant),
                family="baseline" if plan.is_baseline else family(plan.variant, spec.baseline),
                techniques="" if plan.is_baseline else "+".join(apart(plan.variant, spec.baseline)),
                batch_size=sizes.get("batch_size"),
                length=next((sizes[name] for name in LENGTHS if name in sizes), None),
            )
        )
    return Kind(
        spec=spec.model_dump(mode="json"),
        model=spec.model.label,
        workload=spec.workload.word,
        phase=spec.workload.main_phase,
        device=device,
        effort=effort,
        baseline=spec.baseline.name,
        latency=latency,
        weights=weights,
        runs=tuple(runs),
    )


def _present(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    """Owners and devices are there: ids of the owners by name, and of environments by device."""
    for name in OWNERS:
        create_token(session, name, "submit")
    owners = {user.name: user.id for user in session.execute(select(User).where(col(User.name).in_(OWNERS))).scalars()}
    environments = {}
    for number, device in enumerate(DEVICES, start=1):
        host = device.key.partition(":")[0]
        hello = Announcement(name=f"{host} {device.kind}", host=host, pid=400 + number, version="0.1.0", device=device)
        ledger.announce(session, hello)
        fields = {"cpu.model": "Invented CPU", "device.name": device.name, "torch.version": "2.13.0", "host.name": host}
        environments[device.key] = digest(dict(fields))
        insert_once(
            session,
            Environment,
            {"id": environments[device.key], "fields": fields, "first_seen_at": NOW - YEAR_S},
        )
    return owners, environments


def _study(
    kind: Kind,
    number: int,
    asked: int,
    created_at: float,
    owner: tuple[str, str],
    environment: str,
    dice: random.Random,
) -> Iterator[tuple[type[SQLModel], dict[str, Any]]]:
    """A study's rows, each with its table.

    Args:
        kind: what it measures.
        number: of the study, from 0.
        asked: how many results at most.
        created_at: when it was submitted.
        owner: name and id.
        environment: id.
        dice: decides the figures.
    """
    study_id = f"01KBENCH{number:018d}"
    name = f"{kind.model}, {kind.workload} on {kind.device.name} ({number})"
    planned = kind.runs[:asked]
    pace = math.exp(dice.gauss(0, 0.15))
    ends = [created_at + 60.0 * (place + 1) for place in range(len(planned))]
    yield (
        Study,
        {
            "id": study_id,
            "name": name,
            "owner_id": owner[1],
            "state": "done",
            "spec": kind.spec | {"name": name},
            "model": kind.model,
            "workload": kind.workload,
            "device": kind.device.kind,
            "effort": kind.effort,
            "run_count": len(planned),
            "created_at": created_at,
            "finished_at": ends[-1],
        },
    )
    taken = [_figures(kind, plan, pace, dice) for plan in planned]
    claims = {
        (place, metric, phase): Claim(metric, phase, effect["verdict"], effect["p_value"])
        for place, (_, effects) in enumerate(taken)
        if not planned[place].is_baseline
        for (metric, phase), effect in effects.items()
    }
    together = corrected(claims)
    for place, (plan, (measured, effects)) in enumerate(zip(planned, taken, strict=True)):
        run_id = f"01KBRVN0{number * len(kind.runs) + place:018d}"
        outcome = "ok" if measured else "oom_device" if kind.device.kind == "cuda" else "oom_host"
        ran = "as_asked" if measured else None
        yield (
            Run,
            {
                "id": run_id,
                "study_id": study_id,
                "position": place,
                "variant": plan.variant,
                "is_baseline": plan.is_baseline,
                "point": plan.point,
                "spec": plan.spec,
                "device_kind": kind.device.kind,
                "state": "done",
                "outcome": outcome,
                "outcome_phase": None if measured else "load",
                "message": None if measured else "The device's memory did not suffice.",
                "token": 1,
                "result_token": 1,
                "attempts": 1,
                "not_before": created_at,
                "queue_until": created_at + 86_400,
                "device_id": kind.device.key,
                "environment_id": environment,
                "notes": {"notes": [], "unmet": [], "machine_state": {}},
                "proofs": [],
                "bottlenecks": [],
                "ran": ran,
                "seconds": 48.0,
                "created_at": created_at,
                "started_at": ends[place] - 50.0,
                "finished_at": ends[place],
            },
        )
        for row in measured:
            yield MeasurementRow, {"run_id": run_id, "token": 1, **row}
        for row in effects.values():
            yield EffectRow, {"run_id": run_id, "token": 1, **row}
        found: dict[tuple[str, str], Verdict] = {
            key: together[place, *key].verdict if (place, *key) in together else effect["verdict"]
            for key, effect in effects.items()
        }
        figures, letters = packed(_cells(measured, effects, found))
        yield (
            Result,
            {
                "run_id": run_id,
                "study_id": study_id,
                "study": name,
                "owner": owner[0],
                "model": kind.model,
                "workload": kind.workload,
                "device": kind.device.kind,
                "hardware": kind.device.name,
                "environment": environment,
                "baseline": kind.baseline,
                "variant": plan.variant,
                "label": plan.label,
                "family": plan.family,
                "techniques": plan.techniques,
                "effort": kind.effort,
                "outcome": outcome,
                "ran": ran,
                "point": {name: int(size) for name, size in plan.spec["workload"].items() if isinstance(size, int)},
                "batch_size": plan.batch_size,
                "length": plan.length,
                "finished_at": ends[place],
                "figures": figures,
                "verdicts": letters,
            },
        )


Rows = list[dict[str, Any]]
Effects = dict[tuple[str, str], dict[str, Any]]


def _figures(kind: Kind, plan: Planned, pace: float, dice: random.Random) -> tuple[Rows, Effects]:
    """What one run measured, and its effects by metric and phase; nothing where it failed."""
    if not plan.is_baseline and dice.random() < FAILS:
        return [], {}
    shape = plan.shape
    is_text = kind.workload == "prefill"
    latency = kind.latency * pace
    size = (plan.batch_size or 1) * (plan.length or 128)
    peak = kind.weights * (1.15 + 2e-4 * size)
    speed = metrics.THROUGHPUT_TOKENS if is_text else metrics.THROUGHPUT_SAMPLES
    scored = metrics.QUALITY_PERPLEXITY if is_text else metrics.QUALITY_TOP1
    score, worse = (14.2, 1 + 3 * shape.kl) if is_text else (0.91, 1 - 3 * shape.kl)
    plain: list[tuple[Metric, str, float, float, float]] = [
        (metrics.LATENCY, kind.phase, latency, shape.latency, shape.spread),
        (speed, kind.phase, size / latency, 1 / shape.latency, shape.spread),
        (metrics.COLD_FIRST_CALL, "first_call", 3 * latency, shape.first_call, 0.06),
        (metrics.MEMORY_PEAK_ALLOCATED, kind.phase, peak, shape.peak, 0.0),
        (metrics.MEMORY_HOST, kind.phase, 7e8 + peak, 0.5 + 0.5 * shape.peak, 0.01),
        (metrics.MEMORY_WEIGHTS, "load", kind.weights, shape.weights, 0.0),
        (scored, "quality", score, worse, 0.004),
    ]
    if kind.device.kind == "cuda":
        plain.append((metrics.ENERGY_STEP, kind.phase, 250 * latency, 0.2 + 0.8 * shape.latency, 0.03))
    # Variants do not always do the same good; the null test does nothing at all.
    luck = 1.0 if plan.is_baseline else math.exp(dice.gauss(0, 0.12))
    measured: Rows = []
    effects: Effects = {}
    for metric, phase, start, factor, spread in plain:
        moves = 1.0 if metric.aspect == "quality" else luck if metric.better == "lower" else 1 / luck
        ratio = factor * moves * (1 + dice.gauss(0, spread / 3))
        for arm, value in (("baseline", start), ("variant", start * ratio)):
            measured.append(_measurement(metric, phase, arm, value, spread))
        effects[metric.name, phase] = {
            "metric": metric.name,
            "phase": phase,
            "ratio": ratio,
            "low": ratio * (1 - spread),
            "high": ratio * (1 + spread),
            "verdict": _verdict(metric, ratio, spread),
            "pairs": 3,
            "p_value": math.erfc(abs(math.log(ratio)) / (spread / 1.96) / math.sqrt(2)) if spread else None,
            "method": "moderated t over 3 pairs" if spread else None,
        }
    kl = shape.kl * luck
    measured.append(_measurement(metrics.QUALITY_KL, "quality", "variant", kl, 0.1))
    measured.append(_measurement(metrics.QUALITY_AGREEMENT, "quality", "variant", max(0.0, 1 - 20 * kl), 0.001))
    return measured, effects


def _measurement(metric: Metric, phase: str, arm: str, value: float, spread: float) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "phase": phase,
        "arm": arm,
        "value": value,
        "low": value * (1 - spread),
        "high": value * (1 + spread),
        "unit": metric.unit,
        "n": 420 if spread else 1,
    }


def _cells(measured: Rows, effects: Effects, verdicts: Mapping[tuple[str, str], Verdict]) -> dict[str, Cell]:
    """The figures by word; each metric stands in one phase here, so no phase has to be picked."""
    own = {row["metric"]: row for row in measured if row["arm"] == "variant"}
    found = {}
    for figure in FIGURES:
        row = next((own[metric.name] for metric in figure.metrics if metric.name in own), None)
        if row is None:
            continue
        key = (row["metric"], row["phase"])
        values = {part: row[part] for part in ("value", "low", "high")}
        if key in effects:
            values |= {"ratio": effects[key]["ratio"], "ratio_low": effects[key]["low"]}
            values |= {"ratio_high": effects[key]["high"], "pairs": effects[key]["pairs"], "verdict": verdicts[key]}
        found[figure.word] = Cell.model_construct(**values)
    return found


def _verdict(metric: Metric, ratio: float, spread: float) -> Verdict:
    words: dict[str, tuple[Verdict, Verdict]] = {
        "memory": ("smaller", "larger"),
        "energy": ("smaller", "larger"),
        "quality": ("better", "worse"),
    }
    good, bad = words.get(metric.aspect, ("faster", "slower"))
    if metric.better == "higher":
        ratio = 1 / ratio
    if ratio * (1 + spread) < 0.98:
        return good
    if ratio * (1 - spread) > 1.02:
        return bad
    return "same" if spread < 0.02 else "undecided"


def main() -> None:
    """Fill the database of this environment's settings."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    settings = read_settings()
    migrate(settings)
    database = Database(settings.database)
    with database.reading() as session:
        if session.execute(select(col(Study.id)).limit(1)).first():
            raise SystemExit("this database has studies already; invented ones are not mixed with them")
    began = time.monotonic()
    fill(database, count)
    database.close()
    print(f"{count:,} invented results in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
