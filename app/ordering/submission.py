"""A spec becomes a stored study and its runs; and what can be said about a spec before anybody queues it."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue
from sqlmodel import Session

from app.db import events, queued
from app.db.session import clock
from app.db.tables import Audit, Run, Study
from app.errors import Invalid
from app.runs.transitions import QUEUE_S
from workers.catalog.applicability import problems
from workers.catalog.declared import Problem
from workers.catalog.spec import Effort, StudySpec


class Estimate(NamedTuple):
    """How long a study took for the runs most like it that this database holds."""

    low: float
    """Seconds for all runs one after the other, if each takes as long as the quickest like it."""
    high: float
    like: int
    """How many earlier runs this comes from."""
    same_model: bool
    """Whether they were of the same model and workload, or only of the same kind of device."""


def submit(session: Session, spec: StudySpec, owner_id: str, actor: str) -> Study:
    """Store a study and its runs, queued.

    Args:
        session: writes; nothing is stored unless it commits.
        spec: what to measure.
        owner_id: the user it belongs to.
        actor: who asked, for the audit.

    Raises:
        Invalid: the study cannot be measured; every problem is named.
    """
    refuse(problems(spec))
    now = clock(session)
    study = Study(
        name=spec.name,
        owner_id=owner_id,
        state="queued",
        spec=spec.model_dump(mode="json"),
        model=spec.model.label,
        workload=spec.workload.word,
        device=spec.device,
        effort=spec.effort,
        run_count=spec.size,
        created_at=now,
    )
    session.add(study)
    session.flush()
    for position, planned in enumerate(spec.runs()):
        session.add(
            Run(
                study_id=study.id,
                position=position,
                variant=planned.variant.name,
                is_baseline=planned.is_baseline,
                point=planned.point,
                spec=planned.spec.model_dump(mode="json"),
                device_kind=spec.device,
                not_before=now,
                queue_until=now + QUEUE_S,
                created_at=now,
            )
        )
    events.study_changed(session, study, now)
    audit(session, actor, "submit", study.id, now)
    session.flush()
    return study


def refuse(found: Sequence[Problem]) -> None:
    """Raise when there are problems.

    Raises:
        Invalid: names every one.
    """
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(f"{found[0].message}{more}", problems=found)


def audit(
    session: Session, actor: str, action: str, subject: str, at: float | None = None, *, detail: JsonValue = None
) -> None:
    """Write down who did what."""
    moment = clock(session) if at is None else at
    session.add(Audit(at=moment, actor=actor, action=action, subject=subject, detail=detail))


def estimate(session: Session, spec: StudySpec, effort: Effort) -> Estimate | None:
    """How long a study would take with an effort, judged by earlier runs; None when there is nothing to judge by."""
    for same_model in (True, False):
        took = queued.seconds_of_runs(
            session,
            device=spec.device,
            effort=effort,
            model=spec.model.label if same_model else None,
            workload=spec.workload.word if same_model else None,
        )
        if took:
            return Estimate(min(took) * spec.size, max(took) * spec.size, len(took), same_model)
    return None
