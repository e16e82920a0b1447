"""The guide: ranked stacks for a situation, with reasons, evidence, what was rejected, and what to measure. Nothing is stored."""

from typing import Any

from fastapi import APIRouter

from app.api.calls import REFUSALS, Asked, Ledger, Reader, StrictRoute
from app.guide import team
from app.guide.answer import Answer, answer
from app.guide.question import GuideQuestion, of_address, of_body
from app.planner.question import once
from app.planner.team import machines
from app.results.dependency import Results

router = APIRouter(prefix="/guide", tags=["guide"], route_class=StrictRoute, responses=REFUSALS)


def _parameters() -> list[dict[str, Any]]:
    """The fields of a question as parameters of an address, for the API's description."""
    fields = GuideQuestion.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": name == "device",
            "description": field.get("description", ""),
            "schema": {"type": "string"},
        }
        for name, field in fields.items()
    ]


@router.get("", openapi_extra={"parameters": _parameters()})
def read(asked: Asked, caller: Reader, database: Ledger, table: Results) -> Answer:
    """Advice for a situation; memory also as 24 GiB, latency as 50 ms, tolerance as 1 %, techniques of stack by commas."""
    with database.reading() as session:
        own = machines(session, table)
    situation = of_address(once(asked), own)
    return answer(situation, team.evidence(table, situation, own))


@router.post("")
def ask(question: GuideQuestion, caller: Reader, database: Ledger, table: Results) -> Answer:
    """The same with a body; config is then the object itself."""
    with database.reading() as session:
        own = machines(session, table)
    situation = of_body(question, own)
    return answer(situation, team.evidence(table, situation, own))
