"""Studies that somebody keeps and has not submitted: saved, changed, thrown away. A draft may be wrong in any way."""

import json

from pydantic import JsonValue
from sqlalchemy import func, select
from sqlmodel import Session, col

from app.db import queries
from app.db.session import clock
from app.db.tables import Draft
from app.errors import Conflict, TooLarge

MAX_BYTES = 100_000
MAX_DRAFTS = 200
"""Of one user."""


def save(session: Session, owner_id: str, name: str, study: dict[str, JsonValue]) -> Draft:
    """Keep a study as a new draft.

    Args:
        session: writes.
        owner_id: the user it belongs to; nobody else sees it.
        name: what its owner calls it.
        study: as it would be posted, whether it could be measured or not.

    Raises:
        TooLarge: the study is larger than any that could be submitted.
        Conflict: the owner has too many already.
    """
    _check_size(study)
    mine = select(func.count()).select_from(Draft).where(col(Draft.owner_id) == owner_id)
    if session.execute(mine).scalar_one() >= MAX_DRAFTS:
        raise Conflict(f"You have {MAX_DRAFTS} drafts.", hint="Delete one that is no longer needed.")
    now = clock(session)
    draft = Draft(owner_id=owner_id, name=name, study=study, created_at=now, changed_at=now)
    session.add(draft)
    session.flush()
    return draft


def change(
    session: Session, draft_id: str, owner_id: str, *, name: str | None, study: dict[str, JsonValue] | None
) -> Draft:
    """Rename a draft, or put another study into it; None leaves that part as it is.

    Raises:
        NotFound: the owner has no such draft.
        TooLarge: the study is larger than any that could be submitted.
    """
    draft = queries.draft(session, draft_id, owner_id)
    if study is not None:
        _check_size(study)
        draft.study = study
    draft.name = name or draft.name
    draft.changed_at = clock(session)
    session.add(draft)
    session.flush()
    return draft


def delete(session: Session, draft_id: str, owner_id: str) -> None:
    """Throw a draft away.

    Raises:
        NotFound: the owner has no such draft.
    """
    session.delete(queries.draft(session, draft_id, owner_id))


def _check_size(study: JsonValue) -> None:
    if len(json.dumps(study, ensure_ascii=False).encode()) > MAX_BYTES:
        raise TooLarge(f"The study is larger than {MAX_BYTES:,} bytes.", field="study")
