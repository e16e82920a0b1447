"""Claims of articles: each with what became of it here, by topic, and the study that would test it."""

import json

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.knowledge.claims import topics
from app.knowledge.sources import GRADES
from app.pages import reproduce
from app.pages.exploring import Address
from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import claims
from app.presentation.claims import STATUSES
from app.results.dependency import Results
from app.results.figures import BY_WORD
from workers.catalog.techniques import BY_WORD as TECHNIQUES
from workers.catalog.techniques import TECHNIQUES as MENU

router = APIRouter()

MEASURE = "measure"
"""Name in the address of the claim whose study is shown."""


@router.get("/claims", response_class=HTMLResponse)
def read(request: Request, session: Reading, table: Results) -> HTMLResponse:
    parameters = request.query_params.multi_items()
    asked = claims.wanted(parameters, besides=(MEASURE,))
    chosen = tuple((name, value) for name, value in asked._asdict().items() if value)
    measure = request.query_params.get(MEASURE)
    study = claims.study(measure) if measure else None
    body = json.dumps(study, ensure_ascii=False) if study else ""
    found = claims.read(session, table, asked)
    return page(
        "claims.html",
        here="techniques",
        twin=str(Address("/api/v1/claims", chosen)),
        found=found,
        by_topic=[
            (title, items)
            for word, title in topics().items()
            if (items := [one for one in found.items if one.topic == word])
        ],
        asked=asked,
        at=Address("/claims", chosen),
        statuses=STATUSES,
        topics=topics(),
        techniques=MENU,
        named=TECHNIQUES,
        figures=BY_WORD,
        grades=GRADES,
        study=study,
        body=body,
        curl=reproduce.posted(body, str(request.base_url)) if study else "",
    )
