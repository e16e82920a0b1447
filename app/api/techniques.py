"""Techniques with what is known of them: declared, measured, and said in the literature."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.calls import REFUSALS, Reader, StrictRoute
from app.api.catalog import ShownTechnique, technique_menu
from app.charts import technique_effects
from app.charts.drawing import Drawing
from app.knowledge import claims, evidence
from app.knowledge.cases import RATIOS
from app.knowledge.claims import Unmeasurable
from app.knowledge.evidence import Knowledge, Summary
from app.presentation import number_formats
from app.results.dependency import Results

router = APIRouter(prefix="/techniques", tags=["techniques"], route_class=StrictRoute, responses=REFUSALS)


class KnownTechnique(ShownTechnique):
    """One technique of the menu, with how much was measured of it."""

    measured: Summary


class KnownTechniques(BaseModel):
    """The whole menu, in its own order."""

    items: list[KnownTechnique]
    next: None = None
    unmeasurable: list[Unmeasurable]
    """Claims about techniques that the catalogue does not have."""
    formats: list[number_formats.Shown]
    """What the number formats can say that techniques put values into."""


class TechniqueDetail(ShownTechnique):
    """One technique with everything known about it."""

    known: Knowledge


@router.get("")
def techniques(caller: Reader, table: Results) -> KnownTechniques:
    """What can be measured, and what typically comes of it."""
    measured = evidence.overview(table)
    items = [KnownTechnique(**entry.model_dump(), measured=measured[entry.name]) for entry in technique_menu().items]
    return KnownTechniques(items=items, unmeasurable=list(claims.unmeasurable()), formats=number_formats.shown())


@router.get("/{word}")
def technique(word: str, caller: Reader, table: Results) -> TechniqueDetail:
    """One technique: effects over models and devices, beside the literature."""
    found = evidence.of_catalogue(word)
    entry = next(entry for entry in technique_menu().items if entry.name == word)
    return TechniqueDetail(**entry.model_dump(), known=evidence.known(table, found))


@router.get("/{word}/charts/effects")
def effects(
    word: str,
    caller: Reader,
    table: Results,
    figure: Annotated[str, Query(max_length=40, description=f"What to compare: {', '.join(RATIOS)}.")] = "latency",
) -> Drawing:
    """The forest plot of a technique's page."""
    found, wanted = evidence.of_catalogue(word), evidence.compared(figure)
    known = evidence.known(table, found)
    statements = [one.statement for one in (*known.literature, *known.claims)]
    return technique_effects.drawing(known.cases, wanted, statements, found.family)
