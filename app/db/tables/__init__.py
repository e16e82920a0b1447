"""The tables. Times are seconds since 1970 UTC by the database's clock; ids sort by time (ULID).

Everybody imports them from here, so that whoever knows one table knows them all, as migrations and foreign keys need.
"""

from app.db.tables.access import Audit, IdempotencyKey, SigninLink, Token, User, WebSession
from app.db.tables.columns import new_id
from app.db.tables.ledger import Attempt, CeilingsRow, DeviceRow, Environment, Event, Run, Study, Worker
from app.db.tables.results import (
    ArtifactRow,
    EffectRow,
    KernelRow,
    MeasurementRow,
    Result,
    SampleRow,
    TimelineRow,
)
from app.db.tables.team import Draft, Note, Tag, View

__all__ = [
    "ArtifactRow",
    "Attempt",
    "Audit",
    "CeilingsRow",
    "DeviceRow",
    "Draft",
    "EffectRow",
    "Environment",
    "Event",
    "IdempotencyKey",
    "KernelRow",
    "MeasurementRow",
    "Note",
    "Result",
    "Run",
    "SampleRow",
    "SigninLink",
    "Study",
    "Tag",
    "TimelineRow",
    "Token",
    "User",
    "View",
    "WebSession",
    "Worker",
    "new_id",
]
