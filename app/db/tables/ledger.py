"""What was asked for and what becomes of it: studies, runs, attempts, events, and the machines that measure."""

from pydantic import JsonValue
from sqlalchemy import BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel, col

from app.db.tables.columns import BIG, json_column, new_id


class Study(SQLModel, table=True):
    """A baseline and variants, submitted together."""

    __tablename__ = "studies"
    __table_args__ = (Index("ix_studies_state_id", "state", "id"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str
    owner_id: str = Field(foreign_key="users.id", index=True)
    state: str
    """queued, running, done, cancelled; follows from the runs, kept here so that lists can filter."""
    spec: JsonValue = json_column()
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
    point: dict[str, int] = json_column()
    spec: JsonValue = json_column()
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
    progress: JsonValue = json_column(nullable=True, default=None)
    notes: JsonValue = json_column(nullable=True, default=None)
    """Of the report {"notes": [...], "unmet": [...], "machine_state": {...}}: the environment's fields that change."""
    proofs: JsonValue = json_column(nullable=True, default=None)
    ran: str | None = None
    """as_asked, emulated, fell_back: the worst of the proofs of the variant arm; None while nothing was proven."""
    bottlenecks: JsonValue = json_column(nullable=True, default=None)
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
    data: JsonValue = json_column()
    size: int = 0
    """Bytes of log text, so that the log of a run can be kept to its last part."""
    at: float


class Environment(SQLModel, table=True):
    """A machine and its software as a run found it; equal environments share a row."""

    __tablename__ = "environments"
    id: str = Field(primary_key=True)
    """Digest of the fields."""
    fields: JsonValue = json_column()
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
    measured: JsonValue = json_column(nullable=True, default=None)
    """As ``workers.catalog.ceilings`` has it; None while only asked for."""
    received_at: float | None = None
    asked_at: float | None = None
    """When somebody asked to measure again; None once that is done."""
