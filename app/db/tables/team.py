"""What people keep besides: drafts, notes, tags, views."""

from pydantic import JsonValue
from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json_column, new_id


class Draft(SQLModel, table=True):
    """A study that somebody keeps for later; it may be one that cannot be measured."""

    __tablename__ = "drafts"
    __table_args__ = (Index("ix_drafts_owner", "owner_id", "id"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    owner_id: str = Field(foreign_key="users.id")
    name: str
    study: JsonValue = json_column()
    created_at: float
    changed_at: float


class Note(SQLModel, table=True):
    """One version of a note on a study or on one of its runs; rows are only ever added, so its history is kept."""

    __tablename__ = "notes"
    __table_args__ = (Index("ix_notes_subject", "subject_id", "id", "version"),)
    id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    """From 1; the highest one counts."""
    subject_id: str
    """The study's id, or the run's."""
    study_id: str = Field(foreign_key="studies.id", index=True)
    text: str | None = None
    """Markdown; None where this version took the note away."""
    author_id: str = Field(foreign_key="users.id")
    at: float


class Tag(SQLModel, table=True):
    """A word on a study or on one of its runs."""

    __tablename__ = "tags"
    __table_args__ = (Index("ix_tags_key", "key", "subject_id"),)
    subject_id: str = Field(primary_key=True)
    """The study's id, or the run's."""
    key: str = Field(primary_key=True)
    """What makes two tags the same: the name without regard to case and form."""
    study_id: str = Field(foreign_key="studies.id", index=True)
    name: str
    author_id: str = Field(foreign_key="users.id")
    at: float


class View(SQLModel, table=True):
    """An address of one of our own pages, with everything a reader picked on it, under a short id."""

    __tablename__ = "views"
    __table_args__ = (
        Index("ix_views_owner", "owner_id", "changed_at"),
        Index("ix_views_sharing", "sharing", "changed_at"),
    )
    id: str = Field(primary_key=True)
    """Short, because it is written into messages; random, so that nobody comes upon it."""
    owner_id: str = Field(foreign_key="users.id")
    name: str
    path: str
    """Path and query, for example /explore?technique=nf4."""
    sharing: str
    """private: the owner alone opens it; link: whoever has the id and is signed in; team: listed for everybody too."""
    created_at: float
    changed_at: float
