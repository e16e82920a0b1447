"""Claims of articles: each with what became of it here, by topic, and the study that would test it."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.knowledge.claims import topics
from app.knowledge.sources import GRADES
from app.pages import reproduce
from app.pages.exploring import Address
from app.pages.rendering import page
from app.pages.session import Reading
from app.presentation import claims
from app.presentation.claims import STATUSES, Claim
from app.results.dependency import Results
from app.results.figures import BY_WORD
from workers.catalog.techniques import BY_WORD as TECHNIQUES
from workers.catalog.techniques import TECHNIQUES as MENU

router = APIRouter()

MEASURE = "measure"
"""Name in the address of the claim whose study is shown."""


class Section(NamedTuple):
    """Claims about one topic."""

    word: str
    title: str
    claims: tuple[Claim, ...]
    counted: str
    """How many there are of each status, in words."""
    is_open: bool


@router.get("/claims", response_class=HTMLResponse)
def read(request: Request, session: Reading, table: Results) -> HTMLResponse:
    parameters = request.query_params.multi_items()
    asked = claims.wanted(parameters, besides=(MEASURE,))
    chosen = tuple((name, value) for name, value in asked._asdict().items() if value)
    measure = request.query_params.get(MEASURE)
    study = claims.study(measure) if measure else None
    body = json.dumps(study, ensure_ascii=False) if study else ""
    # Counted whatever the status, so that each says how many it would leave.
    found = claims.read(session, table, asked._replace(status=None))
    shown = [one for one in found.items if asked.status in (None, one.status)]
    return page(
        "claims.html",
        here="techniques",
        twin=str(Address("/api/v1/claims", chosen)),
        total=sum(found.counts.values()),
        counts=Counter(one.status for one in found.items),
        sections=_sections(shown, measure, all_open=bool(chosen)),
        narrowed=bool(chosen),
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


def _sections(shown: Sequence[Claim], measure: str | None, all_open: bool) -> list[Section]:
    """Topics of which some claims are shown; open are those of a choice, and the one whose study is looked at."""
    found = []
    for word, title in topics().items():
        if about := tuple(one for one in shown if one.topic == word):
            counts = Counter(one.status for one in about)
            said = ", ".join(f"{counts[status]} {words}" for status, words in STATUSES.items() if counts[status])
            found.append(Section(word, title, about, said, all_open or measure in {one.word for one in about}))
    return found
