"""What has been measured of what could be, and the study that would fill a gap."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.knowledge import coverage
from app.knowledge.coverage import Coverage
from app.results.dependency import Results

router = APIRouter(prefix="/coverage", tags=["explore"], route_class=StrictRoute, responses=REFUSALS)

Word = Annotated[str | None, Query(max_length=200)]


class ShownStudy(BaseModel):
    """A study as it would be posted."""

    study: dict[str, Any]


@router.get("")
def read(
    caller: Reader,
    database: Ledger,
    table: Results,
    workload: Word = None,
    device: Word = None,
    hardware: Word = None,
    figure: Word = None,
) -> Coverage:
    """Techniques by models: measured with the best result, failed, never tried, or why they cannot run together.

    What is left out is what most results are of; ``figure`` is the one by whose ratio the best is chosen.
    """
    asked = coverage.asked(table, workload, device, hardware, figure)
    with database.reading() as session:
        models = coverage.known_models(session, table)
    return coverage.coverage(table, asked, models)


@router.get("/study")
def study(
    caller: Reader,
    database: Ledger,
    table: Results,
    technique: Annotated[str, Query(max_length=200)],
    model: Annotated[str, Query(max_length=200)],
    workload: Word = None,
    device: Word = None,
) -> ShownStudy:
    """The smallest study that fills one cell of the map; post it to /studies, or keep it as a draft."""
    asked = coverage.asked(table, workload, device, None, None)
    with database.reading() as session:
        models = coverage.known_models(session, table)
    return ShownStudy(study=coverage.cell_study(asked, models, technique, model))
