"""Loads what the project has measured into a data folder of its own, for ``tradespace demo``.

Every study goes the way of all studies (submission, claim, start, beat, finish) at the moments at which it was measured, so
that nothing here knows how a study is stored.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from app.db import queries
from app.db.demo import has_studies
from app.db.migrate import migrate
from app.db.session import Database, insert_once, replay
from app.db.tables import User, new_id
from app.devices import ceilings
from app.errors import Refused
from app.ordering import submission
from app.presentation.demo import ACTION, OWNER, Demo, loaded
from app.runs import ledger
from app.settings import CannotStart, Settings
from workers.catalog import recorded
from workers.catalog.lease import Beat, Finish, Start
from workers.catalog.recorded import RecordedStudy

SHIPPED = Path(__file__).resolve().parents[2] / "demo"
"""What the project has measured: a file for each study."""


def own(settings: Settings, data: Path | None = None) -> Settings:
    """Settings that keep the demo away from the user's own data.

    Args:
        settings: what the environment says; a database or broker that it names is the user's own.
        data: folder for the demo; None is ``demo`` in the data folder.
    """
    return settings.model_copy(
        update={"data": data or settings.data / "demo", "database_url": None, "broker_url": None}
    )


def load(settings: Settings, folder: Path = SHIPPED) -> str:
    """Load the recorded studies of a folder, all or none; does nothing where demo data was loaded before.

    Returns:
        What was done, in one line for a person.

    Raises:
        CannotStart: there are none, one cannot be read or stored, or the data folder has studies of its own.
    """
    files = sorted(folder.glob(f"*{recorded.ENDING}"))
    if not files:
        raise CannotStart(f"there is no demo data in {folder}; scripts/measure_demo.py measures it")
    digest = hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
    migrate(settings)
    database = Database(settings.database)
    try:
        with database.writing() as session:
            there = loaded(session)
            if there is not None:
                return _told(there, settings, digest)
            if has_studies(session):
                raise CannotStart(
                    f"the data folder {settings.data.resolve()} has studies of its own, which demo data would mix with; "
                    "give another: tradespace demo --data FOLDER"
                )
            demo = _take_in(session, _read(files), digest)
        return f"Demo data:        {demo.studies} studies, {demo.runs} runs, loaded into {settings.data.resolve()}"
    finally:
        database.close()


def _read(files: Sequence[Path]) -> list[RecordedStudy]:
    """The studies of the files, in the order in which they were measured."""
    try:
        return sorted(map(recorded.read, files), key=lambda each: each.submitted_at)
    except (recorded.Unreadable, OSError) as error:
        raise CannotStart(f"the demo data cannot be read: {error}") from error


def _take_in(session: Session, studies: Sequence[RecordedStudy], digest: str) -> Demo:
    """Store studies as they were measured, and that they are demo data."""
    replay(session, studies[0].submitted_at)
    insert_once(session, User, {"id": new_id(), "name": OWNER, "role": "member", "created_at": studies[0].submitted_at})
    owner = session.execute(select(User).where(col(User.name) == OWNER)).scalar_one()
    for each in studies:
        try:
            _measured(session, each, owner.id)
        except Refused as error:
            raise CannotStart(f"the demo study {each.study.name!r} cannot be stored: {error}") from error
    demo = Demo(
        digest=digest,
        studies=len(studies),
        runs=sum(len(each.runs) for each in studies),
        devices=sorted({each.worker.device.name for each in studies}),
        measured_at=max(run.ended_at for each in studies for run in each.runs),
    )
    replay(session, None)
    submission.audit(session, OWNER, ACTION, digest, detail=demo.model_dump(mode="json"))
    return demo


def _measured(session: Session, each: RecordedStudy, owner_id: str) -> None:
    """One study, from its submission to its last report."""
    replay(session, each.submitted_at)
    worker_id = ledger.announce(session, each.worker)
    if each.ceilings is not None:
        ceilings.keep(session, worker_id, each.ceilings)
    study = submission.submit(session, each.study, owner_id, OWNER)
    for run, measured in zip(queries.runs(session, study.id), each.runs, strict=True):
        if run.state != "queued":
            continue  # Cancelled, as it would be now: its baseline had failed against itself.
        replay(session, measured.claimed_at)
        token = ledger.claim(session, run.id, worker_id).token
        replay(session, measured.started_at)
        ledger.start(session, run.id, Start(token=token, pid=measured.pid))
        replay(session, measured.ended_at)
        ledger.beat(session, run.id, Beat(token=token, log=measured.log))
        ledger.finish(session, run.id, Finish(token=token, report=measured.report))
    # Seen last when it brought its last report.
    ledger.announce(session, each.worker)


def _told(there: Demo, settings: Settings, digest: str) -> str:
    where = settings.data.resolve()
    if there.digest != digest:
        return f"Demo data:        of an earlier version, in {where}; remove that folder to load the newest"
    return f"Demo data:        {there.studies} studies, {there.runs} runs, in {where}"
