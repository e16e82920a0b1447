"""Notes in Markdown on studies and runs: written, edited on the version that one has read, taken away, history kept.

A note is of who wrote it: they and administrators edit it and take it away; everybody else writes one of their own beside it.
Two windows that edit the same version do not overwrite one another: the second is refused and gets the newer text.
"""

import unicodedata
from typing import Annotated, Literal, NamedTuple

from markupsafe import Markup
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from sqlmodel import Session

from app.db import noted, queries
from app.db.session import clock, insert_once
from app.db.tables import Note, Study, new_id
from app.door.security import Principal
from app.errors import Conflict, NotAllowed, NoteChanged, NotFound
from app.listing import Listing, moment
from app.team import markdown
from workers.catalog.declared import Exact

MAX_BYTES = 20_480
"""Of one note, in UTF-8."""
MAX_NOTES = 100
"""Of one study or run."""
KEPT_CONTROLS = "\n\t"

Kind = Literal["studies", "runs"]


class Subject(NamedTuple):
    """What a note or a tag is on."""

    kind: Kind
    id: str
    study_id: str
    """The study itself, or the run's."""

    @property
    def address(self) -> str:
        """Where the API has it."""
        return f"/api/v1/{self.kind}/{self.id}"


def _readable(text: str) -> str:
    """Notes end their lines as Unix does, hold no control characters and are not blank."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    hidden = next((c for c in text if unicodedata.category(c) == "Cc" and c not in KEPT_CONTROLS), None)
    if hidden is not None:
        raise PydanticCustomError("control_character", "must not hold the control character {code}", {"code": hex(ord(hidden))})  # fmt: skip
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank; DELETE takes a note away")
    size = len(text.encode())
    if size > MAX_BYTES:
        raise PydanticCustomError(
            "too_large", "has {size} bytes; a note holds {most}", {"size": f"{size:,}", "most": f"{MAX_BYTES:,}"}
        )
    return text


Text = Annotated[str, AfterValidator(_readable)]


class Written(Exact):
    """A new note."""

    text: Text = Field(description=f"Markdown, at most {MAX_BYTES:,} bytes.")


class Rewritten(Written):
    """A note in other words."""

    version: int = Field(ge=1, description="The version that was read before.")


class Preview(BaseModel):
    """A text as a note would show it."""

    html: str


class ShownNote(BaseModel):
    """One version of a note."""

    id: str
    version: int
    text: str | None
    """Markdown; null where this version took the note away."""
    author: str
    """Who wrote this version."""
    writer: str
    """Who wrote the first one."""
    written_at: str
    may_change: bool
    """Whether the caller may edit it and take it away."""

    @property
    def html(self) -> Markup:
        """The text as HTML that is safe to show."""
        return markdown.html(self.text or "")


def subject(session: Session, kind: Kind, subject_id: str) -> Subject:
    """What a note or a tag is on.

    Raises:
        NotFound: there is no such study or run.
    """
    if kind == "studies":
        return Subject(kind, subject_id, queries.study(session, subject_id).id)
    return Subject(kind, subject_id, queries.run(session, subject_id).study_id)


def on(session: Session, about: Subject, reader: Principal) -> Listing[ShownNote]:
    """The notes of a study or run, first written first; there are at most a hundred, so always all of them."""
    return Listing(items=_shown(session, list(noted.notes(session, about.id)), reader), next=None)


def one(session: Session, about: Subject, note_id: str, reader: Principal) -> ShownNote:
    """One note as it is now.

    Raises:
        NotFound: there is no such note, or it was taken away.
    """
    return _shown(session, [_current(session, about, note_id)], reader)[0]


def history(session: Session, about: Subject, note_id: str, reader: Principal) -> Listing[ShownNote]:
    """Every version of a note, newest first, those that took it away included.

    Raises:
        NotFound: there was never such a note.
    """
    found = list(noted.versions(session, about.id, note_id))
    if not found:
        raise NotFound("There is no such note here.")
    return Listing(items=_shown(session, found, reader), next=None)


def write(session: Session, about: Subject, text: str, author: Principal) -> ShownNote:
    """Add a note.

    Raises:
        Conflict: the study or run has as many as it may have.
    """
    # One writer at a time for each study, so that the limit holds.
    session.get(Study, about.study_id, with_for_update=True)
    if len(noted.notes(session, about.id)) >= MAX_NOTES:
        raise Conflict(f"There are {MAX_NOTES} notes here already; edit one of yours, or take one away.")
    return _append(session, about, new_id(), 1, text, author)


def rewrite(
    session: Session, about: Subject, note_id: str, text: str | None, author: Principal, version: int
) -> ShownNote:
    """Add a version to a note.

    Args:
        session: writes.
        about: what the note is on.
        note_id: which.
        text: what it says now; None takes it away.
        author: who says so.
        version: the one that its author has read.

    Raises:
        NotFound: there is no such note, or it was taken away.
        NotAllowed: it is somebody else's.
        NoteChanged: there is another version; it comes with the refusal.
    """
    current = _current(session, about, note_id)
    (shown,) = _shown(session, [current], author)
    if not shown.may_change:
        raise NotAllowed(
            f"{shown.writer} wrote this note; only {shown.writer} or an administrator edits it or takes it away.",
            hint="Write a note of your own beside it.",
        )
    if version != current.version:
        raise _changed(session, current, version, author)
    if text == current.text:
        return shown
    return _append(session, about, note_id, current.version + 1, text, author)


def preview(text: str) -> Preview:
    """A text as a note would show it."""
    return Preview(html=str(markdown.html(text)))


def _append(
    session: Session, about: Subject, note_id: str, version: int, text: str | None, author: Principal
) -> ShownNote:
    row = Note(
        id=note_id,
        version=version,
        subject_id=about.id,
        study_id=about.study_id,
        text=text,
        author_id=author.user_id,
        at=clock(session),
    )
    # Of two that write the same version at once, the database lets one in.
    if not insert_once(session, Note, row.model_dump()):
        raise _changed(session, _current(session, about, note_id), version - 1, author)
    return _shown(session, [row], author)[0]


def _current(session: Session, about: Subject, note_id: str) -> Note:
    found = noted.newest(session, about.id, note_id)
    if found is None or found.text is None:
        raise NotFound("There is no such note here." if found is None else "The note was taken away.")
    return found


def _changed(session: Session, current: Note, version: int, reader: Principal) -> NoteChanged:
    now = _shown(session, [current], reader)[0]
    return NoteChanged(
        f"{now.author} has changed the note meanwhile: it is at version {now.version}, and yours was made on {version}.",
        field="version",
        current=now.model_dump(mode="json"),
    )


def _shown(session: Session, rows: list[Note], reader: Principal) -> list[ShownNote]:
    writers = noted.writers(session, [row.id for row in rows])
    names = queries.user_names(session, [*writers.values(), *(row.author_id for row in rows)])
    return [
        ShownNote(
            id=row.id,
            version=row.version,
            text=row.text,
            author=names[row.author_id],
            writer=names[writers[row.id]],
            written_at=moment(row.at),
            may_change=reader.is_admin or (reader.user_id == writers[row.id] and reader.may_submit),
        )
        for row in rows
    ]
