"""The planner: whether a model fits, with every part, its formula and its source. Nothing is stored and nothing is run."""

from typing import Any

from fastapi import APIRouter, Request

from app.api.calls import REFUSALS, Reader, StrictRoute
from app.planner.plan import Plan, plan
from app.planner.question import Question, of_address, of_body

router = APIRouter(prefix="/plan", tags=["planner"], route_class=StrictRoute, responses=REFUSALS)


def _parameters() -> list[dict[str, Any]]:
    """The fields of a question as parameters of an address, for the API's description."""
    fields = Question.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.get("description", ""),
            "schema": {"type": "string"} if name == "config" else _schema(field),
        }
        for name, field in fields.items()
    ]


def _schema(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field that is given; one that is left out needs none."""
    choices = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
    held = choices[0] if choices else field
    return {name: value for name, value in held.items() if name not in ("title", "description", "default")}


@router.get("", openapi_extra={"parameters": _parameters()})
def read(request: Request, caller: Reader) -> Plan:
    """What a question needs, where it fits and what would make it fit; of config the JSON text."""
    return plan(of_address(request.query_params))


@router.post("")
def ask(question: Question, caller: Reader) -> Plan:
    """The same with a body; config is then the object itself, of which the answer repeats the fields that matter."""
    return plan(of_body(question))
