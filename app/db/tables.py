"""The ledger's tables. Times are seconds since 1970 UTC by the database's clock; ids sort by time (ULID)."""

from typing import Any

from pydantic import JsonValue
from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel, col
from ulid import ULID


def new_id() -> str:
    """A random id that sorts by the time it was made, so that an id is also a page cursor."""
    return str(ULID())


BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on every database; SQLite's INTEGER has them already and numbers rows only under that name."""


def _json(**kwargs: Any) -> Any:
    return Field(sa_column=Column(JSON, nullable=kwargs.pop("nullable", False)), **kwargs)


class User(SQLModel, table=True):
    """Somebody who may sign in or own tokens."""

    __tablename__ = "users"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    role: str
    """viewer, member, admin; worker for a machine that measures."""
    created_at: float


class WebSession(SQLModel, table=True):
    """A signed-in browser."""

    __tablename__ = "sessions"
    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    created_at: float
    expires_at: float


class SigninLink(SQLModel, table=True):
    """A link that signs a person in once."""

    __tablename__ = "signin_links"
    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id")
    expires_at: float
    used_at: float | None = None


class Token(SQLModel, table=True):
    """A bearer token, kept as a hash."""

    __tablename__ = "tokens"
    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    name: str
    prefix: str
    """The first characters, to recognise it by."""
    secret_hash: str = Field(unique=True)
    scope: str
    """read, submit, worker, admin."""
    created_at: float
    expires_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


class IdempotencyKey(SQLModel, table=True):
    """The answer that a POST with this key had."""

    __tablename__ = "idempotency_keys"
    principal: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: str
    status: int
    response: JsonValue = _json()
    created_at: float = Field(index=True)


class Audit(SQLModel, table=True):
    """Who did what; rows are only ever added."""

    __tablename__ = "audit"
    id: str = Field(default_factory=new_id, primary_key=True)
    at: float
    actor: str
    action: str
    subject: str
    detail: JsonValue = _json(nullable=True, default=None)


class Study(SQLModel, table=True):
    """A baseline and variants, submitted together."""

    __tablename__ = "studies"
    __table_args__ = (Index("ix_studies_state_id", "state", "id"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str
    owner_id: str = Field(foreign_key="users.id", index=True)
    state: str
    """queued, running, done, cancelled; follows from the runs, kept here so that lists can filter."""
    spec: JsonValue = _json()
    model: str
    """Label of the model, for lists."""
    workload: str
    device: str
    effort: str
    run_count: int
    created_at: float
    finished_at: float | None = None
    cancel_asked_at: float | None = None
    priority: int = 0
    """-10 to 10, as somebody set it last for all runs that had not ended; a run may have been given another since."""


class Run(SQLModel, table=True):
    """One variant measured against the baseline at one point. ``app/runs/ledger.py`` alone changes it."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("study_id", "position"),
        Index("ix_runs_state_lease", "state", "lease_until"),
        Index("ix_runs_state_id", "state", "id"),
        Index("ix_runs_state_finished", "state", "finished_at", "id"),
        Index("ix_runs_finished", "finished_at", "id"),
        Index("ix_runs_outcome", "outcome", "finished_at", "id"),
    )
    id: str = Field(default_factory=new_id, primary_key=True)
    study_id: str = Field(foreign_key="studies.id")
    position: int
    variant: str
    is_baseline: bool
    """The null test: baseline against baseline."""
    point: dict[str, int] = _json()
    spec: JsonValue = _json()
    device_kind: str
    state: str = "queued"
    """queued, leased, running, cancelling, done, cancelled, quarantined, expired."""
    outcome: str | None = None
    outcome_phase: str | None = None
    message: str | None = None
    """Why it ended as it did, for a person."""
    signal: int | None = Field(default=None, sa_type=BigInteger)
    tail: str | None = None
    token: int = 0
    """Fencing token: rises with every claim."""
    result_token: int = 0
    """Token of the attempt whose report counts; 0 while there is none. Rows of earlier reports stay as history."""
    attempts: int = 0
    """Claims, without those that their worker gave back."""
    workers_lost: int = 0
    infra_errors: int = 0
    not_before: float
    """Earliest claim; moves back after a lost worker or an infrastructure error."""
    queue_until: float
    """Expires when it was not claimed by then."""
    priority: int = 0
    """-10 to 10; of the queued runs for a kind of device, those of the highest are taken first."""
    lease_until: float = 0.0
    worker_id: str | None = Field(default=None, foreign_key="workers.id", index=True)
    device_id: str | None = Field(default=None, foreign_key="devices.id")
    environment_id: str | None = Field(default=None, foreign_key="environments.id")
    progress: JsonValue = _json(nullable=True, default=None)
    notes: JsonValue = _json(nullable=True, default=None)
    """Of the report {"notes": [...], "unmet": [...], "machine_state": {...}}: the environment's fields that change."""
    proofs: JsonValue = _json(nullable=True, default=None)
    ran: str | None = None
    """as_asked, emulated, fell_back: the worst of the proofs of the variant arm; None while nothing was proven."""
    bottlenecks: JsonValue = _json(nullable=True, default=None)
    """What binds each phase of each arm, as the report says it."""
    seconds: float | None = None
    created_at: float
    hinted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None


# In the order in which the queue is taken, which begins with the highest priority.
Index(
    "ix_runs_queue",
    col(Run.state),
    col(Run.device_kind),
    col(Run.priority).desc(),
    col(Run.study_id),
    col(Run.position),
)


class Attempt(SQLModel, table=True):
    """One claim of a run and how it ended."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("run_id", "token"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    run_id: str = Field(foreign_key="runs.id")
    token: int
    worker_id: str = Field(foreign_key="workers.id")
    pid: int | None = Field(default=None, sa_type=BigInteger)
    claimed_at: float
    started_at: float | None = None
    ended_at: float | None = None
    ending: str | None = None
    """finished, released, infra_error, worker_lost, cancelled."""
    outcome: str | None = None
    """What its report said, if it brought one."""
    message: str | None = None


class MeasurementRow(SQLModel, table=True):
    """Summary of one metric in one phase of one arm of a run."""

    __tablename__ = "measurements"
    __table_args__ = (
        UniqueConstraint("run_id", "token", "metric", "phase", "arm"),
        Index("ix_measurements_metric", "metric", "phase", "value"),
    )
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    metric: str
    phase: str
    arm: str
    value: float
    low: float
    high: float
    unit: str
    n: int = Field(sa_type=BigInteger)
    effective_n: float | None = None


class EffectRow(SQLModel, table=True):
    """Variant over baseline for one metric in one phase of a run."""

    __tablename__ = "effects"
    __table_args__ = (
        UniqueConstraint("run_id", "token", "metric", "phase"),
        Index("ix_effects_metric", "metric", "phase", "ratio"),
    )
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    metric: str
    phase: str
    ratio: float
    low: float
    high: float
    verdict: str
    """What the run alone says; ``app/study/comparison.py`` corrects for the comparisons of its study."""
    pairs: int = Field(sa_type=BigInteger)
    p_value: float | None = None
    method: str | None = None


class Result(SQLModel, table=True):
    """An ended run with what all runs are compared by; written anew whenever it changes, so numbers only rise.

    ``app/results/keeping.py`` alone writes it, ``app/results/columns.py`` reads it into memory.
    """

    __tablename__ = "results"
    # Numbers are never given twice: who has read up to number N asks for what is above N.
    __table_args__ = ({"sqlite_autoincrement": True},)
    number: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id", unique=True)
    study_id: str = Field(foreign_key="studies.id", index=True)
    study: str
    """Name of the study."""
    owner: str
    """Name of who asked for it."""
    model: str
    workload: str
    device: str
    """Kind of device."""
    hardware: str | None
    """Name of what it was measured on."""
    environment: str | None
    baseline: str
    variant: str
    label: str
    """The stack in words."""
    family: str
    techniques: str
    """Words of the techniques that set it apart from the baseline, joined by "+"; empty for the null test."""
    effort: str
    outcome: str
    """As the report has it; quarantined or expired for a run that never brought one."""
    ran: str | None
    point: dict[str, int] = _json()
    """All sizes and switches of the workload, swept or not."""
    batch_size: int | None = Field(default=None, sa_type=BigInteger)
    length: int | None = Field(default=None, sa_type=BigInteger)
    """Of the sequence or of the prompt."""
    finished_at: float
    figures: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Little-endian float64, in the order of ``app/results/figures.py``."""
    verdicts: str
    """A letter for each figure."""


class SampleRow(SQLModel, table=True):
    """Raw values of one metric from one process, as little-endian float64 in the order in which they were taken."""

    __tablename__ = "samples"
    __table_args__ = (Index("ix_samples_run", "run_id", "token"),)
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    metric: str
    phase: str
    arm: str
    pair: int = Field(sa_type=BigInteger)
    warm_up: bool
    contended: bool = False
    """Whether others disturbed the pair, which was measured again; these values are in no summary."""
    count: int
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TimelineRow(SQLModel, table=True):
    """One quantity over the time of one step or sitting: times and values as little-endian float64."""

    __tablename__ = "timelines"
    __table_args__ = (UniqueConstraint("run_id", "token", "metric", "phase", "arm"),)
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    metric: str
    phase: str
    arm: str
    count: int
    at_s: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Seconds since its beginning."""
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class KernelRow(SQLModel, table=True):
    """One operator or device kernel of a profiled step."""

    __tablename__ = "kernels"
    __table_args__ = (Index("ix_kernels_run", "run_id", "token"),)
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    arm: str
    name: str
    device: str
    calls: int = Field(sa_type=BigInteger)
    seconds: float


class ArtifactRow(SQLModel, table=True):
    """A file that a run brought back, compressed with gzip as it came."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("run_id", "token", "name", "arm"),)
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""
    name: str
    arm: str
    media_type: str
    size: int = Field(sa_type=BigInteger)
    """Bytes once unpacked."""
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Environment(SQLModel, table=True):
    """A machine and its software as a run found it; equal environments share a row."""

    __tablename__ = "environments"
    id: str = Field(primary_key=True)
    """Digest of the fields."""
    fields: JsonValue = _json()
    first_seen_at: float


class Worker(SQLModel, table=True):
    """A process that measures."""

    __tablename__ = "workers"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    host: str
    pid: int = Field(sa_type=BigInteger)
    version: str
    device_id: str = Field(foreign_key="devices.id")
    first_seen_at: float
    last_seen_at: float = Field(index=True)


class DeviceRow(SQLModel, table=True):
    """What a worker measures on; holds at most one run at a time."""

    __tablename__ = "devices"
    id: str = Field(primary_key=True)
    """Key of the device: host and uuid."""
    kind: str
    index: int = Field(sa_type=BigInteger)
    name: str
    memory_bytes: int = Field(sa_type=BigInteger)
    run_id: str | None = None
    """The run that holds it, from its claim to the end of that attempt; its lease is the run's."""
    token: int = 0
    """Of the attempt that holds it."""


class CeilingsRow(SQLModel, table=True):
    """What a device can do at most, as its worker measured it last."""

    __tablename__ = "ceilings"
    device_id: str = Field(primary_key=True, foreign_key="devices.id")
    measured: JsonValue = _json(nullable=True, default=None)
    """As ``workers.catalog.ceilings`` has it; None while only asked for."""
    received_at: float | None = None
    asked_at: float | None = None
    """When somebody asked to measure again; None once that is done."""


class Event(SQLModel, table=True):
    """What happened to a run, in order; server-sent events replay it."""

    __tablename__ = "events"
    # Numbers are never given twice: a reader that has seen number N asks for what is above N.
    __table_args__ = (Index("ix_events_study_id", "study_id", "id"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True))
    study_id: str = Field(foreign_key="studies.id")
    run_id: str | None = Field(default=None, foreign_key="runs.id", index=True)
    kind: str
    """state, progress, log, study, priority."""
    data: JsonValue = _json()
    size: int = 0
    """Bytes of log text, so that the log of a run can be kept to its last part."""
    at: float


class Draft(SQLModel, table=True):
    """A study that somebody keeps for later; it may be one that cannot be measured."""

    __tablename__ = "drafts"
    __table_args__ = (Index("ix_drafts_owner", "owner_id", "id"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    owner_id: str = Field(foreign_key="users.id")
    name: str
    study: JsonValue = _json()
    created_at: float
    changed_at: float


class Note(SQLModel, table=True):
    """One version of a note on a study or on one of its runs; rows are only ever added, so its history is kept."""

    __tablename__ = "notes"
    __table_args__ = (Index("ix_notes_subject", "subject_id", "id", "version"),)
    id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    """From 1; the highest one counts."""
    subject_id: str
    """The study's id, or the run's."""
    study_id: str = Field(foreign_key="studies.id", index=True)
    text: str | None = None
    """Markdown; None where this version took the note away."""
    author_id: str = Field(foreign_key="users.id")
    at: float


class Tag(SQLModel, table=True):
    """A word on a study or on one of its runs."""

    __tablename__ = "tags"
    __table_args__ = (Index("ix_tags_key", "key", "subject_id"),)
    subject_id: str = Field(primary_key=True)
    """The study's id, or the run's."""
    key: str = Field(primary_key=True)
    """What makes two tags the same: the name without regard to case and form."""
    study_id: str = Field(foreign_key="studies.id", index=True)
    name: str
    author_id: str = Field(foreign_key="users.id")
    at: float


class View(SQLModel, table=True):
    """An address of one of our own pages, with everything a reader picked on it, under a short id."""

    __tablename__ = "views"
    __table_args__ = (
        Index("ix_views_owner", "owner_id", "changed_at"),
        Index("ix_views_sharing", "sharing", "changed_at"),
    )
    id: str = Field(primary_key=True)
    """Short, because it is written into messages; random, so that nobody comes upon it."""
    owner_id: str = Field(foreign_key="users.id")
    name: str
    path: str
    """Path and query, for example /explore?technique=nf4."""
    sharing: str
    """private: the owner alone opens it; link: whoever has the id and is signed in; team: listed for everybody too."""
    created_at: float
    changed_at: float
