"""Models on the devices that they were measured on, and everything known about one of these."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.knowledge import targets
from app.pages.rendering import page
from app.pages.techniques import columns
from app.results.dependency import Results
from app.results.figures import FIGURES
from app.study.outcomes import OUTCOMES
from workers.catalog.techniques import TECHNIQUES

router = APIRouter()


@router.get("/models", response_class=HTMLResponse)
def models(table: Results) -> HTMLResponse:
    return page("models.html", here="techniques", twin="/api/v1/models/measured", targets=targets.targets(table))


@router.get("/models/{model:path}/on/{hardware:path}", response_class=HTMLResponse)
def on_target(table: Results, model: str, hardware: str) -> HTMLResponse:
    found = targets.on_target(table, model, hardware)
    return page(
        "target.html",
        here="techniques",
        twin=f"/api/v1{found.target.url}",
        found=found,
        columns=columns(found.cases),
        relative=[one for one in FIGURES if any(one.word in case.relative for case in found.cases)],
        techniques={technique.word: technique for technique in TECHNIQUES},
        outcomes=OUTCOMES,
    )
