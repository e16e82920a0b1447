"""The demo data of a database, as every page names it: what was measured by the project, on what, and when."""

from pydantic import BaseModel
from sqlmodel import Session

from app.db.demo import first_audit

ACTION = "load_demo"
"""How the audit calls the loading of demo data; it is what tells that a database has some."""
OWNER = "demo"
"""The user to whom its studies belong."""


class Demo(BaseModel):
    """What demo data was loaded."""

    digest: str
    """Of its files."""
    studies: int
    runs: int
    devices: list[str]
    """Names of what it was measured on."""
    measured_at: float
    """When its last run ended."""


def loaded(session: Session) -> Demo | None:
    """The demo data of this database; None when it has none."""
    audit = first_audit(session, ACTION)
    return None if audit is None else Demo.model_validate(audit.detail)
