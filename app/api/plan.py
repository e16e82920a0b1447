"""The planner: whether a model fits, with every part, its formula and its source. Nothing is stored and nothing is run."""

from typing import Any

from fastapi import APIRouter, Request

from app.api.calls import REFUSALS, Asked, Ledger, Reader, StrictRoute
from app.planner import team
from app.planner.plan import Plan, plan
from app.planner.question import Question, of_address, of_body, once
from app.results.dependency import Results

router = APIRouter(tags=["planner"], responses=REFUSALS)
strict = APIRouter(prefix="/plan", route_class=StrictRoute)
"""What takes JSON; a file's header is none."""


def _parameters(*left_out: str) -> list[dict[str, Any]]:
    """The fields of a question as parameters of an address, for the API's description."""
    fields = Question.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.get("description", ""),
            "schema": {"type": "string"} if name in ("config", "memory") else _schema(field),
        }
        for name, field in fields.items()
        if name not in left_out
    ]


def _schema(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field that is given; one that is left out needs none."""
    choices = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
    held = choices[0] if choices else field
    return {name: value for name, value in held.items() if name not in ("title", "description", "default")}


@strict.get("", openapi_extra={"parameters": _parameters("stored_bytes")})
def read(asked: Asked, caller: Reader, database: Ledger, table: Results) -> Plan:
    """What a question needs, where it fits and what would make it fit; of config the JSON text, memory also as 24 GiB."""
    with database.reading() as session:
        machines = team.machines(session, table)
    return plan(of_address(once(asked), machines))


@strict.post("")
def ask(question: Question, caller: Reader, database: Ledger, table: Results) -> Plan:
    """The same with a body; config is then the object itself, of which the answer repeats the fields that matter."""
    with database.reading() as session:
        machines = team.machines(session, table)
    return plan(of_body(question, machines))


@router.post(
    "/plan/gguf",
    openapi_extra={
        "parameters": _parameters("model", "config", "weights", "stored_bytes"),
        "requestBody": {
            "required": True,
            "description": "The beginning of the file, up to its tensors: the first 32 MB have it.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
def of_file(request: Request, asked: Asked, caller: Reader, database: Ledger, table: Results) -> Plan:
    """The same about the model of a GGUF file, whose weights are as large as its header says."""
    with database.reading() as session:
        machines = team.machines(session, table)
    return plan(of_address(once(asked), machines, header=request.state.body))


router.include_router(strict)
