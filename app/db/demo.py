"""What has to be known of a database before and after demo data is loaded into it."""

from sqlalchemy import select
from sqlmodel import Session, col

from app.db.tables import Audit, Study


def first_audit(session: Session, action: str) -> Audit | None:
    """What was written down when something was done for the first time; None when it never was."""
    statement = select(Audit).where(col(Audit.action) == action).order_by(col(Audit.id)).limit(1)
    return session.execute(statement).scalar_one_or_none()


def has_studies(session: Session) -> bool:
    """Whether anybody has submitted a study."""
    return session.execute(select(col(Study.id)).limit(1)).first() is not None
