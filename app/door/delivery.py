"""How pages and JSON travel: compressed, and not at all when the reader already has them.

Both need the whole body, so one middleware does both to answers that come in one piece and know their length. What is
streamed, server-sent events above all, passes as it comes: a compressor would hold events back.

What may be kept: an answer to somebody with credentials may stay in that reader's own browser, never in a cache that
others share (``private``), and has to be asked for again before it is shown (``no-cache``). Asking passes the guard like
any other request, so a stranger gets 401 and somebody else gets what is theirs; 304 says no more than "the body that I
have just made for you has this hash". Signing in, refusals and answers to changes keep the guard's ``no-store``.

Compression beside secrets (BREACH) needs a secret in a body that an attacker's words go into as well, many times over.
No page holds one: sessions live in HttpOnly cookies and there are no form tokens; a new token is shown once, to a POST.
"""

import hashlib
from collections.abc import MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.negotiation import WORTH_BYTES, Encoding, compressed, encoding, has

KEPT = frozenset({"text/html", "application/json"})
"""What readers may keep, with an ETag."""
COMPRESSED = KEPT | {"application/problem+json", "text/plain", "text/csv", "image/svg+xml", "application/yaml"}
IN_THREAD_BYTES = 64 * 1024
"""A larger body is compressed beside the event loop, which would stand still for milliseconds."""
SETS = frozenset({"cache-control", "set-cookie"})
"""An answer with one of these has decided for itself, or is for this once."""
STAYS = frozenset({"etag", "cache-control", "vary"})
"""What a 304 says of the answer that the reader has."""


class Delivery:
    """ASGI middleware between the guard and the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: Message | None = None

        async def deliver(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and "content-length" in Headers(raw=message.get("headers", [])):
                held = message
                return
            if held is not None:
                start, held = held, None
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    await _whole(scope, start, message)
                await send(start)
            await send(message)

        await self.app(scope, receive, deliver)


async def _whole(scope: Scope, start: Message, body: Message) -> None:
    """Make an answer that came in one piece small, or empty; both messages are changed in place."""
    headers = MutableHeaders(raw=list(start.get("headers", [])))
    asked = Headers(scope=scope)
    content: bytes = body.get("body", b"")
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if kind in COMPRESSED and "content-encoding" not in headers and content:
        is_kept = kind in KEPT and start["status"] == 200 and _may_keep(scope) and SETS.isdisjoint(headers.keys())
        is_worth_it = len(content) >= WORTH_BYTES
        _vary(headers, *(["Accept-Encoding"] if is_worth_it else []), *(["Cookie", "Authorization"] if is_kept else []))
        if is_kept:
            # Weak: the same for every encoding of the body.
            headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:24]}"'
            headers["Cache-Control"] = "private, no-cache"
        if is_kept and has(asked.get("if-none-match"), headers["etag"]):
            headers = MutableHeaders(raw=[(name, value) for name, value in headers.raw if name.decode() in STAYS])
            start["status"], content = 304, b""
        elif is_worth_it and (chosen := encoding(asked.get("accept-encoding"))):
            content = await _smaller(content, chosen)
            headers["Content-Encoding"] = chosen
            headers["Content-Length"] = str(len(content))
    start["headers"], body["body"] = headers.raw, content


async def _smaller(content: bytes, chosen: Encoding) -> bytes:
    if len(content) < IN_THREAD_BYTES:
        return compressed(content, chosen, once=False)
    return await run_in_threadpool(compressed, content, chosen, once=False)


def _may_keep(scope: Scope) -> bool:
    """Whether this is a reading by somebody whom the guard knows."""
    state: MutableMapping[str, Any] = scope.get("state", {})
    return scope["method"] == "GET" and state.get("principal") is not None


def _vary(headers: MutableHeaders, *names: str) -> None:
    there = [name.strip() for name in headers.get("vary", "").split(",") if name.strip()]
    new = [name for name in names if name.lower() not in {one.lower() for one in there}]
    if new:
        headers["Vary"] = ", ".join([*there, *new])
