"""Tokens, sign-in links and sessions hold as long as they should, and only hashes of them are stored."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlmodel import col
from starlette.requests import Request

from app.db.session import Database
from app.db.tables import SigninLink, Token, User, WebSession
from app.door import security
from app.door.security import (
    Principal,
    Scope,
    authenticate,
    create_signin_link,
    create_token,
    is_well_formed,
    needs,
    new_token,
    redeem_signin_link,
    refuse_open_door,
)
from app.errors import NotAllowed, NotSignedIn
from app.settings import CannotStart, Settings
from tests.conftest import ADDRESS, signed_in


def asked(**headers: str) -> Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in {"host": "127.0.0.1", **headers}.items()]
    return Request(
        {"type": "http", "scheme": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw}
    )


def token(database: Database, scope: Scope = "submit", name: str = "ada", days: float = 90) -> str:
    with database.writing() as session:
        return create_token(session, name, scope, days)


def test_a_token_says_who_it_is(database: Database) -> None:
    secret = token(database)
    principal = authenticate(database, asked(authorization=f"Bearer {secret}"))
    assert principal is not None
    assert (principal.name, principal.scope, principal.by_cookie) == ("ada", "submit", False)
    with database.reading() as session:
        assert session.execute(select(Token)).scalar_one().last_used_at is not None


def test_a_token_is_well_formed_and_long(database: Database) -> None:
    secret = new_token()
    assert secret.startswith("tsp_")
    assert is_well_formed(secret)
    assert len({new_token() for _ in range(100)}) == 100


@given(st.integers(0, 52), st.characters(codec="ascii"))
def test_one_wrong_character_is_seen_by_the_checksum(place: int, character: str) -> None:
    secret = new_token()
    changed = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Basic YTpi", "tsp_x", "Bearer tsp_" + "0" * 49, "Bearer tsp_ä", "Bearer " + "x" * 9_000]
)  # fmt: skip
def test_malformed_tokens_are_refused_without_asking_the_database(header: str) -> None:
    nothing: Any = None
    with pytest.raises(NotSignedIn):
        authenticate(nothing, asked(authorization=header))


def test_unknown_expired_and_revoked_tokens_are_refused(database: Database) -> None:
    expired, revoked = token(database, days=-1), token(database)
    with database.writing() as session:
        session.execute(update(Token).where(col(Token.expires_at) > 9e8).values(revoked_at=1.0))
    for secret in (new_token(), expired, revoked):
        with pytest.raises(NotSignedIn):
            authenticate(database, asked(authorization=f"Bearer {secret}"))


def test_the_database_holds_no_secret(database: Database) -> None:
    secrets = [token(database)]
    with database.writing() as session:
        secrets.append(create_signin_link(session))
        opened = redeem_signin_link(session, secrets[-1])
        assert opened is not None
        secrets.append(opened)
    with database.reading() as session:
        for table in ("tokens", "sessions", "signin_links", "users", "audit"):
            rows = str(session.execute(text(f"SELECT * FROM {table}")).all())
            assert not any(secret in rows for secret in secrets)


def test_scopes_reach_as_far_as_they_say() -> None:
    def may(scope: Scope, wanted: Scope) -> bool:
        try:
            needs(Principal("1", "ada", scope, False), wanted)
        except NotAllowed:
            return False
        return True

    reach = {scope: [wanted for wanted in security.SCOPES if may(scope, wanted)] for scope in security.SCOPES}
    assert reach == {
        "read": ["read"],
        "submit": ["read", "submit"],
        "admin": ["read", "submit", "admin"],
        "worker": ["worker"],
    }
    with pytest.raises(NotSignedIn):
        needs(None, "read")


def test_a_sign_in_link_works_once(database: Database) -> None:
    with database.writing() as session:
        secret = create_signin_link(session)
    with database.writing() as session:
        opened = redeem_signin_link(session, secret)
    with database.writing() as session:
        assert redeem_signin_link(session, secret) is None
        assert redeem_signin_link(session, "x") is None
    assert opened is not None
    principal = authenticate(database, asked(cookie=f"tradespace={opened}"))
    assert principal is not None
    assert (principal.scope, principal.by_cookie) == ("admin", True)
    assert authenticate(database, asked(cookie="tradespace=wrong")) is None
    assert authenticate(database, asked()) is None


def test_links_and_sessions_end(database: Database) -> None:
    with database.writing() as session:
        old, used = create_signin_link(session), create_signin_link(session)
        opened = redeem_signin_link(session, used)
        session.execute(update(SigninLink).values(expires_at=1.0))
        session.execute(update(WebSession).values(expires_at=1.0))
    with database.writing() as session:
        assert redeem_signin_link(session, old) is None
    assert authenticate(database, asked(cookie=f"tradespace={opened}")) is None


def test_a_network_needs_an_administrator(settings: Settings, database: Database) -> None:
    outside = settings.model_copy(update={"host": "0.0.0.0"})
    refuse_open_door(settings, database)
    token(database, "submit")
    with pytest.raises(CannotStart, match="no administrator"):
        refuse_open_door(outside, database)
    token(database, "admin", "root")
    refuse_open_door(outside, database)


def test_a_stronger_token_raises_its_user(database: Database) -> None:
    token(database, "read")
    token(database, "admin")
    token(database, "submit")
    with database.reading() as session:
        assert session.execute(select(col(User.role))).scalars().all() == ["admin"]


def sign_in(app: FastAPI, database: Database, address: str) -> tuple[int, str]:
    with database.writing() as session:
        secret = create_signin_link(session)
    with TestClient(app, base_url=address, follow_redirects=False) as client:
        answer = client.get(f"/sign-in/{secret}")
    return answer.status_code, answer.headers.get("set-cookie", "")


def test_the_session_cookie_is_out_of_reach(app: FastAPI, database: Database) -> None:
    status, cookie = sign_in(app, database, ADDRESS)
    assert status == 303
    assert cookie.startswith("tradespace=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


def test_under_tls_the_cookie_is_bound_to_the_host(app: FastAPI, database: Database) -> None:
    _, cookie = sign_in(app, database, "https://127.0.0.1")
    assert cookie.startswith("__Host-tradespace=")
    assert "Secure" in cookie.split("; ")


def test_no_signing_in_over_plain_http_from_elsewhere(settings: Settings, database: Database) -> None:
    from app.main import create_app

    named = settings.model_copy(update={"allowed_hosts": ("box.example",)})
    assert sign_in(create_app(named), database, "http://box.example")[0] == 403
    trusted = named.model_copy(update={"insecure_http": True})
    assert sign_in(create_app(trusted), database, "http://box.example")[0] == 303


def test_signing_out_ends_the_session(app: FastAPI, database: Database, anonymous: TestClient) -> None:
    with database.writing() as session:
        opened = redeem_signin_link(session, create_signin_link(session))
    assert opened is not None
    browser = TestClient(app, base_url=ADDRESS, cookies={"tradespace": opened}, follow_redirects=False)
    assert browser.get("/studies").status_code == 200
    assert browser.post("/sign-out", headers={"Origin": ADDRESS}).status_code == 303
    assert authenticate(database, asked(cookie=f"tradespace={opened}")) is None


def test_revoking_is_at_once(app: FastAPI, database: Database, client: TestClient) -> None:
    other = signed_in(app, database, "bob", "read")
    assert other.get("/api/v1/studies").status_code == 200
    with database.writing() as session:
        session.execute(update(Token).where(col(Token.name) == "bob").values(revoked_at=1.0))
    assert other.get("/api/v1/studies").status_code == 401
