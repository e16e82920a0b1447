"""Environments: the machines and software that runs were measured with."""

from fastapi import APIRouter

from app import presentation
from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.presentation import ShownEnvironment

router = APIRouter(prefix="/environments", tags=["environments"], route_class=StrictRoute, responses=REFUSALS)


@router.get("/{environment_id}")
def read_environment(environment_id: str, caller: Reader, database: Ledger) -> ShownEnvironment:
    """One environment."""
    with database.reading() as session:
        return presentation.environment(session, environment_id)
