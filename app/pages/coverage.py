"""Coverage: techniques by models, what was measured, what failed, what nobody tried, and what cannot run."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.charts.chart import SYMBOLS
from app.charts.units import between, times
from app.knowledge import coverage
from app.knowledge.coverage import FELL_BACK, RATED
from app.ordering.menu import DEVICES
from app.pages import reproduce
from app.pages.exploring import Address
from app.pages.outcomes import outcome
from app.pages.rendering import page
from app.pages.session import Reading
from app.results.dependency import Results
from workers.catalog.workloads import WORKLOADS

router = APIRouter()

Word = Annotated[str | None, Query(max_length=200)]


@router.get("/coverage", response_class=HTMLResponse)
def read(
    request: Request,
    session: Reading,
    table: Results,
    workload: Word = None,
    device: Word = None,
    hardware: Word = None,
    figure: Word = None,
    technique: Word = None,
    model: Word = None,
) -> HTMLResponse:
    asked = coverage.asked(table, workload, device, hardware, figure)
    models = coverage.known_models(session, table)
    found = coverage.coverage(table, asked, models)
    chosen = {
        "workload": found.workload,
        "device": found.device,
        "hardware": found.hardware or "",
        "figure": found.figure,
    }
    pairs = tuple((name, value) for name, value in chosen.items() if value)
    study = coverage.cell_study(asked, models, technique, model) if technique and model else None
    return page(
        "coverage.html",
        here="explore",
        twin=str(Address("/api/v1/coverage", pairs)),
        found=found,
        asked=asked,
        at=Address("/coverage", pairs),
        results=Address("/explore", (("workload", found.workload), ("device", found.device))),
        workloads=WORKLOADS,
        devices=DEVICES,
        hardware=coverage.hardware_of(table, found.device),
        figures=RATED,
        marks=tuple(SYMBOLS),
        outcome=outcome,
        fell_back=FELL_BACK,
        times=times,
        between=between,
        study=study,
        body=json.dumps(study, ensure_ascii=False) if study else "",
        curl=reproduce.posted(json.dumps(study, ensure_ascii=False), str(request.base_url)) if study else "",
    )
