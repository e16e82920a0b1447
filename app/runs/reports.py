"""A report becomes rows: figures, raw samples, timelines, kernels, files, environment, and what the run itself shows."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue
from sqlmodel import Session

from app.db.events import visible
from app.db.packed import packed
from app.db.session import insert_once
from app.db.tables import (
    ArtifactRow,
    EffectRow,
    Environment,
    KernelRow,
    MeasurementRow,
    Run,
    SampleRow,
    TimelineRow,
)
from app.errors import Invalid
from app.runs import artifacts
from workers.catalog.declared import Problem
from workers.catalog.report import STATE, Report, Timeline, digest, ran_as


def store(session: Session, run: Run, token: int, report: Report, now: float) -> dict[str, Any]:
    """Store a report's rows. They carry the attempt's token, so rows of an earlier report stay as they were.

    Returns:
        What to set on the run.

    Raises:
        Invalid: it has two entries of the same quantity or file, a name that is no plain text, a timeline whose times
            do not fit its values, or a file that cannot be kept.
    """
    _once("measurements", ((m.metric, m.phase, m.arm) for m in report.measurements))
    _once("effects", ((e.metric, e.phase) for e in report.effects))
    _once("timelines", ((t.metric, t.phase, t.arm) for t in report.timelines))
    _once("artifacts", ((a.name, a.arm) for a in report.artifacts))
    for name, kind, entries in (
        ("measurements", MeasurementRow, report.measurements),
        ("effects", EffectRow, report.effects),
    ):
        for index, entry in enumerate(entries):
            _plain(f"{name}.{index}", (text for text in entry.model_dump().values() if isinstance(text, str)))
            session.add(kind(run_id=run.id, token=token, **entry.model_dump()))
    for index, samples in enumerate(report.samples):
        _plain(f"samples.{index}", (samples.metric, samples.phase))
        session.add(
            SampleRow(
                run_id=run.id,
                token=token,
                **samples.model_dump(exclude={"values"}),
                count=len(samples.values),
                data=packed(samples.values),
            )
        )
    for index, timeline in enumerate(report.timelines):
        _plain(f"timelines.{index}", (timeline.metric, timeline.phase))
        _timed(f"timelines.{index}", timeline)
        session.add(
            TimelineRow(
                run_id=run.id,
                token=token,
                **timeline.model_dump(include={"metric", "phase", "arm"}),
                count=len(timeline.values),
                at_s=packed(timeline.at_s),
                data=packed(timeline.values),
            )
        )
    for kernel in report.kernels:
        row = kernel.model_dump() | {"name": visible(kernel.name)}
        session.add(KernelRow(run_id=run.id, token=token, **row))
    for index, artifact in enumerate(report.artifacts):
        data, size = artifacts.checked(artifact, f"artifacts.{index}")
        kept = artifact.model_dump(include={"name", "arm", "media_type"})
        session.add(ArtifactRow(run_id=run.id, token=token, **kept, size=size, data=data))
    state = {name: value for name, value in report.environment.items() if name.startswith(STATE)}
    lasting = {name: value for name, value in report.environment.items() if name not in state}
    return {
        "outcome": report.outcome,
        "outcome_phase": visible(report.phase) if report.phase else None,
        "message": visible(report.message) if report.message else None,
        "tail": visible(report.tail) if report.tail else None,
        "signal": report.signal,
        "notes": _cleaned({"notes": list(report.notes), "unmet": list(report.unmet), "machine_state": dict(state)}),
        "proofs": _cleaned([proof.model_dump(mode="json") for proof in report.proofs]),
        "ran": "fell_back" if ran_as(report.proofs) == "fell_back" else ran_as(report.proofs, "variant"),
        "bottlenecks": _cleaned([found.model_dump(mode="json") for found in report.bottlenecks]),
        "seconds": report.seconds,
        "environment_id": _environment(session, lasting, now),
        "result_token": token,
    }


def _timed(field: str, timeline: Timeline) -> None:
    if len(timeline.at_s) != len(timeline.values):
        message = f"has {len(timeline.at_s)} times for {len(timeline.values)} values."
        problem = Problem(f"{field}.at_s", "length", message, "Give one time for each value.")
    elif any(later < earlier for earlier, later in itertools.pairwise(timeline.at_s)):
        problem = Problem(f"{field}.at_s", "not_rising", "has times that go back.", "Give times in their order.")
    else:
        return
    raise Invalid("The report has a timeline whose times do not fit its values.", problems=[problem])


def _environment(session: Session, fields: dict[str, JsonValue], now: float) -> str | None:
    if not fields:
        return None
    cleaned = _cleaned(fields)
    assert isinstance(cleaned, dict)
    found = digest(cleaned)
    insert_once(session, Environment, {"id": found, "fields": cleaned, "first_seen_at": now})
    return found


def _cleaned(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    if isinstance(value, dict):
        return {visible(key): _cleaned(inner) for key, inner in value.items()}
    return value


def _once(field: str, keys: Iterable[tuple[str, ...]]) -> None:
    for key, count in Counter(keys).items():
        if count > 1:
            problem = Problem(field, "duplicate", f"{' '.join(key)!r} stands {count} times.", "Give each once.")
            raise Invalid(f"The report has {field} of the same quantity twice.", problems=[problem])


def _plain(field: str, texts: Iterable[str]) -> None:
    for text in texts:
        if not text.isprintable():
            problem = Problem(field, "invalid_text", "has a name with control characters.", "Send visible text.")
            raise Invalid("The report has a name that is no plain text.", problems=[problem])
