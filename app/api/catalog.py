"""The menus: techniques, models, workloads, evaluations and metrics, as their own files declare them."""

from functools import cache
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.calls import REFUSALS, Reader, StrictRoute
from workers.catalog.applicability import conflicting
from workers.catalog.declared import Declared
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.metrics import METRICS
from workers.catalog.models import MODELS
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.workloads import WORKLOADS

Entry = TypeVar("Entry")

router = APIRouter(tags=["catalog"], route_class=StrictRoute, responses=REFUSALS)


class ShownEntry(BaseModel):
    """One entry of a menu."""

    name: str
    title: str
    summary: str
    parameters: dict[str, Any]
    """JSON schema of its fields."""


class ShownSource(BaseModel):
    """Where a figure comes from."""

    title: str
    url: str


class ShownExpectation(BaseModel):
    """An effect known from the literature: variant over baseline; never mixed with measured effects."""

    metric: str
    low: float
    high: float
    source: ShownSource


class ShownRequirements(BaseModel):
    """What must be there before a technique can be tried."""

    phases: list[str]
    devices: list[str]
    models: list[str]
    workloads: list[str] | None
    """Null means every one."""
    attention: bool
    packages: list[str]


class ShownTechnique(ShownEntry):
    """One technique."""

    family: str
    order: int
    """Place in a stack; lower acts first."""
    requires: ShownRequirements
    conflicts: list[str]
    """Techniques that cannot stand in the same stack, whichever of the two says so."""
    expected: list[ShownExpectation]


class ShownModel(ShownEntry):
    """One model."""

    kinds: list[str]
    attends: bool


class ShownWorkload(ShownEntry):
    """One workload."""

    phase: str
    models: list[str]
    sweepable: list[str]
    logits: bool
    """Whether outputs can be compared by an evaluation."""


class ShownEvaluation(ShownEntry):
    """One evaluation."""

    metrics: list[str]


class ShownMetric(BaseModel):
    """One quantity."""

    name: str
    title: str
    unit: str
    better: str
    aspect: str
    definition: str
    version: int
    """Of the definition; figures that followed another stand apart."""


class Menu(BaseModel, Generic[Entry]):
    """A whole menu, in its own order."""

    items: list[Entry]
    next: None = None


@router.get("/models")
def models(caller: Reader) -> Menu[ShownModel]:
    """On what."""
    items = [ShownModel(**_entry(model), kinds=sorted(model.kinds), attends=model.attends) for model in MODELS]
    return Menu(items=items)


@router.get("/workloads")
def workloads(caller: Reader) -> Menu[ShownWorkload]:
    """Doing what."""
    items = [
        ShownWorkload(
            **_entry(workload),
            phase=workload.phase,
            models=sorted(workload.models),
            sweepable=list(workload.sweepable),
            logits=workload.logits,
        )
        for workload in WORKLOADS
    ]
    return Menu(items=items)


@router.get("/evaluations")
def evaluations(caller: Reader) -> Menu[ShownEvaluation]:
    """How quality is scored."""
    items = [
        ShownEvaluation(**_entry(evaluation), metrics=[metric.name for metric in evaluation.metrics])
        for evaluation in EVALUATIONS
    ]
    return Menu(items=items)


@router.get("/metrics")
def metrics(caller: Reader) -> Menu[ShownMetric]:
    """Every quantity that is measured, with its unit and what the number means."""
    return Menu(items=[ShownMetric(**metric._asdict()) for metric in METRICS])


@cache
def technique_menu() -> Menu[ShownTechnique]:
    """Every technique as it is declared; ``app/api/techniques.py`` adds what was measured."""
    items = []
    for technique in TECHNIQUES:
        needs = technique.requires
        requires = ShownRequirements(
            phases=sorted(needs.phases),
            devices=sorted(needs.devices),
            models=sorted(needs.models),
            workloads=sorted(needs.workloads) if needs.workloads is not None else None,
            attention=needs.attention,
            packages=list(needs.packages),
        )
        expected = [
            ShownExpectation(
                metric=one.metric.name,
                low=one.low,
                high=one.high,
                source=ShownSource(title=one.source.title, url=one.source.url),
            )
            for one in technique.expected
        ]
        items.append(
            ShownTechnique(
                **_entry(technique),
                family=technique.family,
                order=technique.order,
                requires=requires,
                conflicts=sorted(other.word for other in conflicting(technique)),
                expected=expected,
            )
        )
    return Menu(items=items)


def _entry(entry: type[Declared]) -> dict[str, Any]:
    return {
        "name": entry.word,
        "title": entry.title,
        "summary": entry.summary,
        "parameters": entry.model_json_schema(),
    }
