"""The same request with the same Idempotency-Key acts once and gets the same answer again."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from pydantic import JsonValue
from sqlalchemy import delete
from sqlmodel import Session, col

from app.db.session import clock, insert_once
from app.db.tables import IdempotencyKey
from app.errors import BadIdempotencyKey, KeyReused

KEPT_S = 7 * 86_400.0
MAX_LENGTH = 255


class Once(NamedTuple):
    """What makes two requests the same."""

    principal: str
    key: str | None
    request_hash: str


class Answered(NamedTuple):
    """What a request was answered."""

    status: int
    body: JsonValue
    replayed: bool = False


def once(principal: str, key: str | None, method: str, path: str, body: bytes) -> Once:
    """Read a request's key.

    Raises:
        BadIdempotencyKey: it is empty, too long, or no visible ASCII.
    """
    if key is not None and not (1 <= len(key) <= MAX_LENGTH and key.isascii() and key.isprintable() and key.strip()):
        raise BadIdempotencyKey()
    digest = hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()
    return Once(principal, key, digest)


def act_once(session: Session, request: Once, act: Callable[[], tuple[int, JsonValue]]) -> Answered:
    """Act, unless the same request was answered before; its answer is stored in the same transaction.

    Of several at the same time the database lets one in; the others wait for its commit and get its answer.

    Raises:
        KeyReused: the key was used for another request.
    """
    if request.key is None:
        return Answered(*act())
    mine = {"principal": request.principal, "key": request.key}
    new = {**mine, "request_hash": request.request_hash, "status": 0, "response": None, "created_at": clock(session)}
    if not insert_once(session, IdempotencyKey, new):
        before = session.get_one(IdempotencyKey, (request.principal, request.key))
        if before.request_hash != request.request_hash:
            raise KeyReused()
        return Answered(before.status, before.response, replayed=True)
    status, body = act()
    stored = session.get_one(IdempotencyKey, (request.principal, request.key))
    stored.status, stored.response = status, body
    session.add(stored)
    return Answered(status, body)


def forget_old(session: Session) -> None:
    """Drop keys that are older than anybody repeats a request."""
    session.execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < clock(session) - KEPT_S))
