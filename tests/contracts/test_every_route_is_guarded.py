"""Deny by default: every route and method refuses a request without credentials, except a short list."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from app.db.session import Database
from app.door.guard import HEADER_PATHS
from tests.conftest import signed_in

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/sign-in"),
    ("GET", "/sign-in/{secret}"),
    ("GET", "/static/{path}"),
}
"""What anybody may ask for. At most eight."""
STORE_NOTHING = {
    "/api/v1/studies/check", "/api/v1/presets", "/api/v1/presets/ablation", "/api/v1/imports", "/api/v1/plan", "/api/v1/plan/gguf",
    "/plan/gguf", "/api/v1/guide",
}  # fmt: skip
"""POSTs that only answer; a reader may ask."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WORKERS_OWN = re.compile(
    r"/api/v1/(workers(/\{worker_id\}/(work|ceilings))?|runs/\{run_id\}/(claim|start|beat|finish|release))"
)


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, Mount):
            yield "GET", f"{context.original_route.path}/{{path}}"
            continue
        assert context.path is not None
        for method in context.methods or {"GET"}:
            yield method, context.path


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "0" * 26, path)


def test_the_list_is_short_and_no_more_than_true(app: FastAPI) -> None:
    known = set(routes(app))
    assert len(OPEN) <= 8
    assert known >= OPEN
    assert len(known) > 25, "the walk finds the routes"


def test_without_credentials_everything_else_is_refused(app: FastAPI, anonymous: TestClient) -> None:
    paths = {path for _, path in routes(app)}
    for path in paths:
        for method in METHODS:
            answer = anonymous.request(method, filled(path), follow_redirects=False)
            if (method, path) in OPEN or (method in ("HEAD",) and ("GET", path) in OPEN):
                assert answer.status_code not in (401, 403), (method, path)
            elif path in ("/static/{path}", "/sign-in/{secret}"):
                assert answer.status_code in (401, 403, 404, 405), (method, path)
            else:
                assert answer.status_code in (401, 403), (method, path, answer.status_code)


@pytest.mark.parametrize("scope", ["read", "worker"])
def test_a_narrow_token_changes_nothing_outside_its_scope(
    app: FastAPI, database: Database, anonymous: TestClient, scope: str
) -> None:
    app.state.is_stopping = lambda: True  # Streams end at once.
    client = signed_in(app, database, scope, scope)  # type: ignore[arg-type]
    for method, path in routes(app):
        if (method, path) in OPEN or path in ("/sign-out", "/sign-in/{secret}"):
            continue
        answer = client.request(method, filled(path), **_body(method, path))
        workers_own = WORKERS_OWN.fullmatch(path) and not (method == "GET" and path.endswith(("workers", "ceilings")))
        if scope == "worker":
            allowed = bool(workers_own) or path == "/api/v1/openapi.json"
        else:
            allowed = (method in ("GET", "HEAD") and not workers_own) or path in STORE_NOTHING
        assert (answer.status_code != 403) == allowed, (method, path, answer.status_code)


def test_every_call_of_the_api_says_whom_it_is_for(app: FastAPI) -> None:
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute) or not str(context.path).startswith("/api/"):
            continue
        asks = {getattr(part.call, "__name__", "") for part in _all(context.dependant)}
        assert asks & {"needs_read", "needs_submit", "needs_worker", "needs_admin"}, context.path


def _body(method: str, path: str) -> dict[str, Any]:
    """What a request of a route brings: the media type is looked at before the scope."""
    if path in HEADER_PATHS:
        return {"content": b"GGUF", "headers": {"Content-Type": "application/octet-stream"}}
    return {"json": {}} if method == "POST" else {}


def _all(dependant: Any) -> Iterator[Any]:
    for part in dependant.dependencies:
        yield part
        yield from _all(part)
