"""What people and programs see of the ledger: typed shapes, and the functions that fill them for pages and API alike."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue
from sqlmodel import Session

from app import comparison, reports, verdicts
from app.db import noted, queries
from app.db.session import clock
from app.db.tables import Environment, Run, Study, Worker
from workers.catalog.metrics import BY_NAME
from workers.catalog.report import Bottleneck

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """A page of a list, newest first."""

    items: list[Item]
    next: str | None
    """Cursor of the following page; null at the end."""


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
    p_value: float | None
    """Of the run by itself; null for counters that repeat."""
    p_adjusted: float | None
    """After the correction; null where nothing was corrected."""
    comparisons: int
    """How many comparisons of this metric in this phase the study made; 1 where nothing was corrected."""
    method: str | None
    """How the interval was found."""


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


class ShownSamples(BaseModel):
    """Raw values of one metric from one process, in the order in which they were taken."""

    metric: str
    phase: str
    arm: str
    pair: int
    warm_up: bool
    contended: bool
    """Whether others disturbed the pair, which was measured again; these values are in no summary."""
    values: list[float]


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
    samples: list[ShownSamples]
    timelines: list[ShownTimeline]
    kernels: list[ShownKernel]
    """Longest first; empty unless the study asked for a profile."""
    artifacts: list[ShownArtifact]


class StudySummary(BaseModel):
    """One study in a list."""

    id: str
    url: str
    name: str
    state: str
    owner: str
    model: str
    workload: str
    device: str
    effort: str
    run_count: int
    priority: int
    """As it was last given to all its runs; a run may have been given another since."""
    tags: list[str]
    created_at: str
    finished_at: str | None


class StudyDetail(StudySummary):
    """One study with its runs."""

    cancel_asked_at: str | None
    spec: JsonValue
    runs: list[ShownRun]


class ShownDevice(BaseModel):
    """What a worker measures on."""

    key: str
    kind: str
    index: int
    name: str
    memory_bytes: int


class ShownWorker(BaseModel):
    """One worker."""

    id: str
    name: str
    host: str
    version: str
    present: bool
    """Whether it announced itself in the last seconds."""
    first_seen_at: str
    last_seen_at: str
    device: ShownDevice
    run: str | None
    """The run it holds."""


class ShownEnvironment(BaseModel):
    """A machine and its software as runs found it."""

    id: str
    fields: dict[str, JsonValue]
    first_seen_at: str


def moment(seconds: float) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def study_detail(session: Session, study_id: str) -> StudyDetail:
    """A study with its runs.

    Raises:
        NotFound: there is none with this id.
    """
    study = queries.study(session, study_id)
    runs = shown_runs(session, queries.runs(session, study.id))
    return StudyDetail(
        **_summaries(session, [study])[0].model_dump(),
        cancel_asked_at=_moment(study.cancel_asked_at),
        spec=study.spec,
        runs=runs,
    )


def studies(
    session: Session, *, state: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 50
) -> Listing[StudySummary]:
    """Studies, newest first.

    Args:
        session: reads.
        state: in which they are; None is any.
        tag: the key of one that they have; None is any.
        cursor: where an earlier page ended.
        limit: how many.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    page = queries.studies(session, state=state, tag=tag, cursor=cursor, limit=limit)
    return Listing(items=_summaries(session, page.items), next=page.next)


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
                started_at=_moment(attempt.started_at),
                ended_at=_moment(attempt.ended_at),
            )
            for attempt, name in queries.attempts(session, run.id)
        ],
        samples=samples(session, run.id),
        timelines=[
            ShownTimeline(
                **row.model_dump(include={"metric", "phase", "arm"}),
                at_s=list(reports.moments(row)),
                values=list(reports.values(row)),
            )
            for row in queries.timelines(session, run.id)
        ],
        kernels=[ShownKernel.model_validate(row, from_attributes=True) for row in queries.kernels(session, run.id)],
        artifacts=shown_artifacts(session, run.id),
    )


def samples(session: Session, run_id: str) -> list[ShownSamples]:
    """Every raw value of the report that counts."""
    return [
        ShownSamples(
            **row.model_dump(include={"metric", "phase", "arm", "pair", "warm_up", "contended"}),
            values=list(reports.values(row)),
        )
        for row in queries.samples(session, run_id)
    ]


def tabulated(rows: Sequence[ShownSamples]) -> str:
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
        for row in queries.artifacts(session, run_id)
    ]


def workers(session: Session, *, cursor: str | None = None, limit: int = 50) -> Listing[ShownWorker]:
    """Workers, newest first.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    page = queries.workers(session, cursor=cursor, limit=limit)
    found: Sequence[Worker] = page.items
    devices = queries.devices(session, [worker.device_id for worker in found])
    holders = queries.workers_of_runs(session, [device.run_id for device in devices.values() if device.run_id])
    now = clock(session)
    shown = []
    for worker in found:
        device = devices[worker.device_id]
        shown.append(
            ShownWorker(
                **worker.model_dump(include={"id", "name", "host", "version"}),
                present=worker.last_seen_at > now - queries.PRESENT_S,
                first_seen_at=moment(worker.first_seen_at),
                last_seen_at=moment(worker.last_seen_at),
                device=ShownDevice(key=device.id, **device.model_dump(exclude={"id", "run_id", "token"})),
                run=device.run_id if device.run_id and holders.get(device.run_id) == worker.id else None,
            )
        )
    return Listing(items=shown, next=page.next)


def environment(session: Session, environment_id: str) -> ShownEnvironment:
    """One environment.

    Raises:
        NotFound: there is none with this id.
    """
    found: Environment = queries.environment(session, environment_id)
    fields = found.fields if isinstance(found.fields, dict) else {}
    return ShownEnvironment(id=found.id, fields=fields, first_seen_at=moment(found.first_seen_at))


def shown_runs(session: Session, runs: Sequence[Run]) -> list[ShownRun]:
    """Runs with the figures of the reports that count."""
    measured: dict[str, list[ShownMeasurement]] = defaultdict(list)
    for row in queries.measurements(session, [run.id for run in runs]):
        measured[row.run_id].append(ShownMeasurement.model_validate(row, from_attributes=True))
    effects: dict[str, list[ShownEffect]] = defaultdict(list)
    for study_id in dict.fromkeys(run.study_id for run in runs):
        # All comparisons of the study, whichever runs are shown: the verdicts are corrected for them.
        siblings = queries.runs(session, study_id)
        rows = queries.effects(session, [run.id for run in siblings])
        together = verdicts.corrections(siblings, rows)
        for effect in rows:
            shown = verdicts.ratio(effect, together)
            effects[effect.run_id].append(ShownEffect(metric=effect.metric, phase=effect.phase, **shown.model_dump()))
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
        started_at=_moment(run.started_at),
        finished_at=_moment(run.finished_at),
        measurements=measurements,
        effects=effects,
        proofs=run.proofs or [],
        bottlenecks=comparison.bottlenecks(run),
        notes=_texts(remarks.get("notes")),
        unmet=_texts(remarks.get("unmet")),
        machine_state=remarks.get("machine_state") or {},
    )


def _summaries(session: Session, found: Sequence[Study]) -> list[StudySummary]:
    owners = queries.user_names(session, [study.owner_id for study in found])
    tags = noted.tag_names(session, [study.id for study in found])
    same = {"id", "name", "state", "model", "workload", "device", "effort", "run_count", "priority"}
    return [
        StudySummary(
            **study.model_dump(include=same),
            url=f"/studies/{study.id}",
            owner=owners[study.owner_id],
            tags=tags.get(study.id, []),
            created_at=moment(study.created_at),
            finished_at=_moment(study.finished_at),
        )
        for study in found
    ]


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)


def _texts(found: JsonValue) -> list[str]:
    return [str(text) for text in found] if isinstance(found, list) else []
