"""What runs brought: the rows of reports, and for each ended run the one row that all runs are compared by."""

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db.tables.columns import BIG, json_column


class _ReportRow(SQLModel):
    """What every row of a report says: which run it is of, and which attempt brought it."""

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    run_id: str = Field(foreign_key="runs.id")
    token: int = 0
    """Of the attempt that brought it."""


class MeasurementRow(_ReportRow, table=True):
    """Summary of one metric in one phase of one arm of a run."""

    __tablename__ = "measurements"
    __table_args__ = (
        UniqueConstraint("run_id", "token", "metric", "phase", "arm"),
        Index("ix_measurements_metric", "metric", "phase", "value"),
    )
    metric: str
    phase: str
    arm: str
    value: float
    low: float
    high: float
    unit: str
    n: int = Field(sa_type=BigInteger)
    effective_n: float | None = None
    q1: float | None = None
    """Lower quartile of the samples; with ``q3`` their spread."""
    q3: float | None = None
    definition: int = 1
    """Version of the metric's definition."""


class EffectRow(_ReportRow, table=True):
    """Variant over baseline for one metric in one phase of a run."""

    __tablename__ = "effects"
    __table_args__ = (
        UniqueConstraint("run_id", "token", "metric", "phase"),
        Index("ix_effects_metric", "metric", "phase", "ratio"),
    )
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


class SampleRow(_ReportRow, table=True):
    """Raw values of one metric from one process, as little-endian float64 in the order in which they were taken."""

    __tablename__ = "samples"
    __table_args__ = (Index("ix_samples_run", "run_id", "token"),)
    metric: str
    phase: str
    arm: str
    pair: int = Field(sa_type=BigInteger)
    warm_up: bool
    contended: bool = False
    """Whether others disturbed the pair, which was measured again; these values are in no summary."""
    count: int
    data: bytes


class TimelineRow(_ReportRow, table=True):
    """One quantity over the time of one step or sitting: times and values as little-endian float64."""

    __tablename__ = "timelines"
    __table_args__ = (UniqueConstraint("run_id", "token", "metric", "phase", "arm"),)
    metric: str
    phase: str
    arm: str
    count: int
    at_s: bytes
    """Seconds since its beginning."""
    data: bytes


class KernelRow(_ReportRow, table=True):
    """One operator or device kernel of a profiled step."""

    __tablename__ = "kernels"
    __table_args__ = (Index("ix_kernels_run", "run_id", "token"),)
    arm: str
    name: str
    device: str
    calls: int = Field(sa_type=BigInteger)
    seconds: float


class ArtifactRow(_ReportRow, table=True):
    """A file that a run brought back, compressed with gzip as it came."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("run_id", "token", "name", "arm"),)
    name: str
    arm: str
    media_type: str
    size: int = Field(sa_type=BigInteger)
    """Bytes once unpacked."""
    data: bytes


class Result(SQLModel, table=True):
    """An ended run with what all runs are compared by; written anew whenever it changes, so numbers only rise.

    ``app/results/keeping.py`` alone writes it, ``app/results/columns.py`` reads it into memory.
    """

    __tablename__ = "results"
    # Numbers are never given twice: who has read up to number N asks for what is above N.
    __table_args__ = ({"sqlite_autoincrement": True},)
    number: int | None = Field(default=None, primary_key=True, sa_type=BIG)
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
    against: str
    """The baseline's stack in words: what the ratios are over."""
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
    point: dict[str, int] = json_column()
    """All sizes and switches of the workload, swept or not."""
    batch_size: int | None = Field(default=None, sa_type=BigInteger)
    length: int | None = Field(default=None, sa_type=BigInteger)
    """Of the sequence or of the prompt."""
    evaluation: str | None = None
    """How quality was scored, in words; None where it was not."""
    finished_at: float
    figures: bytes
    """Little-endian float64, in the order of ``app/results/figures.py``."""
    verdicts: str
    """A letter for each figure."""
    withdrawn: bool = False
    """Whether its run failed and waits to be measured again: whoever has read the row before forgets it."""
