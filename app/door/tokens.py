"""The tokens that are there: list them, revoke them. Making and checking them is in ``app/door/security.py``."""

from sqlalchemy import select, update
from sqlmodel import Session, col

from app.db.session import clock
from app.db.tables import Token


def list_tokens(session: Session) -> list[Token]:
    """All tokens, oldest first, the revoked ones too."""
    return list(session.execute(select(Token).order_by(col(Token.id))).scalars())


def revoke_tokens(session: Session, which: str) -> int:
    """Refuse a token from now on.

    Args:
        session: writes.
        which: its id, or the name of one or several.

    Returns:
        How many were revoked that were not before.
    """
    chosen = ((col(Token.id) == which) | (col(Token.name) == which)) & col(Token.revoked_at).is_(None)
    return int(session.execute(update(Token).where(chosen).values(revoked_at=clock(session))).rowcount)  # type: ignore[attr-defined]
