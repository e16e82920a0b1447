"""Studies: submit, list, read, follow, cancel, and check a spec without storing it."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from sqlmodel import Session

from app.api.calls import REFUSALS, Key, Ledger, Reader, StrictRoute, Submitter, Waking, reply_once
from app.api.streams import After, LastEventId, News, begins, streamed
from app.db import queries
from app.db.tables import Study
from app.door.security import Principal
from app.errors import FieldError, NotAllowed
from app.listing import Listing
from app.ordering import submission
from app.planner import predicted, team
from app.planner.predicted import PredictedVariant
from app.presentation import shown_studies
from app.presentation.activity import PRIORITY
from app.presentation.shown_studies import StudyDetail, StudySummary
from app.runs import orders
from app.team import tags
from workers.catalog.applicability import problems
from workers.catalog.declared import Problem
from workers.catalog.spec import Effort, StudySpec
from workers.catalog.validation import explain

router = APIRouter(prefix="/studies", tags=["studies"], route_class=StrictRoute, responses=REFUSALS)

_EFFORTS: tuple[Effort, ...] = ("exact", "quick", "standard", "thorough")


class Prioritised(BaseModel):
    """Which runs come first."""

    model_config = ConfigDict(extra="forbid")
    priority: Annotated[int, Field(strict=True, ge=-PRIORITY, le=PRIORITY)]
    """The highest is taken first; 0 unless somebody said otherwise."""


class Estimated(BaseModel):
    """How long a study would take, judged by earlier runs."""

    low: float
    """Seconds, if every run takes as long as the quickest one like it."""
    high: float
    like: int
    """How many earlier runs this comes from."""
    same_model: bool
    """Whether they were of this model and workload, or only of this kind of device."""


class Checked(BaseModel):
    """What would become of a spec."""

    ok: bool
    problems: list[FieldError]
    runs: int | None
    """How many runs it asks for; null when it cannot be read."""
    seconds: dict[Effort, Estimated | None]
    """By effort; null while no run like these has been measured here."""
    memory: list[PredictedVariant] = []
    """What the baseline and each variant will need, by the planner's formulas; null with a reason where these do not reach."""


@router.post("", status_code=201, response_model=StudyDetail)
def submit(
    spec: StudySpec, request: Request, caller: Submitter, database: Ledger, reaper: Waking, key: Key = None
) -> Response:
    """Store a study and queue its runs. 201 means that it is stored for good."""

    def act(session: Session) -> tuple[int, StudyDetail]:
        study = submission.submit(session, spec, caller.user_id, caller.name)
        return 201, shown_studies.study_detail(session, study.id)

    reply = reply_once(request, database, caller, key, act)
    reaper.wake()
    return reply


@router.post("/check")
def check(spec: Annotated[JsonValue, Body()], caller: Reader, database: Ledger) -> Checked:
    """Say what is wrong with a spec, how many runs it asks for and how long they may take. Nothing is stored."""
    found: list[Problem]
    try:
        read = StudySpec.model_validate(spec)
    except ValidationError as error:
        found = explain(error.errors(include_url=False), spec, StudySpec)
        return Checked(ok=False, problems=_fields(found), runs=None, seconds={})
    found = problems(read)
    if found:
        return Checked(ok=False, problems=_fields(found), runs=read.size, seconds={})
    with database.reading() as session:
        estimates = {effort: submission.estimate(session, read, effort) for effort in _EFFORTS}
        machines = team.machines(session, present=read.device)
    seconds = {
        effort: Estimated.model_validate(estimate._asdict()) if estimate else None
        for effort, estimate in estimates.items()
    }
    memory = list(predicted.variants(read, machines))
    return Checked(ok=True, problems=[], runs=read.size, seconds=seconds, memory=memory)


@router.get("")
def list_studies(
    caller: Reader,
    database: Ledger,
    state: Literal["queued", "running", "done", "cancelled"] | None = None,
    tag: Annotated[str | None, Query(max_length=200, description="A tag that they have, in any case.")] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listing[StudySummary]:
    """Studies, newest first."""
    with database.reading() as session:
        key = tags.key(tag) if tag else None
        return shown_studies.studies(session, state=state, tag=key, cursor=cursor, limit=limit)


@router.get("/{study_id}")
def read_study(study_id: str, caller: Reader, database: Ledger) -> StudyDetail:
    """A study with its runs, their measurements and effects."""
    with database.reading() as session:
        return shown_studies.study_detail(session, study_id)


@router.post("/{study_id}/cancel", response_model=StudyDetail)
def cancel(study_id: str, request: Request, caller: Submitter, database: Ledger, key: Key = None) -> Response:
    """Cancel what is left of a study. Asking again changes nothing."""

    def act(session: Session) -> tuple[int, StudyDetail]:
        own(queries.study(session, study_id), caller)
        orders.cancel_study(session, study_id)
        submission.audit(session, caller.name, "cancel", study_id)
        return 200, shown_studies.study_detail(session, study_id)

    return reply_once(request, database, caller, key, act)


@router.post("/{study_id}/priority", response_model=StudyDetail)
def prioritise(
    study_id: str,
    paper: Prioritised,
    request: Request,
    caller: Submitter,
    database: Ledger,
    reaper: Waking,
    key: Key = None,
) -> Response:
    """Say which studies come first: gives every run of this one that has not ended a priority."""

    def act(session: Session) -> tuple[int, StudyDetail]:
        own(queries.study(session, study_id), caller)
        orders.prioritise_study(session, study_id, paper.priority)
        submission.audit(session, caller.name, "prioritise", study_id, detail={"priority": paper.priority})
        return 200, shown_studies.study_detail(session, study_id)

    reply = reply_once(request, database, caller, key, act)
    reaper.wake()
    return reply


def own(study: Study, caller: Principal) -> None:
    """Let only its owner and administrators change a study.

    Raises:
        NotAllowed: it belongs to somebody else.
    """
    if not caller.is_admin and study.owner_id != caller.user_id:
        raise NotAllowed("The study belongs to somebody else; its owner or an administrator may change it.")


def _followed(study_id: str, database: Ledger, caller: Reader) -> Study:
    with database.reading() as session:
        return queries.study(session, study_id)


@router.get("/{study_id}/events", response_class=EventSourceResponse)
async def follow(
    study: Annotated[Study, Depends(_followed)],
    request: Request,
    database: Ledger,
    after: After = None,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to the study's runs: first what happened since the last event seen, then live.

    Kinds: ``state`` of a run, ``progress``, ``log`` lines, ``study`` state, ``priority``. The stream ends when the study
    has ended.
    """

    def news(seen: int) -> News:
        with database.reading() as session:
            found = queries.study_events(session, study.id, seen)
            return News(found, _last_word(queries.study(session, study.id)))

    async for event in streamed(request, news, begins(last_event_id, after or 0)):
        yield event


def _last_word(study: Study) -> ServerSentEvent | None:
    """How an ended study's stream ends: without a number, so that whoever connects again gets it again."""
    if study.finished_at is None:
        return None
    return ServerSentEvent(data={"study": study.id, "state": study.state}, event="study")


def _fields(found: list[Problem]) -> list[FieldError]:
    return [FieldError(field=one.field, code=one.code, message=one.message, hint=one.hint) for one in found]
