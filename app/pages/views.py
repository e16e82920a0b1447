"""Saved views: the list of one's own and the team's, and the short address that leads to each."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.pages.rendering import page
from app.pages.session import Reading
from app.team import views

router = APIRouter()


@router.get("/views", response_class=HTMLResponse)
def listing(request: Request, session: Reading) -> HTMLResponse:
    reader = request.state.principal.user_id
    return page("views.html", here="explore", twin="/api/v1/views", views=views.listed(session, reader), reader=reader)


@router.get("/v/{view_id}")
def opening(request: Request, session: Reading, view_id: str) -> RedirectResponse:
    # The path was held against our own pages when it was saved.
    return RedirectResponse(views.read(session, view_id, request.state.principal.user_id).view.path, status_code=303)
