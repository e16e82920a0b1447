"""Studies: the list, the order form, and one study with its charts, tables and log."""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from app.charts.chart import SYMBOLS
from app.charts.units import several
from app.db import queries
from app.db.events import TERMINAL
from app.db.tables import Environment, Run, Study
from app.door.security import Principal
from app.errors import NotFound
from app.knowledge import advice
from app.ordering.drafts import MAX_DRAFTS
from app.ordering.menu import DEVICES, STARTS
from app.pages import formatting, noted, reproduce, study_view
from app.pages.rendering import page
from app.pages.session import Reading
from app.pages.study_view import Address, Asked
from app.presentation import predictions, shown_studies
from app.presentation.overview import devices_present
from app.study import comparison, sittings, stored
from app.study.comparison import ComparedRun, Comparison
from app.study.progress import done
from app.study.sittings import Stack
from app.team import tags
from workers.catalog import strictyaml
from workers.catalog.spec import StudySpec

router = APIRouter()

State = Literal["queued", "running", "done", "cancelled"]


@router.get("/studies", response_class=HTMLResponse)
def studies(
    session: Reading,
    state: State | Literal[""] | None = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    key = tags.key(tag) if tag else None
    found = shown_studies.studies(session, state=state or None, tag=key, cursor=cursor)
    return page(
        "studies.html",
        here="studies",
        twin=f"/api/v1/studies{'?' if state or tag else ''}{formatting.query({'state': state, 'tag': tag})}",
        studies=found.items,
        chosen=state or None,
        tag=tag or None,
        next=found.next,
    )


@router.get("/studies/new", response_class=HTMLResponse)
def new(request: Request, session: Reading) -> HTMLResponse:
    first = STARTS[0]
    caller: Principal = request.state.principal
    return page(
        "new.html",
        here="new",
        twin="/api/v1/menu",
        present=devices_present(session),
        drafts=queries.drafts(session, caller.user_id, limit=MAX_DRAFTS).items,
        most_bytes=strictyaml.MAX_BYTES,
        marks=tuple(SYMBOLS),
        example=reproduce.posted(json.dumps({"name": first.question, **first.study}), str(request.base_url)),
    )


@router.get("/studies/{study_id}", response_class=HTMLResponse)
def study(request: Request, session: Reading, study_id: str, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    parameters = request.query_params.multi_items()
    study_view.check(asked, parameters)
    found = queries.study(session, study_id)
    runs = queries.runs(session, study_id)
    compared = comparison.of_study(session, found)
    if asked.point >= len(compared.points):
        raise NotFound(f"The sweep has {several(len(compared.points), 'point')}; there is no number {asked.point}.")
    budgets = study_view.budgets_of(parameters, compared)
    address = Address(f"/studies/{study_id}", asked, budgets.limits)
    finished = sum(1 for run in runs if run.state in TERMINAL)
    return page(
        "study.html",
        here="studies",
        twin=f"/api/v1/studies/{study_id}",
        study=found,
        comparison=compared,
        findings=comparison.findings(compared),
        asked=asked,
        at=address.at,
        changed=address.changed,
        others=address.others,
        tabs=study_view.TABS,
        charts=study_view.drawn(session, compared, asked, budgets.limits),
        budgets=budgets,
        pickable=study_view.pickable(compared),
        swept=[field for field in compared.points[0] if len({point.get(field) for point in compared.points}) > 1],
        advice=advice.for_these(found for run in compared.runs for found in run.bottlenecks),
        anatomy=_anatomy(compared),
        predictions=predictions.of_study(session, found, compared) if asked.tab == "memory" else (),
        memory_parts=sittings.PARTS,
        marks=tuple(SYMBOLS),
        workload=_workload(stored.study_spec(found)),
        device=_devices(session, runs),
        last_event=queries.last_event(session, study_id),
        finished=finished,
        fraction=done((run.state, run.progress) for run in runs),
        progress_message=_message(runs),
        waiting_for=_waiting_for(session, found, runs),
        remarks=formatting.remarks(compared),
        environments=_environments(session, runs, compared),
        reproduce=reproduce.study(found.spec, str(request.base_url)),
        log=queries.log_lines(session, study_id=study_id) if asked.tab == "log" else [],
        noted=noted.of(session, "studies", study_id, request.state.principal),
    )


def _anatomy(compared: Comparison) -> list[tuple[ComparedRun, Stack]]:
    """The parts of each run's peak, where they were told apart."""
    found = ((run, sittings.stack_of(run, "variant", compared.main_phase)) for run in compared.runs)
    return [(run, stack) for run, stack in found if stack is not None]


def _workload(spec: StudySpec) -> str:
    words = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in spec.workload.parameters.items()
        if name not in spec.sweep
    ]
    return ", ".join([spec.workload.word.replace("_", " "), *words])


def _devices(session: Session, runs: Sequence[Run]) -> str:
    measured = [run.device_id for run in runs if run.device_id]
    return ", ".join(sorted({device.name for device in queries.devices(session, measured).values()}))


def _environments(session: Session, runs: Sequence[Run], compared: Comparison) -> list[Environment]:
    """The environments of a study's runs; that of most runs first."""
    names = list(dict.fromkeys(run.environment_id for run in runs if run.environment_id))
    if compared.elsewhere:
        names = [compared.elsewhere[0].against, *(other.environment for other in compared.elsewhere)]
    return [queries.environment(session, name) for name in names]


def _message(runs: Sequence[Run]) -> str:
    """What the run in hand does just now."""
    for run in runs:
        if run.state == "running" and isinstance(run.progress, dict):
            words = (run.variant, str(run.progress.get("phase", "")).replace("_", " "), run.progress.get("message"))
            return " · ".join(str(word) for word in words if word)
    return ""


def _waiting_for(session: Session, study: Study, runs: Sequence[Run]) -> str | None:
    """Why nothing moves, when nothing can: no worker for the study's kind of device."""
    if study.finished_at is not None or any(run.state in ("leased", "running", "cancelling") for run in runs):
        return None
    if study.device in devices_present(session):
        return None
    wanted = {str(kind): title for kind, title in DEVICES.items()}[study.device]
    return f"No worker for {wanted} is present. The study starts by itself as soon as one is."
