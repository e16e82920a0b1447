"""Runs: in one look what runs, what waits and what has ended; and every run there is, a page at a time."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.db import queries
from app.db.run_lists import ENDED, Sort, Standing, Wanted
from app.ordering.menu import DEVICES
from app.pages import formatting
from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import activity
from app.study.outcomes import OUTCOMES
from workers.catalog.report import Outcome
from workers.catalog.technique import DeviceKind

router = APIRouter()

Which = Standing | Literal["all"]
TABS: tuple[tuple[str, str], ...] = (
    ("", "Now"),
    ("queued", "Queue"),
    ("ended", "Ended"),
    ("all", "All"),
)
SORTS: dict[Which, Sort] = {"queued": "queue", "ended": "-finished", **dict.fromkeys(ENDED, "-finished")}
"""Of lists that do not come newest first."""
PER_PAGE = 50


@router.get("/runs", response_class=HTMLResponse)
def runs(
    session: Reading,
    state: Which | Literal[""] | None = None,
    device: DeviceKind | Literal[""] | None = None,
    outcome: Outcome | Literal[""] | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    shared: dict[str, Any] = {
        "here": "runs",
        "chosen": {"state": state or "", "device": device or "", "outcome": outcome or ""},
        "tabs": TABS,
        "devices": DEVICES,
        "outcomes": OUTCOMES,
        "highest": activity.PRIORITY,
    }
    if not state and not outcome:
        now = activity.activity(session, device or None)
        query = formatting.query({"device": device})
        return page("runs.html", twin=f"/api/v1/activity{'?' if query else ''}{query}", now=now, **shared)
    which = state or "ended"
    shared["chosen"] |= {"state": which}
    # Read before the list: what happens meanwhile comes again as an event.
    last_event = queries.newest_event(session)
    wanted = Wanted(None if which == "all" else which, device or None, outcome or None)
    sort = SORTS.get(which, "-created")
    found = activity.runs(session, wanted, sort=sort, cursor=cursor, limit=PER_PAGE)
    first, later = activity.edges(session, DEVICES)
    query = formatting.query(
        {"state": wanted.state, "device": device, "outcome": outcome, "sort": sort, "cursor": cursor}
    )
    return page(
        "runs.html",
        twin=f"/api/v1/runs?{query}",
        now=None,
        runs=found.items,
        next=found.next,
        first=first,
        later=later,
        is_first=cursor is None,
        last_event=last_event,
        **shared,
    )
