"""Events of all studies as one stream, for pages and programs that follow everything or one run."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.api.streams import After, LastEventId, News, begins, streamed
from app.db import queries

router = APIRouter(prefix="/events", tags=["events"], route_class=StrictRoute, responses=REFUSALS)

Kind = Literal["state", "progress", "log", "study", "priority"]
Run = Annotated[str | None, Query(max_length=100, description="Id of a run; left out: all runs.")]


def _begun(
    caller: Reader, database: Ledger, run: Run = None, after: After = None, last_event_id: LastEventId = None
) -> int:
    with database.reading() as session:
        if run is not None:
            queries.run(session, run)
        return begins(last_event_id, queries.newest_event(session) if after is None else after)


@router.get("", response_class=EventSourceResponse)
async def follow(
    last: Annotated[int, Depends(_begun)],
    request: Request,
    database: Ledger,
    run: Run = None,
    kind: Annotated[list[Kind] | None, Query(max_length=5, description="Left out: all kinds.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to the runs of everybody: what happened since the last event seen, then live.

    Without ``after`` and ``Last-Event-ID`` it begins now. Kinds: ``state`` of a run, ``progress``, ``log`` lines,
    ``study`` state, ``priority``. The stream ends after ten minutes; connect again with the last number to go on.
    """

    def news(seen: int) -> News:
        with database.reading() as session:
            found = queries.events_after(session, seen, kinds=kind or (), run_id=run)
            return News(found.events, seen=found.seen, more=found.more)

    async for event in streamed(request, news, last):
        yield event
