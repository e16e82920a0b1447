"""A study's memory three times: by the planner's formulas, counted on fake tensors, and measured; with the errors of the first two."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError
from sqlmodel import Session

from app.db import queries, reported
from app.db.tables import Study
from app.frozen import Frozen
from app.planner import predicted
from app.planner.predicted import NotPredicted, Predicted
from app.study import stored
from app.study.comparison import ComparedRun, Comparison
from workers.catalog import metrics
from workers.catalog.spec import Point, StudySpec, Variant

MOST_STUDIES = 50
"""Counted studies of the same model that are looked through, the newest first."""


class Prediction(Frozen):
    """One run's peak: predicted, counted, measured, in bytes."""

    run: str
    variant: str
    point: Point
    predicted: Predicted | None
    reason: str | None
    """Why the formulas say nothing."""
    counted: float | None
    counted_run: str | None
    """Where it was counted."""
    measured: float | None

    @property
    def truth(self) -> float | None:
        """What the formula is held against: what was measured, or else counted."""
        return self.measured if self.measured is not None else self.counted

    @property
    def formula_error(self) -> float | None:
        """Of the formula, as a share."""
        return self.predicted.bytes / self.truth - 1 if self.predicted and self.truth else None

    @property
    def counted_error(self) -> float | None:
        """Of the count, as a share of what was measured."""
        return self.counted / self.measured - 1 if self.counted and self.measured else None


def of_study(session: Session, study: Study, compared: Comparison) -> tuple[Prediction, ...]:
    """Every run that has a figure, or could have; empty where nothing of it is a decoder's memory."""
    try:
        spec = stored.study_spec(study)
    except ValidationError:
        return ()
    counted = _counted(session, study)
    found = [_run(spec, run, compared, counted) for run in compared.runs if not run.failed]
    told = tuple(one for one in found if one)
    # A run that formulas do not reach stands beside the others with the reason; a study of which none is reached has no table.
    return told if any(one.predicted or one.counted for one in told) else ()


def _run(
    spec: StudySpec, run: ComparedRun, compared: Comparison, counted: Mapping[str, tuple[float, str]]
) -> Prediction | None:
    variant = next((one for one in (spec.baseline, *spec.variants) if one.name == run.variant), None)
    if variant is None:
        return None
    workload = type(spec.workload).model_validate(spec.workload.model_dump() | run.point)
    needs, reason = None, None
    try:
        needs = predicted.arm(spec.model, workload, variant.stack, spec.device)
    except NotPredicted as turned:
        reason = str(turned)
    key = f"{metrics.MEMORY_PEAK_ALLOCATED.name}@{compared.main_phase}"
    measured = run.readings.get(key)
    value, where = counted.get(_key(spec, variant, run.point), (None, None))
    return Prediction(
        run=run.run,
        variant=run.variant,
        point=run.point,
        predicted=needs,
        reason=reason,
        counted=value,
        counted_run=where,
        measured=measured.value if measured else None,
    )


def _counted(session: Session, study: Study) -> dict[str, tuple[float, str]]:
    """What was counted of this model and workload, by what was asked: bytes, and the run that counted."""
    found: dict[str, tuple[float, str]] = {}
    for other in queries.studies_like(session, study, effort="exact", limit=MOST_STUDIES):
        try:
            spec = stored.study_spec(other)
        except ValidationError:
            continue
        runs = {run.id: run for run in queries.runs(session, other.id)}
        for row in reported.measurements(session, list(runs)):
            run = runs[row.run_id]
            variant = next((one for one in (spec.baseline, *spec.variants) if one.name == run.variant), None)
            if row.metric == metrics.MEMORY_EXACT_PEAK.name and row.arm == "variant" and variant is not None:
                found.setdefault(_key(spec, variant, dict(run.point)), (row.value, run.id))
    return found


def _key(spec: StudySpec, variant: Variant, point: Mapping[str, Any]) -> str:
    """What a count depends on."""
    said: dict[str, JsonValue] = {
        "model": spec.model.model_dump(mode="json"),
        "workload": spec.workload.model_dump(mode="json") | dict(point),
        "stack": [each.model_dump(mode="json") for each in variant.stack],
    }
    return repr(sorted(said.items()))
