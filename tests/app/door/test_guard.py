"""The door: which requests come in at all, and what every answer carries."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.session import Database
from app.door.assets import address
from app.door.guard import HEADERS
from app.door.security import create_signin_link, new_token, redeem_signin_link
from tests import demo
from tests.conftest import ADDRESS

HOSTS = [
    "evil.example", "127.0.0.1.evil.example", "evil.example:8000", "127.0.0.1@evil.example", "0.0.0.0:8000", "", " ",
    "2130706433", "0x7f.1", "127.1", "localhost.", "LOCALHOST.evil", "[::2]:8000", "::1", "127.0.0.1:8000:9", "127.0.0.1:x",
    "127.0.0.2", "localhost%00", "local host", "metadata.google.internal",
]  # fmt: skip


@pytest.fixture
def browser(app: FastAPI, database: Database, anonymous: TestClient) -> TestClient:
    """A signed-in browser."""
    with database.writing() as session:
        opened = redeem_signin_link(session, create_signin_link(session))
    return TestClient(app, base_url=ADDRESS, cookies={"tradespace": opened or ""})


@pytest.mark.parametrize("path", ["/", "/api/v1/studies", "/healthz", "/static/css/page.css", "/nowhere"])
def test_foreign_hosts_are_refused_everywhere(client: TestClient, path: str) -> None:
    for host in HOSTS:
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code in (400, 421), (host, answer.status_code)
        assert all(answer.headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LocalHost", "127.0.0.1", "[::1]:8000"])
def test_own_hosts_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused(client: TestClient) -> None:
    answer = client.get("/healthz", headers=[("Host", "127.0.0.1:8000"), ("Host", "127.0.0.1:8000")])
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_host"


@pytest.mark.parametrize(
    "path", ["/healthz", "/", "/api/v1/studies", "/nowhere", "/static/css/page.css", "/static/none"]
)
@pytest.mark.parametrize("who", ["anonymous", "client"])
def test_every_answer_carries_the_headers(path: str, who: str, request: pytest.FixtureRequest) -> None:
    answer = request.getfixturevalue(who).get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["x-request-id"]
    assert "unsafe-inline" not in HEADERS["Content-Security-Policy"].replace("style-src-attr 'unsafe-inline'", "")


def test_a_fault_carries_them_too_and_says_nothing(app: FastAPI, client: TestClient) -> None:
    def fail() -> None:
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    app.add_api_route("/api/v1/fault", fail)
    answer = client.get("/api/v1/fault")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_changes_asked_for_by_another_origin_are_refused(
    browser: TestClient, client: TestClient, method: str, headers: dict[str, str]
) -> None:
    for caller in (browser, client):
        assert caller.request(method, "/api/v1/studies", json=demo.order(), headers=headers).status_code == 403
    assert client.get("/api/v1/studies").json()["items"] == []


def test_a_browsers_change_needs_proof_that_our_page_asked(browser: TestClient) -> None:
    assert browser.post("/api/v1/studies", json=demo.order()).status_code == 403
    for proof in ({"Origin": ADDRESS}, {"Sec-Fetch-Site": "same-origin"}):
        assert browser.post("/api/v1/studies", json=demo.order(), headers=proof).status_code == 201


@pytest.mark.parametrize(
    "query",
    ["token=x", "access_token=x", "API_KEY=x", pytest.param(f"q={new_token()}", id="q=token"), "a=1&Authorization=x"],
)
def test_a_token_in_an_address_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/studies?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "token_in_address"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
def test_only_plain_json_is_read(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/api/v1/studies", content=b"{}", headers=headers)
    assert answer.status_code == 415


def test_a_large_body_is_refused_whether_or_not_it_says_so(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 60_000_000:
            sent += 100_000
            yield b" " * 100_000

    json = {"Content-Type": "application/json"}
    assert client.post("/api/v1/studies", content=b" " * 1_000_001, headers=json).status_code == 413
    assert client.post("/api/v1/studies", content=endless(), headers=json).status_code == 413
    assert client.post("/api/v1/studies", content=b" " * 999_999, headers=json).status_code == 400
    finish = f"/api/v1/runs/{'0' * 26}/finish"
    assert client.post(finish, content=b" " * 8_000_001, headers=json).status_code == 413
    many = "{" + ",".join(f'"{number}":1' for number in range(10**6)) + "}"
    assert client.post("/api/v1/studies", content=many, headers=json).status_code == 413


def test_without_credentials_nothing_is_even_looked_for(anonymous: TestClient) -> None:
    for path in ("/nowhere", "/api/v1/nowhere", "/api/v1/studies/1", "/%2e%2e/etc/passwd", "/openapi.json", "/docs"):
        assert anonymous.get(path).status_code == 401, path
    assert anonymous.get("/", headers={"Accept": "text/html"}).headers["content-type"].startswith("text/html")
    assert anonymous.get("/api/v1/studies").headers["www-authenticate"] == "Bearer"


def test_static_files_stay_in_their_folder(client: TestClient) -> None:
    for path in (
        "/static/../app/main.py",
        "/static/%2e%2e/app/main.py",
        "/static/%252e%252e/app/main.py",
        "/static/..%5capp",
    ):
        assert client.get(path).status_code in (401, 404), path


def test_hashed_static_files_are_kept_and_everything_else_is_not(client: TestClient) -> None:
    assert "immutable" in client.get(address("css/page.css")).headers["cache-control"]
    assert client.get("/static/css/page.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/none").headers["cache-control"] == "no-store"
    assert client.get("/nowhere").headers["cache-control"] == "no-store"


def test_a_worker_sees_no_pages(worker: TestClient) -> None:
    assert worker.get("/studies").status_code == 403
    assert worker.get("/api/v1/studies").status_code == 403
