"""The door: every request passes here before any route is looked for, and every answer on its way out.

Deny by default: what is not on the short list of open places needs credentials, whether there is such a route or not.
"""

import asyncio
import time
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors
from app.db.session import Database
from app.db.tables import new_id
from app.door.limits import HEADER_BYTES
from app.door.security import PREFIX, Principal, authenticate, needs
from app.errors import Refused, answer
from app.settings import Settings

log = structlog.get_logger()

OPEN = frozenset({("GET", "/healthz"), ("GET", "/sign-in")})
"""Method and path of what anybody may ask for."""
OPEN_BELOW = (("GET", "/static/"), ("GET", "/sign-in/"), ("POST", "/sign-in/"))
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_BYTES = 1_000_000
REPORT_BYTES = 8_000_000
"""Of a finished run: a compressed trace for each arm and every raw sample have room."""
HEADER_PATHS = frozenset({"/api/v1/plan/gguf", "/plan/gguf"})
"""Where such a header may come, which is no JSON."""
BODY_S = 15.0
"""A body has to be here by then."""
_SECRET_NAMES = frozenset({"token", "access_token", "api_key", "apikey", "authorization", "bearer"})
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""The hash of the empty string: plotly adds a style element and fills it through the object model."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src-elem 'self' {_EMPTY_STYLE}",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, database: Database) -> None:
        self.app = app
        self.settings = settings
        self.database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = new_id()
        request.state.principal = None
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _complete(MutableHeaders(scope=message), request.state.request_id)
            await send(message)

        try:
            body = request.state.body = await self._admit(request)
            await self.app(scope, _replay(body, receive), send_guarded)
        except Refused as refused:
            await self._refuse(request, refused, send_guarded)
        except Exception:
            log.exception("request failed", request_id=request.state.request_id, path=scope["path"])
            if started:
                raise
            await answer(request, errors.ServerFault())(scope, receive, send_guarded)

    async def _refuse(self, request: Request, refused: Refused, send: Send) -> None:
        reply = answer(request, refused)
        # What is left of the body will not be read; the connection cannot carry another request.
        reply.headers["Connection"] = "close"
        await reply(request.scope, request.receive, send)

    async def _admit(self, request: Request) -> bytes:
        """Check a request and read its body.

        Raises:
            Refused: it may not come in.
        """
        # Host first: until it is ours, nothing else about the request can be trusted.
        _check_host(request, self.settings.host_names)
        _check_address(request)
        _check_origin(request)
        method, path = request.method, request.scope["path"]
        if not is_open(method, path):
            principal = await run_in_threadpool(authenticate, self.database, request)
            if principal is None:
                raise errors.NotSignedIn()
            request.state.principal = principal
            _check_intent(request, principal)
            if not path.startswith("/api/"):
                needs(principal, "read")
        if method in SAFE:
            return b""
        _check_media_type(request)
        return await _read(request, _limit(path))


def is_open(method: str, path: str) -> bool:
    """Whether anybody may ask for this."""
    method = "GET" if method == "HEAD" else method
    return (method, path) in OPEN or any(method == m and path.startswith(below) for m, below in OPEN_BELOW)


def _check_host(request: Request, names: frozenset[str]) -> None:
    hosts = request.headers.getlist("host")
    if len(hosts) != 1:
        raise errors.BadHost()
    name, _, port = hosts[0].lower().rpartition(":")
    if not port.isdecimal():
        name, port = hosts[0].lower(), ""
    if name not in names:
        raise errors.WrongHost()


def _check_address(request: Request) -> None:
    query = request.scope["query_string"].decode("latin-1")
    if not query:
        return
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.lower() in _SECRET_NAMES or value.startswith(PREFIX):
            raise errors.TokenInAddress()


def _check_origin(request: Request) -> None:
    """What a browser says about where a request comes from must not be another origin, whatever the credentials."""
    if request.method in SAFE:
        return
    origin = request.headers.get("origin")
    if origin is not None and not _is_own(request, origin):
        raise errors.ForeignOrigin()
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise errors.ForeignOrigin()


def _check_intent(request: Request, principal: Principal) -> None:
    """A browser sends its cookie along with other sites' requests; a change needs proof that our page asked for it."""
    if request.method in SAFE or not principal.by_cookie:
        return
    origin = request.headers.get("origin")
    if origin is None and request.headers.get("sec-fetch-site") != "same-origin":
        raise errors.ForeignOrigin("A change by a signed-in browser needs an Origin header.")


def _is_own(request: Request, origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.netloc.lower() == request.headers["host"].lower() and parts.scheme == request.url.scheme


def _limit(path: str) -> int:
    """Bytes that a body may have."""
    if path in HEADER_PATHS:
        return HEADER_BYTES
    return REPORT_BYTES if path.endswith("/finish") else BODY_BYTES


def _check_media_type(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise errors.WrongMediaType()
    if not request.scope["path"].startswith("/api/"):
        return
    kind = request.headers.get("content-type")
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    wanted = "application/octet-stream" if request.scope["path"] in HEADER_PATHS else "application/json"
    if (has_body or kind) and (kind or "").partition(";")[0].strip().lower() != wanted:
        advice = f"Send Content-Type: {wanted} and no Content-Encoding."
        raise errors.WrongMediaType(f"The body must be {wanted}, not compressed.", hint=advice)


async def _read(request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length", "0")
    if not length.isdecimal():
        raise Refused("Content-Length is not a number.")
    if len(length) > 18 or int(length) > limit:
        raise errors.TooLarge(f"The body is larger than {limit:,} bytes.")
    chunks: list[bytes] = []
    size = 0
    end = time.monotonic() + BODY_S
    while True:
        try:
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                message = await request.receive()
        except TimeoutError as error:
            raise errors.RequestTooSlow() from error
        if message["type"] == "http.disconnect":
            raise Refused("The client went away.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise errors.TooLarge(f"The body is larger than {limit:,} bytes.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body that was read, then whatever comes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed


def _complete(headers: MutableHeaders, request_id: str) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = request_id
    # Static files and what a reader may keep say so themselves (assets.py, delivery.py); nothing else is stored anywhere.
    headers.setdefault("Cache-Control", "no-store")
