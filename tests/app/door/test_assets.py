"""Static files: hashed addresses through and through, small on the way, and nothing outside the folder."""

import hashlib
import json
import re
import shutil
import zlib
from pathlib import Path

import brotli
import pytest
from fastapi.testclient import TestClient

from app.door import assets
from app.door.assets import BUNDLES, LOOK_EVERY_S, MANIFEST, MEDIA, STATIC, TWIN, address, asset, sources

CHART_BYTES = 420_000
"""The goal for the chart library on its way to a browser that takes brotli."""
FILES = sorted(
    path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file() and path.suffix in MEDIA
)
CHARTS = next(path for path in FILES if "plotly" in path and path.endswith(".js"))
IMPORTED = re.compile(r"""(?:from|import)\s*\(?\s*"(\./[^"]+)\"""")


def raw(client: TestClient, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """An answer's headers and its body as it travelled."""
    with client.stream("GET", path, headers=headers) as answer:
        return dict(answer.headers), b"".join(answer.iter_raw())


def test_an_address_carries_the_hash_of_what_it_gives() -> None:
    digest = hashlib.sha256((STATIC / "css" / "page.css").read_bytes()).hexdigest()
    assert address("css/page.css") == f"/static/css/page.css?v={digest[:12]}"


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith(("js/", "css/"))])
def test_sources_import_each_other_by_hashed_addresses(path: str) -> None:
    delivered = asset(path).content.decode()
    assert not IMPORTED.search(delivered)
    for name in IMPORTED.findall((STATIC / path).read_text()):
        imported = f"{Path(path).parent}/{name[2:]}"
        assert f'"/static/{imported}?v={asset(imported).version}"' in delivered


def test_bundles_are_of_the_sources_as_they_are() -> None:
    made = json.loads((STATIC / MANIFEST).read_text())
    assert made["sources"] == sources(), "static/js or static/css has changed since: make bundle"
    files = {path for path in FILES if path.startswith(f"{BUNDLES}/")}
    assert made["bundles"] == {path: hashlib.sha256((STATIC / path).read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith(f"{BUNDLES}/")])
def test_a_bundle_needs_no_other_file(path: str) -> None:
    assert address(path.removeprefix(f"{BUNDLES}/")) == f"/static/{path}?v={asset(path).version}"
    assert not IMPORTED.search((STATIC / path).read_text())


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The static files in a folder of their own (``assets.STATIC``), and the clock by which they are looked at."""
    shutil.copytree(STATIC, tmp_path / "static", ignore=shutil.ignore_patterns("vendor"))
    clock = [0.0]
    monkeypatch.setattr(assets, "STATIC", tmp_path / "static")
    monkeypatch.setattr(assets, "monotonic", lambda: clock[0])
    return clock


@pytest.mark.parametrize("source", ["js/say.js", "css/tokens.css"])
def test_who_changes_a_source_sees_it_without_a_bundle(copied: list[float], source: str) -> None:
    assert address("js/explore.js").startswith("/static/bundles/js/explore.js?")
    with (assets.STATIC / source).open("a") as file:
        file.write("\n/* another */\n")
    assert address("js/explore.js").startswith("/static/bundles/js/explore.js?"), "looked at a moment ago"
    copied[0] += LOOK_EVERY_S
    module = address("js/explore.js").removeprefix("/static/js/explore.js?v=")
    assert module == asset("js/explore.js").version
    assert b"another" in asset(source).content


def test_a_change_reaches_the_address_of_what_imports_it(copied: list[float]) -> None:
    (assets.STATIC / MANIFEST).unlink()
    before = address("js/explore.js"), address("js/runs.js")
    with (assets.STATIC / "js/cloud.js").open("a") as file:
        file.write("\n// another\n")
    copied[0] += LOOK_EVERY_S
    after = address("js/explore.js"), address("js/runs.js")
    assert after[0] != before[0], "explore.js imports scatter.js, which imports cloud.js"
    assert after[1] == before[1]


def test_every_encoding_gives_the_same_file(anonymous: TestClient) -> None:
    for path in FILES:
        content, _, version = asset(path)
        kept = f"/static/{path}?v={version}"
        brotlied = raw(anonymous, kept, **{"Accept-Encoding": "br"})
        gzipped = raw(anonymous, kept, **{"Accept-Encoding": "gzip"})
        assert raw(anonymous, kept, **{"Accept-Encoding": "identity"})[1] == content
        for headers, body in (brotlied, gzipped):
            assert headers["content-length"] == str(len(body))
            assert headers["cache-control"] == "public, max-age=31536000, immutable"
        if "content-encoding" in brotlied[0]:
            assert brotlied[0]["vary"] == gzipped[0]["vary"] == "Accept-Encoding"
            assert brotlied[0]["etag"] != gzipped[0]["etag"]
            assert brotli.decompress(brotlied[1]) == content, path
            assert zlib.decompress(gzipped[1], zlib.MAX_WBITS + 16) == content, path
        else:
            assert len(content) < 1024 or path.endswith((".png", ".woff2")), path


def test_the_chart_library_travels_small(anonymous: TestClient) -> None:
    assert len(raw(anonymous, address(CHARTS), **{"Accept-Encoding": "gzip, br"})[1]) <= CHART_BYTES


def test_vendored_files_are_what_was_recorded() -> None:
    vendor = STATIC / "vendor"
    lines = [line.split() for line in (vendor / "SHA256SUMS").read_text().splitlines()]
    recorded = {name: digest for digest, name in lines}
    assert set(recorded) == {path.name for path in vendor.iterdir()} - {"SHA256SUMS"}
    for name, digest in recorded.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest


def test_vendored_twins_are_of_their_files() -> None:
    twins = list((STATIC / "vendor").glob(f"*{TWIN}"))
    assert f"{STATIC / CHARTS}{TWIN}" in map(str, twins)
    for twin in twins:
        assert brotli.decompress(twin.read_bytes()) == twin.with_suffix("").read_bytes()


def test_a_known_file_is_not_sent_again(anonymous: TestClient) -> None:
    first = anonymous.get("/static/css/page.css", headers={"Accept-Encoding": "gzip"})
    assert first.headers["cache-control"] == "no-cache"
    again = {"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]}
    known = anonymous.get("/static/css/page.css", headers=again)
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == first.headers["etag"]
    plain = {**again, "Accept-Encoding": "identity"}
    assert anonymous.get("/static/css/page.css", headers=plain).status_code == 200, "another representation"


def test_an_outdated_address_is_not_kept(anonymous: TestClient) -> None:
    assert anonymous.get("/static/css/page.css?v=000000000000").headers["cache-control"] == "no-cache"


def test_head_and_range(anonymous: TestClient) -> None:
    whole = anonymous.get("/static/css/page.css", headers={"Accept-Encoding": "gzip"})
    head = anonymous.head("/static/css/page.css", headers={"Accept-Encoding": "gzip"})
    assert head.content == b""
    for name in ("content-length", "content-type", "content-encoding", "etag", "vary"):
        assert head.headers[name] == whole.headers[name]
    part = anonymous.get("/static/css/page.css", headers={"Range": "bytes=0-9", "Accept-Encoding": "gzip"})
    assert (part.status_code, part.headers["accept-ranges"]) == (200, "none")
    assert part.content == whole.content


def test_nothing_else_is_served(client: TestClient) -> None:
    for path in (
        "/static//etc/passwd.txt",
        "/static/js/../js/page.js",
        "/static/%2e%2e/static/js/page.js",
        "/static/js/%00.js",
        "/static/js",
        "/static/",
        "/static/vendor/SHA256SUMS",
        f"/static/{CHARTS}{TWIN}",
        "/static/" + "x" * 300 + ".js",
    ):
        # As a raw address: a client mends dots in any other one.
        answer = client.request("GET", "http://127.0.0.1:8000/x", extensions={"target": path.encode()})
        assert answer.status_code == 404, path


def test_other_methods_are_refused(client: TestClient) -> None:
    answer = client.request("OPTIONS", "/static/css/page.css")
    assert answer.status_code == 405
