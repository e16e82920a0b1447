"""Notes and tags of studies and runs; who may submit may write, and what is done is written down.

A change of a note names the version that was read, in a field: an ETag would be of the body, which travels in several encodings.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import JsonValue
from sqlmodel import Session

from app.api.calls import REFUSALS, Key, Ledger, Reader, StrictRoute, Submitter, reply_once
from app.listing import Listing
from app.ordering import submission
from app.team import notes, tags
from app.team.notes import Kind, Preview, Rewritten, ShownNote, Written
from app.team.tags import Named, ShownTag, UsedTag

router = APIRouter(tags=["notes and tags"], route_class=StrictRoute, responses=REFUSALS)

KindOf = Annotated[Kind, Path(description="What it is on.")]
Id = Annotated[str, Path(max_length=100, description="Id of the study or run.")]
NoteId = Annotated[str, Path(max_length=100)]
TagName = Annotated[str, Query(max_length=200, description="A tag, in any case.")]
Version = Annotated[int, Query(ge=1, description="The version that was read before.")]


@router.post("/notes/preview")
def preview_note(written: Written, caller: Submitter) -> Preview:
    """A text as a note would show it, cleaned as notes are; nothing is kept."""
    return notes.preview(written.text)


@router.get("/{kind}/{subject_id}/notes")
def list_notes(kind: KindOf, subject_id: Id, caller: Reader, database: Ledger) -> Listing[ShownNote]:
    """The notes of a study or run, first written first."""
    with database.reading() as session:
        return notes.on(session, notes.subject(session, kind, subject_id), caller)


@router.post("/{kind}/{subject_id}/notes", status_code=201, response_model=ShownNote)
def write_note(
    kind: KindOf,
    subject_id: Id,
    written: Written,
    request: Request,
    caller: Submitter,
    database: Ledger,
    key: Key = None,
) -> Response:
    """Add a note in Markdown. HTML in it is shown as text, and pictures as links."""

    def act(session: Session) -> tuple[int, ShownNote]:
        note = notes.write(session, notes.subject(session, kind, subject_id), written.text, caller)
        submission.audit(session, caller.name, "note", subject_id, detail={"note": note.id, "version": note.version})
        return 201, note

    return reply_once(request, database, caller, key, act)


@router.get("/{kind}/{subject_id}/notes/{note_id}")
def read_note(kind: KindOf, subject_id: Id, note_id: NoteId, caller: Reader, database: Ledger) -> ShownNote:
    """One note as it is now."""
    with database.reading() as session:
        return notes.one(session, notes.subject(session, kind, subject_id), note_id, caller)


@router.put("/{kind}/{subject_id}/notes/{note_id}")
def rewrite_note(
    kind: KindOf, subject_id: Id, note_id: NoteId, written: Rewritten, caller: Submitter, database: Ledger
) -> ShownNote:
    """Edit a note of one's own; administrators edit all. Name the version that was read; 409 brings a newer one with it."""
    with database.writing() as session:
        about = notes.subject(session, kind, subject_id)
        note = notes.rewrite(session, about, note_id, written.text, caller, written.version)
        detail: JsonValue = {"note": note.id, "version": note.version}
        submission.audit(session, caller.name, "note_edit", subject_id, detail=detail)
    return note


@router.delete("/{kind}/{subject_id}/notes/{note_id}")
def remove_note(
    kind: KindOf, subject_id: Id, note_id: NoteId, version: Version, caller: Submitter, database: Ledger
) -> ShownNote:
    """Take a note of one's own away; administrators take any. Its history stays."""
    with database.writing() as session:
        about = notes.subject(session, kind, subject_id)
        note = notes.rewrite(session, about, note_id, None, caller, version)
        detail: JsonValue = {"note": note.id, "version": note.version}
        submission.audit(session, caller.name, "note_remove", subject_id, detail=detail)
    return note


@router.get("/{kind}/{subject_id}/notes/{note_id}/history")
def read_history(kind: KindOf, subject_id: Id, note_id: NoteId, caller: Reader, database: Ledger) -> Listing[ShownNote]:
    """Every version of a note, newest first."""
    with database.reading() as session:
        return notes.history(session, notes.subject(session, kind, subject_id), note_id, caller)


@router.get("/{kind}/{subject_id}/tags")
def list_tags(kind: KindOf, subject_id: Id, caller: Reader, database: Ledger) -> Listing[ShownTag]:
    """The tags of a study or run."""
    with database.reading() as session:
        return tags.on(session, notes.subject(session, kind, subject_id))


@router.post("/{kind}/{subject_id}/tags", response_model=Listing[ShownTag])
def add_tag(
    kind: KindOf,
    subject_id: Id,
    named: Named,
    request: Request,
    caller: Submitter,
    database: Ledger,
    key: Key = None,
) -> Response:
    """Tag a study or run. Adding a tag that is there changes nothing."""

    def act(session: Session) -> tuple[int, Listing[ShownTag]]:
        about = notes.subject(session, kind, subject_id)
        tags.add(session, about, named.tag, caller.user_id)
        submission.audit(session, caller.name, "tag", subject_id, detail={"tag": named.tag})
        return 200, tags.on(session, about)

    return reply_once(request, database, caller, key, act)


@router.delete("/{kind}/{subject_id}/tags")
def remove_tag(kind: KindOf, subject_id: Id, tag: TagName, caller: Submitter, database: Ledger) -> Listing[ShownTag]:
    """Take a tag off a study or run. Removing one that is not there changes nothing."""
    with database.writing() as session:
        about = notes.subject(session, kind, subject_id)
        if tags.remove(session, about, tag):
            submission.audit(session, caller.name, "untag", subject_id, detail={"tag": tag})
        return tags.on(session, about)


@router.get("/tags")
def list_used_tags(caller: Reader, database: Ledger) -> Listing[UsedTag]:
    """Every tag in alphabetical order, at most 500, with how many studies and runs have it."""
    with database.reading() as session:
        return tags.used(session)


@router.put("/tags")
def rename_tag(tag: TagName, named: Named, caller: Submitter, database: Ledger) -> Listing[UsedTag]:
    """Rename a tag wherever it is; where the new name is there already, the two become one.

    Its maker, who was the first to use it, may do that, and administrators.
    """
    with database.writing() as session:
        count = tags.rename(session, tag, named.tag, caller)
        submission.audit(session, caller.name, "tag_rename", tags.key(tag), detail={"to": named.tag, "count": count})
        return tags.used(session)


@router.delete("/tags")
def remove_tag_everywhere(tag: TagName, caller: Submitter, database: Ledger) -> Listing[UsedTag]:
    """Take a tag off everything; its maker, who was the first to use it, may do that, and administrators."""
    with database.writing() as session:
        count = tags.remove_everywhere(session, tag, caller)
        submission.audit(session, caller.name, "tag_remove", tags.key(tag), detail={"count": count})
        return tags.used(session)
