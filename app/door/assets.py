"""Static files: addresses that change with the content, so that browsers may keep them for good, and small on the way.

What a page loads, one module and one style sheet, travels as a bundle: one file with all that it imports (``make bundle``).
A bundle that was made of other sources than are there now is left aside, and the sources travel themselves: a module
imports another one by its plain name, and on the way out that name becomes the hashed address too. So a page's scripts
are asked for once after each upgrade, a module is never loaded twice under two names, and an old module never meets a new
one.
"""

import hashlib
import json
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.negotiation import ENCODINGS, WORTH_BYTES, Encoding, compressed, encoding, has

STATIC = Path(__file__).resolve().parents[2] / "static"
MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""What is served; any other file of the folder is not."""
PACKED = frozenset({".png", ".woff2"})
"""Compressed by their own format."""
TWIN = ".br"
"""A vendored file of a megabyte takes brotli seconds, so it comes with its smallest form (``make vendor``)."""
QUICK_BYTES = 300_000
"""A larger file without a twin is compressed quickly rather than well: somebody waits for it."""
SOURCES = ("css", "js")
"""Folders of style sheets and modules."""
BUNDLES = "bundles"
"""Folder of what was made of them."""
MANIFEST = f"{BUNDLES}/manifest.json"
"""Which bundles there are, by content, and the sources that they were made of."""
LOOK_EVERY_S = 1.0
"""Dates of files are read this often at most: every page asks for several addresses."""
_IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)"\./([\w-]+\.(?:css|js))\"""")


class Asset(NamedTuple):
    """A static file as it is delivered."""

    content: bytes
    media_type: str
    version: str
    """Hash of the content."""


def address(path: str) -> str:
    """Address of a static file, of its bundle where there is one; a new content is a new address.

    Args:
        path: inside the static folder.
    """
    bundle = f"{BUNDLES}/{path}"
    return _address(bundle if bundle in _fitting(_dates()) else path)


def asset(path: str) -> Asset:
    """A static file as it stands now.

    Args:
        path: inside the static folder, with slashes and without dots.

    Raises:
        FileNotFoundError: there is no such file among those that are served.
    """
    if Path(path).suffix not in MEDIA or {"", ".", ".."} & set(path.split("/")):
        raise FileNotFoundError(path)
    return _asset(path, _dates())


def sources() -> str:
    """Hash of every module and style sheet, names included."""
    digest = hashlib.sha256()
    files = (file for folder in SOURCES for file in (STATIC / folder).iterdir())
    for file in sorted(file for file in files if _is_served(file.name)):
        digest.update(f"{file.parent.name}/{file.name}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application below ``/static``."""
    if scope["method"] not in ("GET", "HEAD"):
        raise HTTPException(405, headers={"Allow": "GET, HEAD"})
    path = scope["path"].removeprefix(f"{scope.get('root_path', '')}/")
    version = scope["query_string"].decode("latin-1").removeprefix("v=")
    reply = await run_in_threadpool(_reply, path, version, Headers(scope=scope), scope["method"] == "HEAD")
    await reply(scope, receive, send)


def _reply(path: str, version: str, asked: Headers, head_only: bool) -> Response:
    try:
        found = asset(path)
    except (OSError, ValueError) as error:
        raise HTTPException(404) from error
    is_text = Path(path).suffix not in PACKED and len(found.content) >= WORTH_BYTES
    chosen = encoding(asked.get("accept-encoding")) if is_text else None
    etag = f'"{found.version}{"-" + chosen if chosen else ""}"'
    headers = {
        "ETag": etag,
        # Behind an address with the content's hash nothing ever changes; anything else is asked about each time.
        "Cache-Control": "public, max-age=31536000, immutable" if version == found.version else "no-cache",
        # A part of a file is of no use to a page, and a server may send the whole (RFC 9110 §14.2).
        "Accept-Ranges": "none",
    }
    if is_text:
        headers["Vary"] = "Accept-Encoding"
    if has(asked.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    content = _small(path, found, chosen) if chosen else found.content
    if chosen:
        headers["Content-Encoding"] = chosen
    if head_only:
        headers["Content-Length"] = str(len(content))
        return Response(headers=headers, media_type=found.media_type)
    return Response(content, headers=headers, media_type=found.media_type)


def _address(path: str) -> str:
    return f"/static/{path}?v={asset(path).version}"


@lru_cache(maxsize=256)
def _asset(path: str, dates: int) -> Asset:
    """Read a file. The dates stand for its content and for that of what it imports."""
    file = STATIC / path
    content = file.read_bytes()
    folder = file.parent.name
    if file.parent.parent == STATIC and folder in SOURCES:
        content = _IMPORT.sub(
            lambda found: f'{found[1]}"{_address(f"{folder}/{found[2]}")}"', content.decode()
        ).encode()
    return Asset(content, MEDIA[file.suffix], hashlib.sha256(content).hexdigest()[:12])


@lru_cache(maxsize=1)
def _fitting(dates: int) -> frozenset[str]:
    """Bundles that were made of the sources as they are."""
    try:
        manifest = json.loads((STATIC / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):  # Not made, or just being written.
        return frozenset()
    return frozenset(manifest["bundles"]) if manifest["sources"] == sources() else frozenset()


def _dates() -> int:
    """Another number whenever a file has changed."""
    return _dates_at(int(monotonic() / LOOK_EVERY_S))


@lru_cache(maxsize=1)
def _dates_at(look: int) -> int:
    found = set()
    for folder, _, names in os.walk(STATIC):
        for name in filter(_is_served, names):
            # A file may go between the listing and the look at it.
            with suppress(FileNotFoundError):
                found.add((folder, name, os.stat(os.path.join(folder, name)).st_mtime_ns))
    return hash(frozenset(found))


def _is_served(name: str) -> bool:
    """Whether it is one of ours; editors leave others beside them."""
    return not name.startswith(".") and name.endswith((*MEDIA, ".json"))


@lru_cache(maxsize=len(ENCODINGS) * 128)
def _small(path: str, found: Asset, chosen: Encoding) -> bytes:
    """A file in an encoding, made once and kept."""
    twin = STATIC / f"{path}{TWIN}"
    if chosen == "br" and twin.exists():
        return twin.read_bytes()
    return compressed(found.content, chosen, once=chosen == "gzip" or len(found.content) < QUICK_BYTES)
