"""Notes and tags of what a page shows, for ``_notes.html``."""

from typing import NamedTuple

from sqlmodel import Session

from app.door.security import Principal
from app.team import notes, tags
from app.team.notes import Kind, ShownNote
from app.team.tags import ShownTag


class Noted(NamedTuple):
    """What people wrote on a study or run."""

    address: str
    """Where the API has it."""
    notes: list[ShownNote]
    tags: list[ShownTag]
    longest: int
    """Bytes that a note may have."""
    longest_tag: int
    reader: str
    """Id of who reads, which keeps apart what several people began in one browser."""
    may_write: bool


def of(session: Session, kind: Kind, subject_id: str, reader: Principal) -> Noted:
    """What people wrote on a study or run, and what a reader may do about it.

    Raises:
        NotFound: there is no such study or run.
    """
    about = notes.subject(session, kind, subject_id)
    return Noted(
        about.address,
        notes.on(session, about, reader).items,
        tags.on(session, about).items,
        notes.MAX_BYTES,
        tags.MAX_LENGTH,
        reader.user_id,
        reader.may_submit,
    )
