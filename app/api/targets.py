"""Models on the devices that they were measured on."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.calls import REFUSALS, Reader, StrictRoute
from app.knowledge import targets
from app.knowledge.targets import OnTarget, Target
from app.results.dependency import Results

router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute, responses=REFUSALS)


class ShownTargets(BaseModel):
    """Every model on every device that it was measured on."""

    items: list[Target]
    next: None = None


@router.get("/measured")
def measured(caller: Reader, table: Results) -> ShownTargets:
    """Models and devices, the last used first."""
    return ShownTargets(items=list(targets.targets(table)))


@router.get("/{model:path}/on/{hardware:path}")
def on_target(model: str, hardware: str, caller: Reader, table: Results) -> OnTarget:
    """What every technique and stack does to a model on a device, what failed, and what nobody has tried."""
    return targets.on_target(table, model, hardware)
