"""Methods of addresses: HEAD is GET without the body and uses nothing up, and a refused method names those that are taken."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.session import Database
from app.door.security import create_signin_link
from tests import demo


@pytest.mark.parametrize(
    "path",
    ["/", "/studies", "/studies/new", "/explore", "/workers", "/healthz", "/sign-in", "/static/css/page.css",
     "/api/v1/studies", "/api/v1/menu", "/api/v1/openapi.json"],
)  # fmt: skip
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    own = {"x-request-id", "date"}
    assert {**head.headers, **dict.fromkeys(own)} == {**got.headers, **dict.fromkeys(own)}
    assert int(head.headers["content-length"]) > 0


def test_head_says_whether_it_has_changed(client: TestClient) -> None:
    tag = client.head("/api/v1/studies").headers["etag"]
    assert client.head("/api/v1/studies", headers={"If-None-Match": tag}).status_code == 304
    assert client.post("/api/v1/studies", json=demo.order()).status_code == 201
    assert client.head("/api/v1/studies", headers={"If-None-Match": tag}).status_code == 200


def test_head_passes_the_guard(anonymous: TestClient, worker: TestClient) -> None:
    assert anonymous.head("/api/v1/studies").status_code == 401
    assert worker.head("/studies").status_code == 403


def test_head_of_nothing(client: TestClient) -> None:
    for path in ("/nowhere", "/api/v1/studies/none", "/studies/none", "/static/none"):
        assert client.head(path).status_code == 404, path


def test_streams_have_no_head(client: TestClient) -> None:
    study = client.post("/api/v1/studies", json=demo.order()).json()["id"]
    for path in ("/api/v1/events", f"/api/v1/studies/{study}/events"):
        answer = client.head(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET"), path


def test_head_uses_no_sign_in_link_up(database: Database, anonymous: TestClient) -> None:
    with database.writing() as session:
        link = f"/sign-in/{create_signin_link(session)}"
    answer = anonymous.head(link)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert anonymous.get(link, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/studies", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/studies", "GET, HEAD, POST"),
        ("PUT", "/api/v1/views/none", "DELETE, GET, HEAD, PATCH"),
        ("HEAD", "/api/v1/imports", "POST"),
        ("POST", "/api/v1/openapi.json", "GET, HEAD"),
        ("POST", "/studies", "GET, HEAD"),
        ("GET", "/sign-out", "POST"),
        ("POST", "/static/sign-out", "GET, HEAD"),
    ],
)
def test_a_refused_method_names_those_that_are_taken(client: TestClient, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_a_method_of_any_route_is_taken(app: FastAPI, client: TestClient) -> None:
    app.add_api_route("/api/v1/more", lambda: "got", methods=["GET"])
    app.add_api_route("/api/v1/more", lambda: "put", methods=["PUT"])
    assert client.delete("/api/v1/more").headers["allow"] == "GET, HEAD, PUT"
