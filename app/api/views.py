"""Saved views: keep the address of a page under a short id, list, read, rename, share, delete."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Message

from app import errors
from app.api.calls import REFUSALS, Key, Ledger, Reader, StrictRoute, Submitter, invalid_request, reply_once
from app.errors import Invalid, Refused
from app.listing import Listing, moment
from app.team import views
from app.team.views import LONGEST, Saved, Sharing
from workers.catalog.declared import Paper, Problem
from workers.catalog.spec import Title

router = APIRouter(prefix="/views", tags=["views"], route_class=StrictRoute, responses=REFUSALS)

ROUTED = frozenset(
    {"endpoint", "fastapi", "method", "path", "path_params", "route", "router", "starlette.exception_handlers"}
)
"""What a request's scope says of the route it took, and of what its refusals become."""


class ViewOrder(Paper):
    """What to keep."""

    name: Title
    path: str = Field(max_length=LONGEST, description="Path and query of a page, for example /explore?technique=nf4.")
    sharing: Sharing = Field(
        "private",
        description="private: only you open it; link: whoever has its address and is signed in; team: listed for all.",
    )


class ViewChange(Paper):
    """What to change; what is left out stays."""

    name: Title | None = None
    sharing: Sharing | None = None


class ShownView(Paper):
    """One saved view."""

    id: str
    name: str
    url: str
    """Short address; it leads to ``path``."""
    path: str
    sharing: Sharing
    owner: str
    is_own: bool
    """Whether the caller may change it."""
    created_at: str
    changed_at: str


@router.get("")
def list_views(caller: Reader, database: Ledger) -> Listing[ShownView]:
    """The caller's views and those of the team, changed last first; at most 200."""
    with database.reading() as session:
        return Listing(
            items=[_shown(saved, caller.user_id) for saved in views.listed(session, caller.user_id)], next=None
        )


@router.post("", status_code=201, response_model=ShownView)
async def save(order: ViewOrder, request: Request, caller: Submitter, database: Ledger, key: Key = None) -> Response:
    """Keep the address of a page, which has to open. The same address shared by link twice has one id."""
    views.check(order.path)
    await _refuse_closed(request, order.path)

    def act(session: Session) -> tuple[int, ShownView]:
        view = views.save(session, caller.user_id, order.name, order.path, order.sharing)
        return 201, _shown(Saved(view, caller.name), caller.user_id)

    return await run_in_threadpool(reply_once, request, database, caller, key, act)


@router.get("/{view_id}")
def read(view_id: str, caller: Reader, database: Ledger) -> ShownView:
    """One saved view."""
    with database.reading() as session:
        return _shown(views.read(session, view_id, caller.user_id), caller.user_id)


@router.patch("/{view_id}")
def change(view_id: str, changes: ViewChange, caller: Submitter, database: Ledger) -> ShownView:
    """Rename a view, or share it otherwise."""
    with database.writing() as session:
        view = views.change(session, view_id, caller.user_id, name=changes.name, sharing=changes.sharing)
        return _shown(Saved(view, caller.name), caller.user_id)


@router.delete("/{view_id}", status_code=204)
def delete(view_id: str, caller: Submitter, database: Ledger) -> None:
    """Take a view away."""
    with database.writing() as session:
        views.delete(session, view_id, caller.user_id)


async def _refuse_closed(request: Request, path: str) -> None:
    """Ask the page itself, as whoever opens the view will.

    Raises:
        Invalid: the page does not open there; says so in the page's own words.
    """
    where = urlsplit(path)
    asked = {name: value for name, value in request.scope.items() if name not in ROUTED} | {
        "method": "GET",
        "path": where.path,
        "raw_path": where.path.encode(),
        "query_string": where.query.encode(),
    }
    status = 200

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    refused: Refused | None = None
    try:
        await request.app.router(asked, receive, send)
    except Refused as said:
        refused = said
    except RequestValidationError as said:
        refused = invalid_request(said, None)
    except HTTPException as said:
        refused = errors.of_status(said.status_code)
    if refused is None and status >= 400:
        refused = Refused("It asks for something impossible.")  # A page that says so beside what is possible.
    if refused is not None:
        message = f"does not open: {refused.detail}"
        raise Invalid(f"path {message}", problems=[Problem("path", "does_not_open", message, refused.hint or "")])


def _shown(saved: Saved, reader_id: str) -> ShownView:
    view, owner = saved
    return ShownView.model_validate(
        {
            "id": view.id,
            "name": view.name,
            "url": f"/v/{view.id}",
            "path": view.path,
            "sharing": view.sharing,
            "owner": owner,
            "is_own": view.owner_id == reader_id,
            "created_at": moment(view.created_at),
            "changed_at": moment(view.changed_at),
        }
    )
