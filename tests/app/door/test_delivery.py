"""Pages and JSON on their way: small, asked for again without a body, and never shown to somebody else."""

import itertools
import json
import zlib
from collections.abc import Iterator

import brotli
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient

from app.db.session import Database
from app.door.security import create_signin_link, redeem_signin_link
from tests import demo
from tests.conftest import ADDRESS, signed_in

PAGES = ("/", "/studies", "/studies/new", "/workers")
TWINS = ("/api/v1/studies", "/api/v1/menu", "/api/v1/overview", "/api/v1/openapi.json")


@pytest.fixture
def browser(app: FastAPI, database: Database, anonymous: TestClient) -> TestClient:
    """A signed-in browser."""
    with database.writing() as session:
        opened = redeem_signin_link(session, create_signin_link(session))
    return TestClient(app, base_url=ADDRESS, cookies={"tradespace": opened or ""}, headers={"Accept": "text/html"})


def test_what_a_reader_has_is_not_sent_again(browser: TestClient) -> None:
    for path in (*PAGES, *TWINS):
        first = browser.get(path)
        assert first.status_code == 200, path
        assert first.headers["cache-control"] == "private, no-cache", path
        assert {"Cookie", "Authorization"} <= set(first.headers["vary"].split(", "))
        assert first.headers["etag"].startswith('W/"')
        again = browser.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        for name in ("etag", "cache-control", "vary"):
            assert again.headers[name] == first.headers[name]
        assert "content-length" not in again.headers
        assert "content-security-policy" in again.headers


def test_what_has_changed_is_sent(browser: TestClient) -> None:
    tag = browser.get("/api/v1/studies").headers["etag"]
    assert browser.post("/api/v1/studies", json=demo.order(), headers={"Origin": ADDRESS}).status_code == 201
    after = browser.get("/api/v1/studies", headers={"If-None-Match": tag})
    assert after.status_code == 200
    assert after.headers["etag"] != tag


def test_a_tag_opens_no_door(
    app: FastAPI, database: Database, browser: TestClient, anonymous: TestClient, worker: TestClient
) -> None:
    for path in (*PAGES, *TWINS[:3]):
        tag = {"If-None-Match": browser.get(path).headers["etag"]}
        for stranger, status in ((anonymous, 401), (worker, 403)):
            for held in (tag, {"If-None-Match": "*"}):
                refused = stranger.get(path, headers=held)
                assert (refused.status_code, refused.headers["cache-control"]) == (status, "no-store")
                assert "etag" not in refused.headers
    other = signed_in(app, database, "bob", "read")
    known = {"If-None-Match": browser.get("/studies").headers["etag"]}
    assert other.get("/studies", headers=known).status_code == 304, "bob's page is the same, byte for byte"


def test_somebody_elses_tag_brings_ones_own_page(app: FastAPI, database: Database, client: TestClient) -> None:
    def who(request: Request) -> JSONResponse:
        return JSONResponse({"name": request.state.principal.name})

    app.add_api_route("/api/v1/who", who)
    first, second = signed_in(app, database, "eve", "read"), signed_in(app, database, "bob", "read")
    answer = second.get("/api/v1/who", headers={"If-None-Match": first.get("/api/v1/who").headers["etag"]})
    assert (answer.status_code, answer.json()) == (200, {"name": "bob"})


def test_what_must_not_be_kept_is_not(app: FastAPI, client: TestClient, anonymous: TestClient) -> None:
    def secret() -> Response:
        return JSONResponse({"token": "x" * 2000}, headers={"Cache-Control": "no-store"})

    app.add_api_route("/api/v1/secret", secret)
    answers = [
        anonymous.get("/sign-in"),
        anonymous.get("/sign-in/nothing"),
        anonymous.get("/healthz"),
        client.get("/nowhere"),
        client.post("/api/v1/studies", json=demo.order()),
        client.get("/api/v1/secret"),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert "etag" not in answer.headers


def test_signing_out_empties_the_browsers_cache(browser: TestClient) -> None:
    answer = browser.post("/sign-out", headers={"Origin": ADDRESS}, follow_redirects=False)
    assert answer.headers["clear-site-data"] == '"cache"'


def test_bodies_travel_small_and_whole(app: FastAPI, client: TestClient) -> None:
    app.add_api_route("/api/v1/words", lambda size: JSONResponse({"words": "accuracy " * (int(size) // 9)}))
    for size, encoding in itertools.product((9, 900, 2_000, 300_000), ("br", "gzip", "identity", "br;q=0")):
        with client.stream("GET", f"/api/v1/words?size={size}", headers={"Accept-Encoding": encoding}) as answer:
            sent = b"".join(answer.iter_raw())
        assert answer.headers["content-length"] == str(len(sent))
        used = answer.headers.get("content-encoding")
        assert used == (encoding if encoding in ("br", "gzip") and size >= 2_000 else None), (size, encoding)
        assert ("Accept-Encoding" in answer.headers["vary"]) == (size >= 2_000)
        plain = brotli.decompress(sent) if used == "br" else zlib.decompress(sent, 47) if used else sent
        assert json.loads(plain) == {"words": "accuracy " * (size // 9)}


def test_streams_pass_as_they_come(app: FastAPI, client: TestClient) -> None:
    def events() -> Iterator[bytes]:
        yield from (b"data: %d\n\n" % number for number in range(500))

    app.add_api_route("/api/v1/stream", lambda: StreamingResponse(events(), media_type="text/event-stream"))
    answer = client.get("/api/v1/stream", headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.endswith("data: 499\n\n")
