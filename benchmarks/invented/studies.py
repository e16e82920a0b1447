"""An invented study as rows, the way the product itself would have written them."""

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from sqlmodel import SQLModel

from app.db.tables import EffectRow, MeasurementRow, Result, Run, Study
from app.results.figures import packed
from benchmarks.invented.figures import Effects, Rows, cells, figures
from benchmarks.invented.kinds import Kind, Planned
from workers.catalog.multiplicity import Claim, corrected
from workers.catalog.report import Verdict

Row = tuple[type[SQLModel], dict[str, Any]]


def rows(
    kind: Kind,
    number: int,
    asked: int,
    created_at: float,
    owner: tuple[str, str],
    environment: str,
    dice: random.Random,
) -> Iterator[Row]:
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
    taken = [figures(kind, plan, pace, dice) for plan in planned]
    claims = {
        (place, metric, phase): Claim(metric, phase, effect["verdict"], effect["p_value"])
        for place, (_, effects) in enumerate(taken)
        if not planned[place].is_baseline
        for (metric, phase), effect in effects.items()
    }
    together = corrected(claims)
    for place, (plan, (measured, effects)) in enumerate(zip(planned, taken, strict=True)):
        outcome = "ok" if measured else "oom_device" if kind.device.kind == "cuda" else "oom_host"
        shared = {
            "study_id": study_id,
            "variant": plan.variant,
            "outcome": outcome,
            "ran": "as_asked" if measured else None,
            "finished_at": ends[place],
        }
        failure = {} if measured else {"outcome_phase": "load", "message": "The device's memory did not suffice."}
        run_id = f"01KBRVN0{number * len(kind.runs) + place:018d}"
        yield (
            Run,
            shared
            | {"id": run_id, "position": place}
            | _run(kind, plan, environment, created_at, ends[place])
            | failure,
        )
        for row in (*measured, *effects.values()):
            yield (MeasurementRow if "arm" in row else EffectRow), {"run_id": run_id, "token": 1, **row}
        found = {
            key: together[place, *key].verdict if (place, *key) in together else effect["verdict"]
            for key, effect in effects.items()
        }
        told = _result(kind, plan, measured, effects, found)
        yield Result, shared | {"run_id": run_id, "study": name, "owner": owner[0], "environment": environment} | told


def _run(kind: Kind, plan: Planned, environment: str, created_at: float, finished_at: float) -> dict[str, Any]:
    """What the row of a run that was claimed once has besides its identity and outcome."""
    return {
        "is_baseline": plan.is_baseline,
        "point": plan.point,
        "spec": plan.spec,
        "device_kind": kind.device.kind,
        "state": "done",
        "outcome_phase": None,
        "message": None,
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
        "seconds": 48.0,
        "created_at": created_at,
        "started_at": finished_at - 50.0,
    }


def _result(
    kind: Kind, plan: Planned, measured: Rows, effects: Effects, verdicts: Mapping[tuple[str, str], Verdict]
) -> dict[str, Any]:
    """What the row that all results are read from has besides its identity and outcome."""
    numbers, letters = packed(cells(measured, effects, verdicts))
    return {
        "model": kind.model,
        "workload": kind.workload,
        "device": kind.device.kind,
        "hardware": kind.device.name,
        "baseline": kind.baseline,
        "against": kind.against,
        "label": plan.label,
        "family": plan.family,
        "techniques": plan.techniques,
        "effort": kind.effort,
        "point": {name: int(size) for name, size in plan.spec["workload"].items() if isinstance(size, int)},
        "batch_size": plan.batch_size,
        "length": plan.length,
        "evaluation": kind.evaluation,
        "figures": numbers,
        "verdicts": letters,
    }
