"""Claims of articles with what became of each, the study that would test one, and advice by what binds."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api.calls import REFUSALS, Asked, Ledger, Reader, StrictRoute
from app.api.coverage import ShownStudy
from app.knowledge import advice
from app.knowledge.advice import Advice
from app.presentation import claims
from app.presentation.claims import STATUSES, Claims
from app.results.dependency import Results

router = APIRouter(tags=["techniques"], route_class=StrictRoute, responses=REFUSALS)


@router.get("/claims")
def read(
    asked: Asked,
    caller: Reader,
    database: Ledger,
    table: Results,
    status: Annotated[str | None, Query(max_length=200, description=f"One of {', '.join(STATUSES)}.")] = None,
    technique: Annotated[str | None, Query(max_length=200, description="Word of a technique of the catalogue.")] = None,
    topic: Annotated[str | None, Query(max_length=200, description="What it is about.")] = None,
) -> Claims:
    """What articles claim, and whether the team's own measurements, or arithmetic, bear it out."""
    wanted = claims.wanted(asked)
    with database.reading() as session:
        return claims.read(session, table, wanted)


@router.get("/claims/{word}/study")
def study(word: Annotated[str, Path(max_length=200)], caller: Reader) -> ShownStudy:
    """The smallest study that would test a claim; post it to /studies, or keep it as a draft."""
    return ShownStudy(study=claims.study(word))


@router.get("/advice")
def read_advice(caller: Reader) -> dict[str, Advice]:
    """What to do about what binds a step, by its class, with sources."""
    return advice.advice()
