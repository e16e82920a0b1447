"""Saved views: whose they are, who opens them, and that a short address never leads to another server."""

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from app import pages
from app.door.security import create_token
from app.team import views
from tests.app.pages.conftest import House

ORIGIN = {"Origin": "http://127.0.0.1:8000"}
NO_VIEWS = {"v", "views", "sign-in", "sign-out"}
"""First words of pages that are no views: they lead on, sign somebody in, or list views."""


def saved(client: TestClient, path: str = "/explore?technique=nf4", **more: str) -> dict[str, str]:
    answer = client.post("/api/v1/views", json={"name": "small and good", "path": path, **more}, headers=ORIGIN)
    assert answer.status_code == 201, answer.text
    body: dict[str, str] = answer.json()
    return body


@pytest.fixture
def other(house: House) -> TestClient:
    """Somebody else, with a token."""
    with house.database.writing() as session:
        token = create_token(session, "grace", "submit")
    return TestClient(
        house.browser.app,
        base_url="http://127.0.0.1:8000",
        headers={"Authorization": f"Bearer {token}"},
        follow_redirects=False,
    )


def test_a_view_opens_at_its_short_address(house: House) -> None:
    view = saved(house.browser, "/explore?memory__lte=8+GiB&q=a%20b")
    assert len(view["url"]) < 20
    answer = house.browser.get(view["url"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/explore?memory__lte=8+GiB&q=a%20b")


def test_own_views_are_seen_by_nobody_else_until_they_are_shared(house: House, other: TestClient) -> None:
    view = saved(house.browser)
    assert other.get(view["url"]).status_code == 404
    assert other.get("/api/v1/views").json()["items"] == []
    house.browser.patch(f"/api/v1/views/{view['id']}", json={"sharing": "link"}, headers=ORIGIN)
    assert other.get(view["url"]).status_code == 303
    assert other.get("/api/v1/views").json()["items"] == []
    house.browser.patch(f"/api/v1/views/{view['id']}", json={"sharing": "team", "name": "ours"}, headers=ORIGIN)
    (listed,) = other.get("/api/v1/views").json()["items"]
    assert (listed["name"], listed["is_own"]) == ("ours", False)
    assert other.delete(f"/api/v1/views/{view['id']}").status_code == 404
    assert other.patch(f"/api/v1/views/{view['id']}", json={"name": "mine"}).status_code == 404
    assert house.browser.delete(f"/api/v1/views/{view['id']}", headers=ORIGIN).status_code == 204
    assert house.browser.get(view["url"]).status_code == 404


def test_a_long_address_has_one_short_link(house: House) -> None:
    path = "/explore?" + "&".join(f"technique=t{number}" for number in range(40))
    first, second = (saved(house.browser, path, sharing="link") for _ in range(2))
    assert first["id"] == second["id"]


@pytest.mark.parametrize(
    "path",
    [
        "https://example.org/",
        "//example.org/explore",
        "/\\example.org",
        "/%2f%2fexample.org",
        "/explore/../\\example.org",
        "/explore\r\nLocation: https://example.org",
        "/\texample.org",
        "explore",
        "",
        "/api/v1/explore",
        "/v/abcdefghjk",
        "/sign-in/secret",
        "/sign-out",
        "/static/js/page.js",
        "/./v/abcdefghjk",
        "/explore#fragment",
        "/explore?q=é",
        "/explore?q=" + "a" * 8_000,
    ],
)
def test_what_is_no_page_of_ours_is_refused(house: House, path: str) -> None:
    answer = house.browser.post("/api/v1/views", json={"name": "x", "path": path}, headers=ORIGIN)
    assert answer.status_code == 422
    assert answer.json()["field"] == "path"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/explore?x=zzz", "x is not one of the choices."),
        ("/explore?cursor=abc", "cursor is not a cursor of this list."),
        ("/explore?nonsense=1", "nonsense is not a filter."),
        ("/runs?state=zzz", "state 'zzz' is not one of the choices."),
        ("/studies/zzz", "There is no such study."),
        ("/docs/zzz", "There is nothing here."),
        ("/compare?runs=zzz", "It asks for something impossible."),
    ],
)
def test_what_does_not_open_is_not_saved(house: House, path: str, says: str) -> None:
    answer = house.browser.post("/api/v1/views", json={"name": "x", "path": path}, headers=ORIGIN)
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem["code"]) == (422, "path", "invalid")
    assert problem["detail"].startswith("path does not open: ")
    assert says in problem["detail"]
    assert house.browser.get("/api/v1/views").json()["items"] == []


def test_pages_of_every_kind_are_saved(full: House) -> None:
    study = f"/studies/{full.studies['swept']}"
    for path in (
        "/",
        study,
        f"{study}?tab=memory&point=1",
        "/explore",
        "/coverage",
        "/compare",
        "/docs?q=runs",
        "/runs",
    ):
        assert saved(full.browser, path)["path"] == path


def test_exactly_the_pages_that_there_are_can_be_saved() -> None:
    paths = [str(context.path) for context in iter_route_contexts(pages.router.routes)]
    assert set(views.PAGES) == {path.split("/")[1] for path in paths} - NO_VIEWS
    # The refusal names each of them as a whole address.
    assert {f"/{word}" for word in views.PAGES} <= set(paths)
