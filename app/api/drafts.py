"""Drafts of the caller: keep, list, read, change, delete. Nobody else's are ever shown."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import JsonValue
from sqlmodel import Session

from app.api.calls import REFUSALS, Key, Ledger, Reader, StrictRoute, Submitter, reply_once
from app.db import queries
from app.db.tables import Draft
from app.listing import Listing
from app.ordering import drafts
from workers.catalog.declared import Paper
from workers.catalog.spec import Title

router = APIRouter(prefix="/drafts", tags=["drafts"], route_class=StrictRoute, responses=REFUSALS)


class DraftOrder(Paper):
    """What to keep."""

    name: Title
    study: dict[str, JsonValue]
    """As it would be posted; it may be one that cannot be measured yet."""


class DraftChange(Paper):
    """What to change; what is left out stays."""

    name: Title | None = None
    study: dict[str, JsonValue] | None = None


class DraftSummary(Paper):
    """One draft in a list."""

    id: str
    name: str
    url: str
    """The page on which it is filled in."""
    created_at: float
    changed_at: float


class DraftDetail(DraftSummary):
    """One draft with its study."""

    study: dict[str, JsonValue]


@router.get("")
def list_drafts(
    caller: Reader,
    database: Ledger,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listing[DraftSummary]:
    """The caller's drafts, newest first."""
    with database.reading() as session:
        page = queries.drafts(session, caller.user_id, cursor=cursor, limit=limit)
        return Listing(items=[DraftSummary(**_summary(draft)) for draft in page.items], next=page.next)


@router.post("", status_code=201, response_model=DraftDetail)
def save(order: DraftOrder, request: Request, caller: Submitter, database: Ledger, key: Key = None) -> Response:
    """Keep a study for later. Nothing is measured."""

    def act(session: Session) -> tuple[int, DraftDetail]:
        return 201, _detail(drafts.save(session, caller.user_id, order.name, order.study))

    return reply_once(request, database, caller, key, act)


@router.get("/{draft_id}")
def read(draft_id: str, caller: Reader, database: Ledger) -> DraftDetail:
    """One draft with its study."""
    with database.reading() as session:
        return _detail(queries.draft(session, draft_id, caller.user_id))


@router.patch("/{draft_id}")
def change(draft_id: str, changes: DraftChange, caller: Submitter, database: Ledger) -> DraftDetail:
    """Rename a draft, or put another study into it."""
    with database.writing() as session:
        return _detail(drafts.change(session, draft_id, caller.user_id, name=changes.name, study=changes.study))


@router.delete("/{draft_id}", status_code=204)
def delete(draft_id: str, caller: Submitter, database: Ledger) -> None:
    """Throw a draft away."""
    with database.writing() as session:
        drafts.delete(session, draft_id, caller.user_id)


def _summary(draft: Draft) -> dict[str, object]:
    return {
        "id": draft.id,
        "name": draft.name,
        "url": f"/studies/new?draft={draft.id}",
        "created_at": draft.created_at,
        "changed_at": draft.changed_at,
    }


def _detail(draft: Draft) -> DraftDetail:
    return DraftDetail.model_validate({**_summary(draft), "study": draft.study})
