"""Fills a database with invented but plausible results, so that the dashboard can be timed at sizes nobody has measured yet.

``python -m benchmarks.fill 10000`` fills the database of this environment's settings. The same number gives the same figures.
A study has a null test and six variants; raw samples, logs and attempts are left out.
"""

import math
import random
import sys
import time
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import Session, SQLModel, col

from app.db.migrate import migrate
from app.db.session import Database, insert_once
from app.db.tables import EffectRow, Environment, MeasurementRow, Result, Run, Study, User
from app.door.security import create_token
from app.runs import ledger
from app.settings import read_settings
from benchmarks.invented import studies
from benchmarks.invented.kinds import DEVICES, kinds
from workers.catalog.lease import Announcement
from workers.catalog.report import digest

SEED = 11
NOW = 1_795_000_000.0
YEAR_S = 365 * 86_400.0
STUDIES_AT_ONCE = 200
OWNERS = ("ada", "ben", "eva")


def fill(database: Database, count: int) -> None:
    """Add results to a database that has the newest tables and no studies.

    Args:
        database: where.
        count: how many results; runs of whole studies, so the last study may be a few short.
    """
    dice = random.Random(SEED)
    known = kinds()
    with database.writing() as session:
        owners, environments = _present(session)
    total = math.ceil(count / len(known[0].runs))
    for first in range(0, total, STUDIES_AT_ONCE):
        rows: dict[type[SQLModel], list[dict[str, Any]]] = {
            table: [] for table in (Study, Run, MeasurementRow, EffectRow, Result)
        }
        for number in range(first, min(first + STUDIES_AT_ONCE, total)):
            kind = dice.choice(known)
            asked = count - number * len(kind.runs)
            created_at = NOW - YEAR_S * (1 - number / total)
            owner = dice.choice(sorted(owners))
            environment = environments[kind.device.key]
            for table, row in studies.rows(kind, number, asked, created_at, (owner, owners[owner]), environment, dice):
                rows[table].append(row)
        with database.writing() as session:
            for table, members in rows.items():
                session.execute(insert(table), members)


def _present(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    """Owners and devices are there: ids of the owners by name, and of environments by device."""
    for name in OWNERS:
        create_token(session, name, "submit")
    owners = {user.name: user.id for user in session.execute(select(User).where(col(User.name).in_(OWNERS))).scalars()}
    environments = {}
    for number, device in enumerate(DEVICES, start=1):
        host = device.key.partition(":")[0]
        hello = Announcement(name=f"{host} {device.kind}", host=host, pid=400 + number, version="0.1.0", device=device)
        ledger.announce(session, hello)
        fields = {"cpu.model": "Invented CPU", "device.name": device.name, "torch.version": "2.13.0", "host.name": host}
        environments[device.key] = digest(dict(fields))
        insert_once(
            session,
            Environment,
            {"id": environments[device.key], "fields": fields, "first_seen_at": NOW - YEAR_S},
        )
    return owners, environments


def main() -> None:
    """Fill the database of this environment's settings."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    settings = read_settings()
    migrate(settings)
    database = Database(settings.database)
    with database.reading() as session:
        if session.execute(select(col(Study.id)).limit(1)).first():
            raise SystemExit("this database has studies already; invented ones are not mixed with them")
    began = time.monotonic()
    fill(database, count)
    database.close()
    print(f"{count:,} invented results in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
