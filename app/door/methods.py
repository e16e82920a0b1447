"""Methods of addresses: which of them an address takes, and HEAD, which is GET without the body."""

from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.sse import EventSourceResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

USED_UP = "/sign-in/"
"""Below it a GET uses a link up: whoever only asks what is there, as previews of links do, must not."""


class Heads:
    """ASGI middleware between the guard and the delivery: answers HEAD as GET, with its headers and without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or "HEAD" not in taken(scope):
            await self.app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, send_headers)


def taken(scope: Scope) -> frozenset[str]:
    """Methods that an address takes, of all its routes; none where there is no route or what is mounted there decides.

    Args:
        scope: of a request to the application, whatever its method.
    """
    # What is mounted is asked with another root.
    asked = {**scope, "root_path": scope.get("app_root_path", scope.get("root_path", ""))}
    found: set[str] = set()
    for context in iter_route_contexts(scope["app"].routes):
        if isinstance(context.original_route, Mount) or context.matches(asked)[0] is Match.NONE:
            continue
        methods = context.methods or set()
        found |= methods
        if "GET" in methods and not _is_stream(context) and not scope["path"].startswith(USED_UP):
            found.add("HEAD")
    return frozenset(found)


def _is_stream(context: RouteContext) -> bool:
    """Whether its answer goes on until the reader leaves."""
    kind = getattr(context, "response_class", None)
    return isinstance(kind, type) and issubclass(kind, EventSourceResponse)
