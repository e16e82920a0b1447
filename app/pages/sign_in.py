"""Signing in by a one-time link, and signing out."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.db.session import Database
from app.door.security import (
    clear_session_cookie,
    end_session,
    redeem_signin_link,
    refuse_plain_http,
    set_session_cookie,
)
from app.pages.rendering import page

router = APIRouter()


@router.get("/sign-in", response_class=HTMLResponse)
def landing(signed_out: bool = False) -> HTMLResponse:
    return page("sign_in.html", here="", twin=None, signed_in=False, refused=False, signed_out=signed_out)


@router.get("/sign-in/{secret}", response_class=HTMLResponse)
def sign_in(request: Request, secret: str) -> Response:
    refuse_plain_http(request)  # Before the link is used up.
    database: Database = request.app.state.database
    with database.writing() as session:
        opened = redeem_signin_link(session, secret)
    if opened is None:
        return page("sign_in.html", here="", twin=None, signed_in=False, status=410, refused=True, signed_out=False)
    reply = RedirectResponse("/", status_code=303)
    set_session_cookie(request, reply, opened)
    return reply


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    database: Database = request.app.state.database
    with database.writing() as session:
        end_session(session, request)
    reply = RedirectResponse("/sign-in?signed_out=true", status_code=303)
    clear_session_cookie(request, reply)
    # Going back must not show what the browser has kept.
    reply.headers["Clear-Site-Data"] = '"cache"'
    return reply
