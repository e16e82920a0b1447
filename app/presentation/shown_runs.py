"""Runs with their figures, as pages and the JSON API show them. Numbers are in base units; moments are ISO 8601."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, JsonValue
from sqlmodel import Session

from app.db import packed, queries, reported
from app.db.tables import Run
from app.listing import moment, moment_if
from app.study import comparison, definitions, samples, verdicts
from app.study.samples import Samples
from workers.catalog.metrics import BY_NAME
from workers.catalog.report import Bottleneck


class ShownMeasurement(BaseModel):
    """Summary of one metric in one phase of one arm, in base units."""

    metric: str
    phase: str
    arm: str
    value: float
    low: float
    high: float
    unit: str
    n: int
    effective_n: float | None
    """``n`` corrected for autocorrelation; null where samples do not come in time."""
    q1: float | None
    """Lower quartile of the samples; with ``q3`` their spread. Null for what has no samples of its own."""
    q3: float | None
    definition: int
    """Version of the metric's definition that was followed."""
    apart: str | None
    """What sets it apart from figures of the catalogue's definition: "definition 1, now 2"; null where it is of that."""


class ShownEffect(BaseModel):
    """Variant over baseline for one metric in one phase."""

    metric: str
    phase: str
    ratio: float
    low: float
    high: float
    verdict: str
    """After correction for all comparisons of the study (Holm, for each metric and phase)."""
    verdict_alone: str
    """What the run by itself says."""
    pairs: int
    """Of fresh processes."""
    items: int | None
    """Of a score of quality the items that were scored, which its interval rests on; null for everything else."""
    p_value: float | None
    """Of the run by itself; null for counters that repeat."""
    p_adjusted: float | None
    """After the correction; null where nothing was corrected."""
    comparisons: int
    """How many comparisons of this metric in this phase the study made; 1 where nothing was corrected."""
    method: str | None
    """How the interval was found."""
    definition: int
    """Version of the metric's definition that both arms followed."""
    apart: str | None
    """As of a measurement. The ratio holds in itself, and stands beside none of another definition."""


class ShownRun(BaseModel):
    """One run."""

    id: str
    url: str
    study: str
    variant: str
    is_baseline: bool
    """The null test: baseline against baseline."""
    point: dict[str, int]
    state: str
    outcome: str | None
    outcome_phase: str | None
    message: str | None
    signal: int | None
    priority: int
    """-10 to 10; of the queued runs, those of the highest are taken first."""
    attempts: int
    progress: JsonValue
    worker: str | None
    device: str | None
    environment: str | None
    seconds: float | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    measurements: list[ShownMeasurement]
    effects: list[ShownEffect]
    ran: str | None
    """as_asked, emulated or fell_back: the worst of the variant's proofs; null while nothing was proven."""
    proofs: JsonValue
    bottlenecks: list[Bottleneck]
    """What binds each phase of each arm."""
    notes: list[str]
    unmet: list[str]
    machine_state: JsonValue
    """Load, clocks and the like when the sitting began and ended; what lasts is the environment."""


class ShownTimeline(BaseModel):
    """One quantity over the time of one step or sitting."""

    metric: str
    phase: str
    arm: str
    at_s: list[float]
    """Seconds since its beginning."""
    values: list[float]
    """In the metric's base unit, one for each time."""


class ShownKernel(BaseModel):
    """One operator or device kernel of the profiled step."""

    arm: str
    name: str
    device: str
    calls: int
    seconds: float
    """Its own time in the step, without that of what it calls."""


class ShownArtifact(BaseModel):
    """A file that the run brought back."""

    name: str
    arm: str
    media_type: str
    size: int
    """Bytes once unpacked."""
    url: str
    """Where it is downloaded."""


class ShownAttempt(BaseModel):
    """One claim of a run and how it ended."""

    token: int
    worker: str
    pid: int | None
    claimed_at: str
    started_at: str | None
    ended_at: str | None
    ending: str | None
    outcome: str | None
    message: str | None


class RunDetail(ShownRun):
    """One run with everything that is known about it."""

    spec: JsonValue
    """What the measuring program reads on standard input."""
    tail: str | None
    log: list[str]
    history: list[ShownAttempt]
    samples: tuple[Samples, ...]
    timelines: list[ShownTimeline]
    kernels: list[ShownKernel]
    """Longest first; empty unless the study asked for a profile."""
    artifacts: list[ShownArtifact]


def run_detail(session: Session, run_id: str) -> RunDetail:
    """A run with everything that is known about it.

    Raises:
        NotFound: there is none with this id.
    """
    run = queries.run(session, run_id)
    return RunDetail(
        **shown_runs(session, [run])[0].model_dump(),
        spec=run.spec,
        tail=run.tail,
        log=queries.log_lines(session, run_id=run.id),
        history=[
            ShownAttempt(
                **attempt.model_dump(include={"token", "pid", "ending", "outcome", "message"}),
                worker=name,
                claimed_at=moment(attempt.claimed_at),
                started_at=moment_if(attempt.started_at),
                ended_at=moment_if(attempt.ended_at),
            )
            for attempt, name in queries.attempts(session, run.id)
        ],
        samples=samples.of_run(session, run.id),
        timelines=[
            ShownTimeline(
                **row.model_dump(include={"metric", "phase", "arm"}),
                at_s=list(packed.moments(row)),
                values=list(packed.values(row)),
            )
            for row in reported.timelines(session, run.id)
        ],
        kernels=[ShownKernel.model_validate(row, from_attributes=True) for row in reported.kernels(session, run.id)],
        artifacts=shown_artifacts(session, run.id),
    )


def tabulated(rows: Sequence[Samples]) -> str:
    """Raw values as comma-separated text: one row for each, in base units, with where it comes from."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(("metric", "phase", "arm", "pair", "warm_up", "contended", "number", "value", "unit"))
    for row in rows:
        unit = BY_NAME[row.metric].unit if row.metric in BY_NAME else ""
        begin = (row.metric, row.phase, row.arm, row.pair, str(row.warm_up).lower(), str(row.contended).lower())
        table.writerows((*begin, number, repr(value), unit) for number, value in enumerate(row.values))
    return text.getvalue()


def shown_artifacts(session: Session, run_id: str) -> list[ShownArtifact]:
    """The files of the report that counts, each with its address."""
    return [
        ShownArtifact(
            name=row.name,
            arm=row.arm,
            media_type=row.media_type,
            size=row.size,
            url=f"/api/v1/runs/{run_id}/artifacts/{row.name}?arm={row.arm}",
        )
        for row in reported.artifacts(session, run_id)
    ]


def shown_runs(session: Session, runs: Sequence[Run]) -> list[ShownRun]:
    """Runs with the figures of the reports that count."""
    measured: dict[str, list[ShownMeasurement]] = defaultdict(list)
    rows = reported.measurements(session, [run.id for run in runs])
    followed, items = definitions.followed(rows), verdicts.scored(rows)
    for row in rows:
        apart = definitions.apart(row.metric, row.definition)
        measured[row.run_id].append(ShownMeasurement.model_validate(row.model_dump() | {"apart": apart}))
    effects: dict[str, list[ShownEffect]] = defaultdict(list)
    for study_id in dict.fromkeys(run.study_id for run in runs):
        # All comparisons of the study, whichever runs are shown: the verdicts are corrected for them.
        siblings = queries.runs(session, study_id)
        found = reported.effects(session, [run.id for run in siblings])
        together = verdicts.corrections(siblings, found)
        for effect in found:
            version = followed.get((effect.run_id, effect.metric, effect.phase), definitions.FIRST)
            effects[effect.run_id].append(
                ShownEffect(
                    metric=effect.metric,
                    phase=effect.phase,
                    **verdicts.ratio(effect, together, items).model_dump(),
                    definition=version,
                    apart=definitions.apart(effect.metric, version),
                )
            )
    return [_run(run, measured[run.id], effects[run.id]) for run in runs]


def _run(run: Run, measurements: list[ShownMeasurement], effects: list[ShownEffect]) -> ShownRun:
    remarks = run.notes if isinstance(run.notes, dict) else {}
    same = {"id", "variant", "is_baseline", "point", "state", "outcome", "outcome_phase", "message", "signal"}
    return ShownRun(
        **run.model_dump(include=same | {"priority", "attempts", "progress", "ran", "seconds"}),
        url=f"/runs/{run.id}",
        study=run.study_id,
        worker=run.worker_id,
        device=run.device_id,
        environment=run.environment_id,
        created_at=moment(run.created_at),
        started_at=moment_if(run.started_at),
        finished_at=moment_if(run.finished_at),
        measurements=measurements,
        effects=effects,
        proofs=run.proofs or [],
        bottlenecks=comparison.bottlenecks(run),
        notes=_texts(remarks.get("notes")),
        unmet=_texts(remarks.get("unmet")),
        machine_state=remarks.get("machine_state") or {},
    )


def _texts(found: JsonValue) -> list[str]:
    return [str(text) for text in found] if isinstance(found, list) else []
