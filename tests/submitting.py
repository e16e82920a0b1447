"""Studies in the ledger, for tests that begin with one."""

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.db import queries
from app.db.session import Database, clock, insert_once
from app.db.tables import User
from app.ordering import submission
from tests import demo
from workers.catalog.spec import StudySpec


def owner(database: Database, name: str = "ada") -> str:
    """The id of a user of this name."""
    with database.writing() as session:
        insert_once(session, User, {"id": name, "name": name, "role": "member", "created_at": clock(session)})
        user: User = session.execute(select(User).where(col(User.name) == name)).scalar_one()
        return user.id


def small(**changes: Any) -> dict[str, Any]:
    """A study of two runs: the null test and one variant."""
    return demo.order(variants=demo.order()["variants"][:1]) | changes


def submitted(database: Database, **changes: Any) -> list[str]:
    """Store a small study; its id, then the ids of its runs in order."""
    user = owner(database)
    with database.writing() as session:
        study = submission.submit(session, StudySpec.model_validate(small(**changes)), user, "ada")
        return [study.id, *(run.id for run in queries.runs(session, study.id))]
