"""What the Runs page and its JSON twins show: lists of runs, and in one look what runs, what waits and what has ended."""

import statistics
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, JsonValue
from sqlmodel import Session

from app.db import queries, run_lists
from app.db.run_lists import Earlier, Listed, Sort, Wanted
from app.db.session import clock
from app.db.tables import Run, Study
from app.listing import Listing, moment
from app.presentation import shown_machines
from app.presentation.shown_machines import ShownWorker
from workers.catalog.technique import DeviceKind

PRIORITY = 10
"""The highest there is; the lowest is its negative."""
FIRST_OF_QUEUE = 20
LATELY = 20


class RunSummary(BaseModel):
    """One run in a list, without its figures."""

    id: str
    url: str
    study: str
    study_name: str
    model: str
    workload: str
    variant: str
    is_baseline: bool
    """The null test: baseline against baseline."""
    point: dict[str, int]
    device: str
    """Kind of device it needs."""
    hardware: str | None
    """Name of the device that took it last."""
    worker: str | None
    """Name of the worker that took it last."""
    state: str
    outcome: str | None
    outcome_phase: str | None
    ran: str | None
    """as_asked, emulated or fell_back: the worst of the variant's proofs; null while nothing was proven."""
    message: str | None
    priority: int
    """-10 to 10; the highest is taken first."""
    attempts: int
    progress: JsonValue
    waits_until: str | None
    """Earliest moment at which it may be taken, where that is yet to come."""
    created_at: str
    started_at: str | None
    finished_at: str | None
    seconds: float | None


class Expected(BaseModel):
    """When a run will end, judged by earlier runs like it: same model, workload, kind of device and effort."""

    ends_at: str
    """If it takes as long as the median of them."""
    typical_s: float
    longest_s: float
    like: int
    """How many earlier runs this comes from."""
    same_point: bool
    """Whether they were at the same point of a sweep, or at others too."""
    late: bool
    """Whether it already takes longer than every one of them."""


class GoingRun(RunSummary):
    """A run that a worker holds."""

    expected: Expected | None
    """Null where no earlier run is like it."""


class Activity(BaseModel):
    """What happens now."""

    running: list[GoingRun]
    """Runs that a worker holds, the longest held first."""
    queue: list[RunSummary]
    """The first of the queue, in the order in which they will be taken."""
    queued: dict[str, int]
    """How many runs wait, by kind of device."""
    first: dict[str, int]
    """By kind of device, the priority that puts a run before all that wait."""
    later: dict[str, int]
    """By kind of device, the priority that puts a run behind all that wait."""
    absent: list[str]
    """Kinds of device that runs wait for, and no worker that is there has."""
    finished: list[RunSummary]
    """The last that ended, newest first."""
    workers: list[ShownWorker]
    """Those that are there."""
    last_event: int
    """Number of the newest event: ``GET /api/v1/events?after=`` goes on from here."""


def runs(
    session: Session, wanted: Wanted, *, sort: Sort = "-created", cursor: str | None = None, limit: int = 50
) -> Listing[RunSummary]:
    """Runs, newest first or in another order of the whitelist.

    Raises:
        Invalid: the cursor is not one that an earlier page of this sort gave.
    """
    page = run_lists.listed(session, wanted, sort=sort, cursor=cursor, limit=limit)
    now = clock(session)
    return Listing(items=[RunSummary(**_summary(row, now)) for row in page.items], next=page.next)


def activity(session: Session, device: DeviceKind | None = None) -> Activity:
    """Everything that happens now, optionally on one kind of device."""
    # First of all: what happens while the rest is read comes again as an event, and nothing is missed.
    last_event = queries.newest_event(session)
    queued = {kind: count for kind, count in run_lists.queued(session).items() if device in (None, kind)}
    first, later = edges(session, queued)
    workers = [
        worker
        for worker in shown_machines.workers(session, limit=200).items
        if worker.present and device in (None, worker.device.kind)
    ]
    present = {worker.device.kind for worker in workers}
    return Activity(
        running=going(session, run_lists.held(session, device)),
        queue=runs(session, Wanted(state="queued", device=device), sort="queue", limit=FIRST_OF_QUEUE).items,
        queued=queued,
        first=first,
        later=later,
        absent=sorted(kind for kind in queued if kind not in present),
        finished=runs(session, Wanted(state="ended", device=device), sort="-finished", limit=LATELY).items,
        workers=workers,
        last_event=last_event,
    )


def edges(session: Session, kinds: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """By kind of device, the priority that puts a run before all that wait, and the one that puts it behind them."""
    found = {kind: run_lists.priorities_queued(session, kind) or (-1, 1) for kind in kinds}
    return (
        {kind: min(PRIORITY, highest + 1) for kind, (highest, _) in found.items()},
        {kind: max(-PRIORITY, lowest - 1) for kind, (_, lowest) in found.items()},
    )


def going(session: Session, held: Sequence[Listed]) -> list[GoingRun]:
    """Runs that a worker holds, with when they will end."""
    now = clock(session)
    known: dict[tuple[str, ...], Sequence[Earlier]] = {}
    found = []
    for row in held:
        like = (row.study.model, row.study.workload, row.study.device, row.study.effort)
        if like not in known:
            known[like] = run_lists.earlier(session, row.study)
        found.append(GoingRun(**_summary(row, now), expected=expected(row.run, known[like], now)))
    return found


def expected_end(session: Session, run: Run, study: Study) -> Expected | None:
    """When one run will end; None when it does not run or no earlier run is like it."""
    if run.state not in run_lists.HELD:
        return None
    return expected(run, run_lists.earlier(session, study), clock(session))


def expected(run: Run, earlier: Sequence[Earlier], now: float) -> Expected | None:
    """Judge a run by earlier ones, by those at the same point of a sweep where there are any. Pure.

    Args:
        run: the run; nothing is expected before it was started.
        earlier: runs like it that went well.
        now: seconds since 1970.
    """
    if run.started_at is None or not earlier:
        return None
    same = [one.seconds for one in earlier if one.point == run.point]
    seconds = same or [one.seconds for one in earlier]
    typical = statistics.median(seconds)
    return Expected(
        ends_at=moment(run.started_at + typical),
        typical_s=typical,
        longest_s=max(seconds),
        like=len(seconds),
        same_point=bool(same),
        late=now - run.started_at > max(seconds),
    )


def _summary(row: Listed, now: float) -> dict[str, object]:
    run = row.run
    same = ("id", "variant", "is_baseline", "point", "state", "outcome", "outcome_phase", "ran", "message")
    return {name: getattr(run, name) for name in (*same, "priority", "attempts", "progress", "seconds")} | {
        "url": f"/runs/{run.id}",
        "study": run.study_id,
        "study_name": row.study.name,
        "model": row.study.model,
        "workload": row.study.workload,
        "device": run.device_kind,
        "hardware": row.hardware,
        "worker": row.worker,
        "waits_until": moment(run.not_before) if run.state == "queued" and run.not_before > now else None,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at) if run.started_at else None,
        "finished_at": moment(run.finished_at) if run.finished_at else None,
    }
