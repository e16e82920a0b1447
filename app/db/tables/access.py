"""Who may do what, and who did: users, sign-ins, tokens, answers given once, the audit."""

from pydantic import JsonValue
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json_column, new_id


class User(SQLModel, table=True):
    """Somebody who may sign in or own tokens."""

    __tablename__ = "users"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    role: str
    """viewer, member, admin; worker for a machine that measures."""
    created_at: float


class WebSession(SQLModel, table=True):
    """A signed-in browser."""

    __tablename__ = "sessions"
    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    created_at: float
    expires_at: float


class SigninLink(SQLModel, table=True):
    """A link that signs a person in once."""

    __tablename__ = "signin_links"
    secret_hash: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id")
    expires_at: float
    used_at: float | None = None


class Token(SQLModel, table=True):
    """A bearer token, kept as a hash."""

    __tablename__ = "tokens"
    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    name: str
    prefix: str
    """The first characters, to recognise it by."""
    secret_hash: str = Field(unique=True)
    scope: str
    """read, submit, worker, admin."""
    created_at: float
    expires_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


class IdempotencyKey(SQLModel, table=True):
    """The answer that a POST with this key had."""

    __tablename__ = "idempotency_keys"
    principal: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: str
    status: int
    response: JsonValue = json_column()
    created_at: float = Field(index=True)


class Audit(SQLModel, table=True):
    """Who did what; rows are only ever added."""

    __tablename__ = "audit"
    id: str = Field(default_factory=new_id, primary_key=True)
    at: float
    actor: str
    action: str
    subject: str
    detail: JsonValue = json_column(nullable=True, default=None)
