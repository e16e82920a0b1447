"""Server-sent events: what happened since the last one seen, then what happens, for a while; every stream is of this code.

FastAPI sends a comment after 15 seconds without an event, so that nobody between takes the connection for dead.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, NamedTuple

from fastapi import Header, Query, Request
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.db.tables import Event
from app.door.security import authenticate
from app.errors import NotSignedIn

STREAM_S = 600.0
"""A stream ends after this long; browsers open the next one where it ended."""
POLL_S = 1.0
ASKED_AGAIN_S = 10.0
"""Between two looks at whether the reader may still read."""
_HIGHEST = 2**63 - 1

After = Annotated[int | None, Query(ge=0, le=_HIGHEST, description="Number of the last event that was seen.")]
LastEventId = Annotated[str | None, Header(max_length=20)]


class News(NamedTuple):
    """What happened since an event, and whether more can come."""

    events: Sequence[Event]
    last_word: ServerSentEvent | None = None
    """Said after the events when nothing more can come."""
    seen: int = 0
    """Up to which number was looked, whatever of it was asked for: nobody looks there again."""
    more: bool = False
    """Whether there are later events to look at now."""


def begins(last_event_id: str | None, after: int) -> int:
    """The number of the last event that a reader has seen, as its browser says it or else its address."""
    last = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
    return min(last, _HIGHEST)


async def streamed(request: Request, news: Callable[[int], News], last: int) -> AsyncIterator[ServerSentEvent]:
    """Every event after one, as they come.

    Args:
        request: whose server may be asked to stop.
        news: reads what happened since an event of a number; called in a thread.
        last: number of the last event seen.
    """
    began = asked = time.monotonic()
    while time.monotonic() < began + STREAM_S and not request.app.state.is_stopping():
        if time.monotonic() > asked + ASKED_AGAIN_S:
            # What opened the stream may have been revoked since.
            try:
                await run_in_threadpool(authenticate, request.app.state.database, request)
            except NotSignedIn:
                return
            asked = time.monotonic()
        found = await run_in_threadpool(news, last)
        for event in found.events:
            assert event.id is not None
            last = event.id
            yield ServerSentEvent(data=event.data, event=event.kind, id=str(event.id))
        last = max(last, found.seen)
        if found.events or found.more:
            continue
        if found.last_word is not None:
            yield found.last_word
            return
        await asyncio.sleep(POLL_S)
