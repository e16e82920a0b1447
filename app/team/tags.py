"""Tags on studies and runs: added, removed, renamed and removed everywhere; equal without regard to case.

Whoever may submit adds and removes them, study by study. What changes a tag for everybody is for its maker, who of those that
use it did so first, and for administrators.
"""

import unicodedata
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import delete, update
from sqlmodel import Session, col

from app.db import noted, queries
from app.db.session import clock, insert_once
from app.db.tables import Study, Tag
from app.door.security import Principal
from app.errors import Conflict, NotAllowed, NotFound
from app.listing import Listing, moment
from app.team.notes import Subject
from workers.catalog.declared import Exact

MAX_TAGS = 20
"""Of one study or run."""
MAX_LENGTH = 40
"""Visible characters of one tag."""


def _visible(text: str) -> str:
    """Tags are a few visible characters on one line; runs of blanks count as one."""
    name = " ".join(part for part in unicodedata.normalize("NFC", text).split(" ") if part)
    # C: control, format, unassigned. Z: blanks, of which the common one alone is let in.
    hidden = any(unicodedata.category(c)[0] in "CZ" and c != " " for c in name)
    if not 1 <= len(name) <= MAX_LENGTH or hidden:
        raise PydanticCustomError("visible_text", "must have 1 to {most} visible characters", {"most": MAX_LENGTH})
    return name


Name = Annotated[str, AfterValidator(_visible)]


class Named(Exact):
    """The name of a tag."""

    tag: Name = Field(description=f"1 to {MAX_LENGTH} visible characters, in any case.")


class ShownTag(BaseModel):
    """One tag of a study or run."""

    tag: str
    author: str
    added_at: str

    @property
    def address(self) -> str:
        """The studies that have it."""
        return f"/studies?tag={quote(self.tag, safe='')}"


class UsedTag(BaseModel):
    """A tag, and how often it is used."""

    tag: str
    studies: int
    runs: int


def key(name: str) -> str:
    """What makes two tags the same: Unicode's compatible forms, with the case folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def on(session: Session, about: Subject) -> Listing[ShownTag]:
    """The tags of a study or run in alphabetical order; there are at most twenty, so always all of them."""
    rows = noted.tags(session, about.id)
    names = queries.user_names(session, [row.author_id for row in rows])
    items = [ShownTag(tag=row.name, author=names[row.author_id], added_at=moment(row.at)) for row in rows]
    return Listing(items=items, next=None)


def used(session: Session) -> Listing[UsedTag]:
    """The first 500 tags in alphabetical order, with how often each is used."""
    found = noted.used(session)
    return Listing(items=[UsedTag(tag=one.name, studies=one.studies, runs=one.runs) for one in found], next=None)


def add(session: Session, about: Subject, name: str, author_id: str) -> None:
    """Tag a study or run. A tag that it has already stays as it is; one used elsewhere keeps its spelling.

    Raises:
        Conflict: it has as many tags as it may have.
    """
    # One writer at a time for each study, so that the limit holds.
    session.get(Study, about.study_id, with_for_update=True)
    here = {row.key for row in noted.tags(session, about.id)}
    if key(name) in here:
        return
    if len(here) >= MAX_TAGS:
        raise Conflict(f"There are {MAX_TAGS} tags here already; remove one first.", field="tag")
    elsewhere = noted.tagged(session, key(name))
    insert_once(
        session,
        Tag,
        {
            "subject_id": about.id,
            "key": key(name),
            "study_id": about.study_id,
            "name": elsewhere[0].name if elsewhere else name,
            "author_id": author_id,
            "at": clock(session),
        },
    )


def remove(session: Session, about: Subject, name: str) -> bool:
    """Take a tag off a study or run. Whether it was there."""
    gone = delete(Tag).where(col(Tag.subject_id) == about.id, col(Tag.key) == key(name))
    return bool(session.execute(gone).rowcount)  # type: ignore[attr-defined]


def rename(session: Session, name: str, new: str, caller: Principal) -> int:
    """Call a tag by another name wherever it is; where the new one is there already, the two become one.

    Returns:
        On how many studies and runs it was.

    Raises:
        NotFound: nothing has this tag.
        NotAllowed: it is somebody else's.
    """
    rows = _own(session, name, caller)
    if not rows:
        raise NotFound("Nothing has this tag.", hint="GET /api/v1/tags lists them.")
    if key(new) == key(name):
        session.execute(update(Tag).where(col(Tag.key) == key(name)).values(name=new))
        return len(rows)
    there = noted.tagged(session, key(new))
    both = {row.subject_id for row in there}
    for row in rows:
        if row.subject_id not in both:
            kept = row.model_dump() | {"key": key(new), "name": there[0].name if there else new}
            insert_once(session, Tag, kept)
    session.execute(delete(Tag).where(col(Tag.key) == key(name)))
    return len(rows)


def remove_everywhere(session: Session, name: str, caller: Principal) -> int:
    """Take a tag off everything.

    Returns:
        On how many studies and runs it was.

    Raises:
        NotAllowed: it is somebody else's.
    """
    rows = _own(session, name, caller)
    session.execute(delete(Tag).where(col(Tag.key) == key(name)))
    return len(rows)


def _own(session: Session, name: str, caller: Principal) -> Sequence[Tag]:
    """Every row of a tag that the caller may change for everybody.

    Raises:
        NotAllowed: the caller is neither its maker nor an administrator.
    """
    rows = noted.tagged(session, key(name))
    maker = min(rows, key=lambda row: (row.at, row.subject_id)).author_id if rows else caller.user_id
    if caller.user_id != maker and not caller.is_admin:
        who = queries.user_names(session, [maker])[maker]
        raise NotAllowed(
            f"{who} was the first to use the tag; only {who} or an administrator renames or removes it everywhere.",
            field="tag",
            hint="You can take it off a study or run, and add another one there.",
        )
    return rows
