"""Environments: the machines and software that runs were measured with."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.calls import REFUSALS, Ledger, Reader, StrictRoute
from app.presentation import shown_machines
from app.presentation.shown_machines import ShownEnvironment
from app.study import environments
from app.study.environments import Change
from workers.catalog.environment import comparable

router = APIRouter(prefix="/environments", tags=["environments"], route_class=StrictRoute, responses=REFUSALS)


class Difference(BaseModel):
    """Two environments, field by field."""

    before: str
    after: str
    comparable: bool
    """Whether nothing that matters differs, so that figures may stand side by side."""
    changes: list[Change]
    """Those that matter first; fields that are equal are left out."""


@router.get("/{environment_id}/difference")
def read_difference(
    environment_id: str,
    to: Annotated[str, Query(max_length=100, description="Id of the other environment.")],
    caller: Reader,
    database: Ledger,
) -> Difference:
    """In what two environments differ, and whether that may change a figure."""
    with database.reading() as session:
        before = shown_machines.environment(session, environment_id)
        after = shown_machines.environment(session, to)
    return Difference(
        before=before.id,
        after=after.id,
        comparable=comparable(before.fields, after.fields),
        changes=list(environments.changes(before.fields, after.fields)),
    )


@router.get("/{environment_id}")
def read_environment(environment_id: str, caller: Reader, database: Ledger) -> ShownEnvironment:
    """One environment."""
    with database.reading() as session:
        return shown_machines.environment(session, environment_id)
