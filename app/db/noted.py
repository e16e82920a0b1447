"""Every question about notes and tags that is asked of the database without changing it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from app.db.tables import Note, Study, Tag


class Used(NamedTuple):
    """A tag, and on how many studies and runs it is."""

    key: str
    name: str
    studies: int
    runs: int


def notes(session: Session, subject_id: str) -> Sequence[Note]:
    """The notes of a study or run as they are now, first written first; without those that were taken away."""
    newest = (
        select(col(Note.id).label("id"), func.max(Note.version).label("version"))
        .where(col(Note.subject_id) == subject_id)
        .group_by(col(Note.id))
        .subquery()
    )
    statement = (
        select(Note)
        .join(newest, and_(col(Note.id) == newest.c.id, col(Note.version) == newest.c.version))
        .where(col(Note.text).is_not(None))
        .order_by(col(Note.id))
    )
    return session.execute(statement).scalars().all()


def versions(session: Session, subject_id: str, note_id: str) -> Sequence[Note]:
    """All versions of one note, newest first; empty when the study or run has no such note."""
    statement = select(Note).where(col(Note.id) == note_id, col(Note.subject_id) == subject_id)
    return session.execute(statement.order_by(col(Note.version).desc())).scalars().all()


def newest(session: Session, subject_id: str, note_id: str) -> Note | None:
    """The newest version of one note; None when the study or run has no such note."""
    statement = select(Note).where(col(Note.id) == note_id, col(Note.subject_id) == subject_id)
    return session.execute(statement.order_by(col(Note.version).desc()).limit(1)).scalar_one_or_none()


def writers(session: Session, note_ids: Sequence[str]) -> dict[str, str]:
    """Ids of those who wrote the first version of some notes, by the note's id."""
    statement = select(col(Note.id), col(Note.author_id)).where(col(Note.id).in_(set(note_ids)), col(Note.version) == 1)
    return {row[0]: row[1] for row in session.execute(statement)}


def tags(session: Session, subject_id: str) -> Sequence[Tag]:
    """The tags of a study or run, in alphabetical order."""
    statement = select(Tag).where(col(Tag.subject_id) == subject_id).order_by(col(Tag.key))
    return session.execute(statement).scalars().all()


def tag_names(session: Session, subject_ids: Sequence[str]) -> dict[str, list[str]]:
    """Names of the tags of some studies or runs, in alphabetical order."""
    statement = select(col(Tag.subject_id), col(Tag.name)).where(col(Tag.subject_id).in_(set(subject_ids)))
    found: dict[str, list[str]] = defaultdict(list)
    for subject, name in session.execute(statement.order_by(col(Tag.key))):
        found[subject].append(name)
    return found


def tagged(session: Session, key: str) -> Sequence[Tag]:
    """Every row of one tag."""
    return session.execute(select(Tag).where(col(Tag.key) == key)).scalars().all()


def used(session: Session, limit: int = 500) -> list[Used]:
    """All tags in alphabetical order, with how often each is used."""
    on_study = func.count(col(Study.id))
    statement = (
        select(col(Tag.key), func.min(Tag.name), on_study, func.count() - on_study)
        .outerjoin(Study, col(Study.id) == col(Tag.subject_id))
        .group_by(col(Tag.key))
        .order_by(col(Tag.key))
        .limit(limit)
    )
    return [Used(*row) for row in session.execute(statement)]
