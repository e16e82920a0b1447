"""What surrounds every page: navigation to pages that are there, commands that exist, nothing that changes by itself."""

import html
import re
import shlex

import pytest
from fastapi.routing import iter_route_contexts

from app import cli, pages
from app.pages.commands import commands
from app.pages.navigation import PLACES, present
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import LISTS, read, runs_of

STUDY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ORIGIN = "http://127.0.0.1:8000"
PAGES = (*LISTS, "/runs", "/explore", "/compare", "/coverage", "/views", "/techniques", "/techniques/int8_weight_only")
PAGES += ("/models", "/hardware", "/docs", "/plan", "/guide", "/claims", "/nowhere")


def test_the_navigation_leads_to_every_page_that_is_there(house: House) -> None:
    paths = {route.path for route in iter_route_contexts(pages.router.routes)}
    page = read(house, "/")
    shown = re.findall(r'<a href="([^"]+)" data-key="([^"]+)"', page)
    assert shown == [(place.href, place.keys) for place in PLACES if place.href in paths]
    for href, _ in shown:
        assert f'<a href="{href}" data-key' in read(house, href)


def test_a_page_that_is_not_there_has_no_entry_and_no_key() -> None:
    assert [place.word for place in present(["/", "/workers", "/workers/{worker}", None])] == ["home", "workers"]


def test_keys_are_told_apart() -> None:
    keys = [place.keys for place in PLACES]
    assert len(set(keys)) == len(keys)
    assert not {key for key in keys if " " not in key} & {"g", "/", "s", "c", "?"}


def test_the_current_place_is_marked_once(full: House) -> None:
    for path in LISTS:
        assert len(re.findall(r"data-key=[^>]*aria-current", read(full, path))) == 1, path


@pytest.mark.parametrize("path", [*LISTS, "study"])
def test_a_page_gives_itself_as_a_command(full: House, path: str) -> None:
    page = read(full, path if path.startswith("/") else f"/studies/{full.studies['done']}")
    twin = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)">', page)
    assert twin is not None
    foot = page[page.index('<footer class="foot">') :]
    shown = [shlex.split(html.unescape(text)) for text in re.findall(r"<code>(.*?)</code>", foot, re.DOTALL)]
    assert shown[0][-1] == ORIGIN + html.unescape(twin[1])
    assert ["tradespace", "wait", full.studies["done"], "--server", ORIGIN] in shown[1:] or path != "study"


def test_paper_says_where_it_comes_from(full: House) -> None:
    page = read(full, "/studies?state=done")
    assert f'<p class="printed" id="printed">{ORIGIN}/studies?state=done</p>' in page


def test_signing_in_shows_no_address(house: House) -> None:
    house.browser.cookies.clear()
    assert "not-a-secret" not in read(house, "/sign-in/not-a-secret", 410)


@pytest.mark.parametrize(
    "twin", [f"/api/v1/studies/{STUDY}", f"/api/v1/compare?runs={STUDY},{STUDY}", "/api/v1/studies?state=done"]
)
def test_commands_are_ones_that_there_are(twin: str) -> None:
    known = {one.name or one.callback.__name__ for one in cli.app.registered_commands if one.callback}
    curl, *others = commands(f"{ORIGIN}/", twin)
    assert shlex.split(curl.text)[-1] == ORIGIN + twin
    for command in others:
        assert shlex.split(command.text)[1] in known


@pytest.mark.parametrize("hostile", ["'; rm -rf /; '", "$(id)", "`id`", "a b", "\\'"])
def test_nothing_of_an_address_is_acted_on_by_a_shell(hostile: str) -> None:
    for command in commands(f"{ORIGIN}/", f"/api/v1/compare?runs={hostile.replace(' ', '+')},b"):
        words = shlex.split(command.text)
        assert words[-2:] == ["--server", ORIGIN] or words[-1].startswith(f"{ORIGIN}/api/v1/compare?runs=")
        assert len(words) <= 6


@pytest.mark.parametrize("path", [*PAGES, "study", "run"])
def test_a_page_loads_one_module_and_one_style_sheet(full: House, path: str) -> None:
    study = full.studies["done"]
    address = {"study": f"/studies/{study}", "run": f"/runs/{runs_of(full, study)[0]}"}.get(path, path)
    page = read(full, address, 404 if path == "/nowhere" else 200)
    for kind, tag in (("js", '<script type="module" src="'), ("css", '<link rel="stylesheet" href="')):
        (named,) = re.findall(rf"{re.escape(tag)}([^?\"]+)\?v=", page)
        assert named.startswith(f"/static/bundles/{kind}/"), (
            "every page's module and style sheet has a bundle: make bundle"
        )
    assert len(re.findall(r'(?:src|href)="/static/', page)) <= 6


@pytest.mark.parametrize("path", ["/", "/studies", "/workers"])
def test_the_same_page_is_the_same_text(full: House, path: str) -> None:
    assert read(full, path) == read(full, path)
