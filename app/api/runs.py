"""Runs: list, read, cancel, run again and prioritise for people; claim, start, beat, finish and release for workers."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlmodel import Session

from app.api.calls import REFUSALS, Key, Ledger, Reader, StrictRoute, Submitter, Waking, WorkerCaller, reply_once
from app.api.studies import Prioritised, own
from app.db import queries, reported
from app.db.run_lists import Sort, Standing, Wanted
from app.listing import Listing
from app.ordering import submission
from app.presentation import activity, shown_runs
from app.presentation.activity import RunSummary
from app.presentation.shown_runs import RunDetail, tabulated
from app.runs import artifacts, ledger, orders
from app.study import samples
from app.study.samples import Samples
from workers.catalog.lease import Beat, Claim, Finish, Granted, Pulse, Release, Start
from workers.catalog.report import Arm, Outcome
from workers.catalog.technique import DeviceKind

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute, responses=REFUSALS)


class Ended(BaseModel):
    """What became of a run."""

    state: Literal["queued", "done", "cancelled", "quarantined", "expired"]


class Sampled(BaseModel):
    """Every raw value of a run."""

    run: str
    samples: tuple[Samples, ...]


@router.get("")
def list_runs(
    caller: Reader,
    database: Ledger,
    state: Annotated[Standing | None, Query(description="A state; held: by a worker; ended: all that have.")] = None,
    device: Annotated[DeviceKind | None, Query(description="Kind of device it needs.")] = None,
    outcome: Annotated[Outcome | None, Query(description="How it ended.")] = None,
    study: Annotated[str | None, Query(max_length=100, description="Id of its study.")] = None,
    sort: Annotated[Sort, Query(description="queue: queued runs as they will be taken; -finished: ended runs.")] = (
        "-created"
    ),
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listing[RunSummary]:
    """Runs without their figures, newest first."""
    with database.reading() as session:
        return activity.runs(session, Wanted(state, device, outcome, study), sort=sort, cursor=cursor, limit=limit)


@router.get("/{run_id}")
def read_run(run_id: str, caller: Reader, database: Ledger) -> RunDetail:
    """A run with its figures, raw samples, attempts and log."""
    with database.reading() as session:
        return shown_runs.run_detail(session, run_id)


@router.get("/{run_id}/samples")
def read_samples(run_id: str, caller: Reader, database: Ledger) -> Sampled:
    """Every raw value of a run, warm-up and set-aside pairs included, in base units."""
    with database.reading() as session:
        return Sampled(run=queries.run(session, run_id).id, samples=samples.of_run(session, run_id))


@router.get(
    "/{run_id}/samples.csv",
    response_class=Response,
    responses={200: {"description": "A row for each value.", "content": {"text/csv": {}}}},
)
def read_samples_csv(run_id: str, caller: Reader, database: Ledger) -> Response:
    """The same as a table, to save: one row for each value."""
    with database.reading() as session:
        queries.run(session, run_id)
        rows = samples.of_run(session, run_id)
    headers = {"Content-Disposition": f'attachment; filename="{run_id}-samples.csv"'}
    return Response(tabulated(rows), media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/{run_id}/artifacts/{name}",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {"application/octet-stream": {}}}},
)
def read_artifact(
    run_id: str,
    name: Annotated[str, Path(max_length=100)],
    request: Request,
    caller: Reader,
    database: Ledger,
    arm: Annotated[Arm, Query(description="Whose file.")] = "variant",
) -> Response:
    """Download a file that a run brought back, for example the trace of a profiled step."""
    with database.reading() as session:
        found = reported.artifact(session, run_id, name, arm)
        data, size, media_type = found.data, found.size, found.media_type
    # What a measured program wrote is never shown by this origin, only saved.
    headers = {
        "Content-Disposition": f'attachment; filename="{run_id}-{arm}-{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Vary": "Accept-Encoding",
    }
    if _takes_gzip(request):
        return Response(data, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})
    headers["Content-Length"] = str(size)
    return StreamingResponse(artifacts.unpacked(data), media_type=media_type, headers=headers)


@router.post("/{run_id}/cancel", response_model=RunDetail)
def cancel(run_id: str, request: Request, caller: Submitter, database: Ledger, key: Key = None) -> Response:
    """Cancel a run. Asking again changes nothing."""

    def act(session: Session) -> tuple[int, RunDetail]:
        own(queries.study(session, queries.run(session, run_id).study_id), caller)
        orders.cancel_run(session, run_id)
        submission.audit(session, caller.name, "cancel", run_id)
        return 200, shown_runs.run_detail(session, run_id)

    return reply_once(request, database, caller, key, act)


@router.post("/{run_id}/retry", response_model=RunDetail)
def retry(
    run_id: str, request: Request, caller: Submitter, database: Ledger, reaper: Waking, key: Key = None
) -> Response:
    """Measure a run again that has ended. Its earlier figures stay stored but no longer count."""

    def act(session: Session) -> tuple[int, RunDetail]:
        own(queries.study(session, queries.run(session, run_id).study_id), caller)
        orders.retry(session, run_id, as_admin=caller.is_admin)
        submission.audit(session, caller.name, "retry", run_id)
        return 200, shown_runs.run_detail(session, run_id)

    reply = reply_once(request, database, caller, key, act)
    reaper.wake()
    return reply


@router.post("/{run_id}/priority", response_model=RunDetail)
def prioritise(
    run_id: str,
    paper: Prioritised,
    request: Request,
    caller: Submitter,
    database: Ledger,
    reaper: Waking,
    key: Key = None,
) -> Response:
    """Say which runs come first. Of a run that is measured just now, it counts when the run is queued again."""

    def act(session: Session) -> tuple[int, RunDetail]:
        own(queries.study(session, queries.run(session, run_id).study_id), caller)
        orders.prioritise_run(session, run_id, paper.priority)
        submission.audit(session, caller.name, "prioritise", run_id, detail={"priority": paper.priority})
        return 200, shown_runs.run_detail(session, run_id)

    reply = reply_once(request, database, caller, key, act)
    reaper.wake()
    return reply


@router.post("/{run_id}/claim")
def claim(run_id: str, paper: Claim, caller: WorkerCaller, database: Ledger) -> Granted:
    """Take a queued run."""
    with database.writing() as session:
        return ledger.claim(session, run_id, paper.worker)


@router.post("/{run_id}/start")
def start(run_id: str, paper: Start, caller: WorkerCaller, database: Ledger) -> Pulse:
    """Say that the measuring program runs."""
    with database.writing() as session:
        return ledger.start(session, run_id, paper)


@router.post("/{run_id}/beat")
def beat(run_id: str, paper: Beat, caller: WorkerCaller, database: Ledger) -> Pulse:
    """Keep a run, and say how far it is."""
    with database.writing() as session:
        return ledger.beat(session, run_id, paper)


@router.post("/{run_id}/finish")
def finish(run_id: str, paper: Finish, caller: WorkerCaller, database: Ledger, reaper: Waking) -> Ended:
    """Bring a run's report."""
    with database.writing() as session:
        state = ledger.finish(session, run_id, paper)
    reaper.wake()
    return Ended.model_validate({"state": state})


@router.post("/{run_id}/release")
def release(run_id: str, paper: Release, caller: WorkerCaller, database: Ledger, reaper: Waking) -> Ended:
    """Give a run back without a report."""
    with database.writing() as session:
        state = ledger.release(session, run_id, paper)
    reaper.wake()
    return Ended.model_validate({"state": state})


def _takes_gzip(request: Request) -> bool:
    for wanted in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = wanted.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
