"""Notes and tags of what a page shows, for ``_notes.html``."""

from typing import NamedTuple

from sqlmodel import Session

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


def of(session: Session, kind: Kind, subject_id: str) -> Noted:
    """What people wrote on a study or run.

    Raises:
        NotFound: there is no such study or run.
    """
    about = notes.subject(session, kind, subject_id)
    return Noted(
        about.address,
        notes.on(session, about).items,
        tags.on(session, about).items,
        notes.MAX_BYTES,
        tags.MAX_LENGTH,
    )
