"""What every call of the API shares: strict bodies, who may call, and answers that are given once."""

import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, JsonValue
from pydantic_core import ErrorDetails
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from app.db.session import Database
from app.door import security
from app.door.idempotency import act_once, once
from app.door.security import Principal, Scope
from app.door.strictjson import strict_json
from app.errors import Invalid, ProblemDocument, answer
from app.runs.reaper import Reaper
from workers.catalog.declared import Problem, closest
from workers.catalog.validation import explain

_LARGE_BODY = 100_000
"""Bytes; reading more would hold other requests up."""


class _ReadRequest(Request):
    """A request whose JSON was already read."""

    def __init__(self, request: Request, value: JsonValue) -> None:
        super().__init__(request.scope, request.receive)
        self._value = value

    async def json(self) -> Any:
        return self._value


async def _asked(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


Asked = Annotated[list[tuple[str, str]], Depends(_asked)]
"""Names and values of the address, for a route that reads them itself and refuses those that it does not know."""


class StrictRoute(APIRoute):
    """A route whose address and body are read strictly, before the framework sees them, and whose refusals name fields."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        model = self.body_field.field_info.annotation if self.body_field is not None else None
        parameters = _parameters(self.dependant)

        async def strict(request: Request) -> Response:
            if parameters is not None and (wrong := [*_unknown(request, parameters)]):
                raise Invalid.of(wrong)
            try:
                return await handle(_ReadRequest(request, await _read(request)))
            except RequestValidationError as error:
                return answer(request, invalid_request(error, model))

        return strict


def _parameters(dependant: Dependant) -> frozenset[str] | None:
    """Names that the address of a route may have; None where the route reads the address itself."""
    if any(one.call is _asked for one in dependant.dependencies):
        return None
    inner = (_parameters(one) or frozenset() for one in dependant.dependencies)
    return frozenset(field.alias for field in dependant.query_params).union(*inner)


def _unknown(request: Request, known: frozenset[str]) -> Iterator[Problem]:
    """One problem for each name of the address that says nothing to its route."""
    for name in dict.fromkeys(request.query_params):
        if name not in known:
            near = closest(name, known)
            says = "is no part of this address." + (f" Did you mean {near}?" if near else "")
            hint = f"One of {', '.join(sorted(known))}." if known else "It takes no parameters."
            yield Problem(name[:80], "unknown_parameter", says, hint)


async def _read(request: Request) -> JsonValue:
    body: bytes = request.state.body
    if not body:
        return None
    # What a worker sends may hold what a program wrote, NUL included.
    principal: Principal | None = request.state.principal
    nul = principal is not None and principal.scope == "worker"
    if len(body) > _LARGE_BODY:
        return await run_in_threadpool(strict_json, body, nul=nul)
    return strict_json(body, nul=nul)


def invalid_request(error: RequestValidationError, model: Any) -> Invalid:
    """What the framework found wrong with a request.

    Args:
        error: its errors, in the body and outside of it.
        model: what the body should have been.
    """
    told: Sequence[ErrorDetails] = error.errors()
    inside = [one | {"loc": one["loc"][1:]} for one in told if one["loc"][0] == "body"]
    outside = [one for one in told if one["loc"][0] != "body"]
    return Invalid.of([*_outside(outside), *explain(inside, error.body, model)])


def _outside(wrong: Sequence[ErrorDetails]) -> Iterator[Problem]:
    """One problem for each name in the address or the headers; of a union, every alternative has told its own."""
    for field, told in groupby(wrong, key=lambda one: str(one["loc"][:2][-1])):
        first, *others = told
        if first["type"] == "literal_error":
            # An empty value is a field of a form that was left empty, and nobody's choice.
            choices = [one["ctx"]["expected"] for one in (first, *others) if one["type"] == "literal_error"]
            expected = ", ".join(words for words in choices if words != "''")
            yield from explain([first | {"loc": (field,), "ctx": {"expected": expected}}], {}, None)
        else:
            yield Problem(field, "out_of_range", f"{first['msg'][:1].lower()}{first['msg'][1:]}", "")


def _caller(scope: Scope) -> Any:
    async def check(request: Request) -> Principal:
        return security.needs(request.state.principal, scope)

    check.__name__ = f"needs_{scope}"
    return Depends(check)


Reader = Annotated[Principal, _caller("read")]
Submitter = Annotated[Principal, _caller("submit")]
WorkerCaller = Annotated[Principal, _caller("worker")]


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _reaper(request: Request) -> Reaper:
    reaper: Reaper = request.app.state.reaper
    return reaper


Ledger = Annotated[Database, Depends(_database)]
Waking = Annotated[Reaper, Depends(_reaper)]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="1 to 255 characters; the same request with the same key acts once."),
]

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    **{
        status: {"description": HTTPStatus(status).phrase, "content": _PROBLEM}
        for status in (400, 401, 403, 404, 409, 413, 415)
    },
    422: {"model": ProblemDocument, "content": {"application/problem+json": {}}},
}
"""What each route may answer besides; for the API's description. Of one answer it names the model, which brings the schema in:
FastAPI makes a validator of every model of every route, and those of eight would take a tenth of the server's start."""


def reply_once(
    request: Request,
    database: Database,
    caller: Principal,
    key: str | None,
    act: Callable[[Session], tuple[int, BaseModel]],
) -> Response:
    """Act in one write transaction, once for each key, and answer after the commit.

    Args:
        request: what was sent.
        database: where to act.
        caller: whose keys they are.
        key: the Idempotency-Key, if one was sent.
        act: does the work; returns status and body.

    Raises:
        BadIdempotencyKey: the key is empty or too long.
        KeyReused: it came with another request before.
    """
    identity = once(caller.user_id, key, request.method, request.url.path, request.state.body)

    def dumped(session: Session) -> tuple[int, JsonValue]:
        status, body = act(session)
        return status, json.loads(body.model_dump_json())

    with database.writing() as session:
        answered = act_once(session, identity, lambda: dumped(session))
    reply = JSONResponse(answered.body, answered.status)
    if answered.replayed:
        reply.headers["Idempotency-Replayed"] = "true"
    if answered.status == 201 and isinstance(answered.body, dict):
        reply.headers["Location"] = f"{request.url.path}/{answered.body['id']}"
    return reply
