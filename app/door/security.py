"""Who asks, and may they: tokens, sign-in links, sessions. Only hashes of secrets are stored."""

import hashlib
import hmac
import secrets
import string
import zlib
from typing import Literal, NamedTuple

from sqlalchemy import delete, select, update
from sqlmodel import Session, col
from starlette.requests import Request
from starlette.responses import Response

from app.db.session import Database, clock, insert_once
from app.db.tables import SigninLink, Token, User, WebSession, new_id
from app.errors import NotAllowed, NotEncrypted, NotSignedIn
from app.settings import CannotStart, Settings, is_loopback

Scope = Literal["read", "submit", "admin", "worker"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin", "worker")

PREFIX = "tsp_"
TOKEN_DAYS = 90
SESSION_S = 14 * 86_400.0
LINK_S = 86_400.0
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
"""Characters of base62: 256 bits."""
_CHECK = 6
"""Characters of the checksum: 32 bits."""
_RANK: dict[Scope, int] = {"read": 1, "submit": 2, "admin": 3}
_ROLES: dict[Scope, str] = {"read": "viewer", "submit": "member", "admin": "admin", "worker": "worker"}
_OPERATOR = "operator"
"""The user of sign-in links: who can start the program on the server's machine may do everything."""
_USED_EVERY_S = 60.0


class Principal(NamedTuple):
    """Who a request comes from."""

    user_id: str
    name: str
    scope: Scope
    by_cookie: bool
    """A browser sends cookies by itself, so what changes something needs proof that one of our pages asked."""

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything."""
        return self.scope == "admin"

    @property
    def may_submit(self) -> bool:
        """Whether it may order studies and put notes and tags on them."""
        return _RANK.get(self.scope, 0) >= _RANK["submit"]


def create_token(session: Session, name: str, scope: Scope, days: float = TOKEN_DAYS) -> str:
    """A new bearer token for the user of this name, who is made when there is none. It cannot be shown again.

    Args:
        session: writes.
        name: user and token are called so.
        scope: what it may do; read < submit < admin, and worker apart.
        days: how long it holds.
    """
    now = clock(session)
    user = _user(session, name, scope)
    secret = new_token()
    session.add(
        Token(
            user_id=user.id,
            name=name,
            prefix=secret[: len(PREFIX) + 4],
            secret_hash=_hash(secret),
            scope=scope,
            created_at=now,
            expires_at=now + days * 86_400.0,
        )
    )
    session.flush()
    return secret


def create_signin_link(session: Session) -> str:
    """A new secret that signs the operator in once, at /sign-in/<secret>."""
    secret = _random()
    user = _user(session, _OPERATOR, "admin")
    session.add(SigninLink(secret_hash=_hash(secret), user_id=user.id, expires_at=clock(session) + LINK_S))
    session.flush()
    return secret


def redeem_signin_link(session: Session, secret: str) -> str | None:
    """Use a sign-in link up.

    Returns:
        The secret of a new session, for ``set_session_cookie``; None when the link is unknown, used or too old.
    """
    now = clock(session)
    used = (
        update(SigninLink)
        .where(
            col(SigninLink.secret_hash) == _hash(secret),
            col(SigninLink.used_at).is_(None),
            col(SigninLink.expires_at) > now,
        )
        .values(used_at=now)
    )
    if session.execute(used).rowcount != 1:  # type: ignore[attr-defined]
        return None
    link = session.get_one(SigninLink, _hash(secret))
    opened = _random()
    session.add(WebSession(secret_hash=_hash(opened), user_id=link.user_id, created_at=now, expires_at=now + SESSION_S))
    session.flush()
    return opened


def end_session(session: Session, request: Request) -> None:
    """Sign the browser out."""
    secret = request.cookies.get(cookie_name(request))
    if secret:
        session.execute(delete(WebSession).where(col(WebSession.secret_hash) == _hash(secret)))


def set_session_cookie(request: Request, response: Response, secret: str) -> None:
    """Give the browser its session.

    Raises:
        NotEncrypted: it came over plain HTTP from another machine, and nobody has allowed that.
    """
    refuse_plain_http(request)
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(SESSION_S),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def refuse_plain_http(request: Request) -> None:
    """Let nobody sign in where others can read along.

    Raises:
        NotEncrypted: it came over plain HTTP from another machine, and nobody has allowed that.
    """
    settings: Settings = request.app.state.settings
    loopback = is_loopback(request.url.hostname or "")
    if request.url.scheme != "https" and not settings.insecure_http and not loopback:
        raise NotEncrypted()


def clear_session_cookie(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(
        cookie_name(request), httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/"
    )


def cookie_name(request: Request) -> str:
    """Browsers hold a ``__Host-`` cookie to this very host and to TLS."""
    return "__Host-tradespace" if request.url.scheme == "https" else "tradespace"


def authenticate(database: Database, request: Request) -> Principal | None:
    """Who sends the request; None without credentials.

    Raises:
        NotSignedIn: the credentials are malformed, unknown, expired or revoked.
    """
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, secret = header.partition(" ")
        # A mistyped token is refused by its checksum, before the database is asked.
        if kind.lower() != "bearer" or not is_well_formed(secret):
            raise NotSignedIn("The Authorization header holds no well-formed bearer token.")
        return _by_token(database, secret)
    secret = request.cookies.get(cookie_name(request), "")
    return _by_cookie(database, secret) if secret else None


def needs(principal: Principal | None, scope: Scope) -> Principal:
    """The principal, if it may do what takes this scope.

    Raises:
        NotSignedIn: there is none.
        NotAllowed: its scope does not reach that far.
    """
    if principal is None:
        raise NotSignedIn()
    if principal.scope == scope or (scope != "worker" and _RANK.get(principal.scope, 0) >= _RANK[scope]):
        return principal
    raise NotAllowed(f"This takes the scope {scope}; these credentials have {principal.scope}.")


def refuse_open_door(settings: Settings, database: Database) -> None:
    """Do not listen to a network before an administrator exists.

    Raises:
        CannotStart: the address is not loopback and nobody is an administrator.
    """
    if settings.is_loopback:
        return
    with database.reading() as session:
        admin = session.execute(select(col(User.id)).where(col(User.role) == "admin").limit(1)).first()
    if admin is None:
        raise CannotStart(
            f"TRADESPACE_HOST={settings.host} is open to a network, and there is no administrator yet: "
            "run `tradespace token create --name NAME --scope admin` first"
        )


def new_token() -> str:
    """Prefix, 256 random bits in base62, and a checksum that tells a mistyped token from a wrong one."""
    body = PREFIX + _random()
    return body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Whether a token's form and checksum are right; says nothing about whether it holds."""
    if not (secret.isascii() and secret.startswith(PREFIX) and len(secret) == len(PREFIX) + _RANDOM + _CHECK):
        return False
    return hmac.compare_digest(_checksum(secret[:-_CHECK]), secret[-_CHECK:])


def _by_token(database: Database, secret: str) -> Principal:
    hashed = _hash(secret)
    with database.reading() as session:
        now = clock(session)
        found = session.execute(
            select(Token, User).join(User, col(User.id) == col(Token.user_id)).where(col(Token.secret_hash) == hashed)
        ).first()
    if found is None:
        raise NotSignedIn("The token is unknown.")
    token, user = found
    if not hmac.compare_digest(token.secret_hash, hashed) or token.revoked_at is not None or token.expires_at <= now:
        raise NotSignedIn("The token has expired or was revoked.")
    if token.last_used_at is None or token.last_used_at < now - _USED_EVERY_S:
        with database.writing() as session:
            session.execute(update(Token).where(col(Token.id) == token.id).values(last_used_at=now))
    return Principal(user.id, user.name, token.scope, by_cookie=False)


def _by_cookie(database: Database, secret: str) -> Principal | None:
    hashed = _hash(secret)
    with database.reading() as session:
        found = session.execute(
            select(WebSession, User)
            .join(User, col(User.id) == col(WebSession.user_id))
            .where(col(WebSession.secret_hash) == hashed, col(WebSession.expires_at) > clock(session))
        ).first()
    if found is None or not hmac.compare_digest(found[0].secret_hash, hashed):
        return None
    user = found[1]
    scope: Scope = next(scope for scope in SCOPES if _ROLES[scope] == user.role)
    return Principal(user.id, user.name, scope, by_cookie=True)


def _user(session: Session, name: str, scope: Scope) -> User:
    insert_once(session, User, {"id": new_id(), "name": name, "role": _ROLES[scope], "created_at": clock(session)})
    user: User = session.execute(select(User).where(col(User.name) == name)).scalar_one()
    held = next(held for held in SCOPES if _ROLES[held] == user.role)
    if _RANK.get(scope, 0) > _RANK.get(held, 0):
        user.role = _ROLES[scope]
        session.add(user)
    return user


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
