"""An honest double at the border: a worker that speaks the real papers to the real ledger, and measures nothing."""

from typing import Any

from app.db.session import Database
from app.runs import ledger
from tests import demo
from workers.catalog.lease import Announcement, Beat, Device, Finish, Granted, Progress, Pulse, Release, Start
from workers.catalog.report import Report


def announcement(number: int = 1, kind: str = "cpu") -> Announcement:
    """What worker number N says about itself; each has a device of its own."""
    return Announcement.model_validate(
        {
            "name": f"box{number}:{kind}:{number}",
            "host": f"box{number}",
            "pid": number,
            "version": "0.1.0",
            "device": Device.model_validate(
                {"key": f"box{number}/{kind}", "kind": kind, "name": "AMD EPYC 9B45", "memory_bytes": 25_196_199_936}
            ),
        }
    )


class WorkerDouble:
    """A worker that drives runs through the ledger's own functions."""

    def __init__(self, database: Database, number: int = 1, kind: str = "cpu") -> None:
        self.database = database
        self.announcement = announcement(number, kind)
        self.announce()

    def announce(self) -> str:
        with self.database.writing() as session:
            return ledger.announce(session, self.announcement)

    def claim(self, run_id: str) -> Granted:
        with self.database.writing() as session:
            return ledger.claim(session, run_id, self.announcement.name)

    def start(self, granted: Granted) -> Pulse:
        with self.database.writing() as session:
            return ledger.start(session, granted.run, Start(token=granted.token, pid=4321))

    def beat(self, granted: Granted, fraction: float = 0.0, log: tuple[str, ...] = ()) -> Pulse:
        progress = Progress(phase="measure", message="pair 1 of 3", fraction=fraction)
        with self.database.writing() as session:
            return ledger.beat(session, granted.run, Beat(token=granted.token, progress=progress, log=log))

    def finish(self, granted: Granted, report: Report | None = None) -> str:
        with self.database.writing() as session:
            return ledger.finish(session, granted.run, Finish(token=granted.token, report=report or measured()))

    def release(self, granted: Granted, ending: Any = "released", message: str = "") -> str:
        with self.database.writing() as session:
            paper = Release(token=granted.token, ending=ending, message=message)
            return ledger.release(session, granted.run, paper)


def measured(**changes: Any) -> Report:
    """A report with figures."""
    from workers.catalog.spec import StudySpec

    planned = next(iter(StudySpec.model_validate(demo.order()).runs()))
    return Report.model_validate(demo.report(planned).model_dump() | changes)
