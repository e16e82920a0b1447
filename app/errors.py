"""What can be refused, one class each: its docstring is the message, with the HTTP status and a stable code.

``answer`` makes the reply: a problem document (RFC 9457) for the API, a page for people. Nothing internal is ever said.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import ClassVar

import structlog
from fastapi.responses import JSONResponse
from pydantic import BaseModel, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from workers.catalog.declared import Problem

log = structlog.get_logger()


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str
    """Dotted path into the body, for example ``variants.2.stack.0.dtype``."""
    code: str
    message: str
    hint: str = ""


class ProblemDocument(BaseModel):
    """The body of every refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable word for programs."""
    detail: str
    field: str | None = None
    hint: str | None = None
    """What to do about it."""
    request_id: str
    errors: list[FieldError] = []
    current: JsonValue = None
    """What stands there now, where a change was made on an older state of it."""


ErrorPage = Callable[[Request, ProblemDocument], Response]


class Refused(Exception):
    """The request cannot be answered."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    advice: ClassVar[str | None] = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        hint: str | None = None,
        field: str | None = None,
        problems: Sequence[Problem] = (),
        current: JsonValue = None,
    ) -> None:
        """Refuse.

        Args:
            detail: replaces the class's own sentence.
            hint: replaces the class's own advice.
            field: dotted path of the field that is wrong.
            problems: every single thing that is wrong with the body.
            current: what stands there now, for a change that was made on an older state of it.
        """
        self.detail = detail or str(type(self).__doc__).strip()
        self.hint = hint or (problems[0].hint if problems else self.advice)
        self.field = field if field is not None else (problems[0].field if problems else None)
        self.problems = tuple(problems)
        self.current = current
        super().__init__(self.detail)


class NotSignedIn(Refused):
    """This needs a signed-in browser or a valid token."""

    status = 401
    code = "not_signed_in"
    advice = "Open a sign-in link, or send an Authorization header with a bearer token."


class NotAllowed(Refused):
    """These credentials do not reach that far."""

    status = 403
    code = "not_allowed"


class ForeignOrigin(Refused):
    """A page of another origin asked for a change."""

    status = 403
    code = "foreign_origin"


class NotEncrypted(Refused):
    """Signing in over plain HTTP from another machine would show the session to the network."""

    status = 403
    code = "not_encrypted"
    advice = "Put a proxy with TLS in front, or set TRADESPACE_INSECURE_HTTP=1 on a network that you trust."


class NotFound(Refused):
    """There is nothing here."""

    status = 404
    code = "not_found"


class EnvironmentsDiffer(Refused):
    """The runs were measured in environments that differ where it matters."""

    status = 409
    code = "environments_differ"
    advice = (
        "Ratios over the baseline hold, because both arms share a sitting. To put values as measured side by side all "
        "the same, add across_environments=true."
    )


class Outdated(Refused):
    """This was ordered from a catalogue with entries that this version does not have."""

    status = 409
    code = "outdated"
    advice = "Its JSON keeps what was stored. Order it anew with what the catalogue has now."


class WrongMethod(Refused):
    """This address does not take that method."""

    status = 405
    code = "wrong_method"


class RequestTooSlow(Refused):
    """The request's body did not arrive in time."""

    status = 408
    code = "too_slow"


class TooLarge(Refused):
    """The request's body is larger than allowed."""

    status = 413
    code = "too_large"


class WrongMediaType(Refused):
    """The body must be JSON, not compressed."""

    status = 415
    code = "wrong_media_type"
    advice = "Send Content-Type: application/json and no Content-Encoding."


class WrongHost(Refused):
    """This server does not answer under that name."""

    status = 421
    code = "wrong_host"
    advice = "Use the address the server printed, or name the host in TRADESPACE_ALLOWED_HOSTS."


class BadHost(Refused):
    """A request needs exactly one Host header."""

    code = "bad_host"


class TokenInAddress(Refused):
    """A token does not belong into an address, where logs and histories keep it."""

    code = "token_in_address"
    advice = "Send it in the Authorization header, and replace it: it may have been seen."


class MalformedJson(Refused):
    """The body is not JSON."""

    code = "malformed_json"


class Invalid(Refused):
    """The request is understood, but something in it is not possible."""

    status = 422
    code = "invalid"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "Invalid":
        """A refusal that names every field that is wrong, the first of them in its sentence."""
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(f"{first.field or 'The body'} {first.message}{more}", problems=problems)


class BadIdempotencyKey(Refused):
    """An Idempotency-Key has 1 to 255 visible characters."""

    code = "bad_idempotency_key"


class KeyReused(Refused):
    """This Idempotency-Key was used for another request."""

    status = 422
    code = "idempotency_key_reused"
    advice = "Take a new key for a new request."


class Conflict(Refused):
    """The state of things does not allow this."""

    status = 409
    code = "conflict"


class NotClaimable(Conflict):
    """The run is not waiting for a worker like this one."""

    code = "run_not_claimable"


class DeviceBusy(Conflict):
    """The device holds another run."""

    code = "device_busy"


class UnknownWorker(Conflict):
    """No worker of this name has announced itself."""

    code = "unknown_worker"
    advice = "POST /api/v1/workers first."


class StaleToken(Conflict):
    """The run has moved on without this attempt."""

    code = "stale_token"


class NotFinished(Conflict):
    """The run has not ended yet."""

    code = "run_not_finished"


class NoteChanged(Conflict):
    """Somebody has changed the note meanwhile."""

    code = "note_changed"
    advice = "Bring both texts together and send the version that stands there now."


class AlreadyFinished(Conflict):
    """It has already ended."""

    code = "already_finished"


class Busy(Refused):
    """The database is busy; the same request may work in a moment."""

    status = 503
    code = "busy"


class NoSpace(Refused):
    """The server has no space left to store this; what is stored can still be read."""

    status = 507
    code = "no_space"


class ServerFault(Refused):
    """Something went wrong here. It is in the server's log under the request's id."""

    status = 500
    code = "server_fault"


def answer(request: Request, refused: Refused) -> Response:
    """The reply to a refused request: a page for a person in a browser, a problem document for everybody else."""
    request_id = getattr(request.state, "request_id", "")
    document = ProblemDocument(
        type=f"urn:tradespace:{refused.code}",
        title=HTTPStatus(refused.status).phrase,
        status=refused.status,
        code=refused.code,
        detail=refused.detail,
        field=refused.field,
        hint=refused.hint,
        request_id=request_id,
        errors=[FieldError(field=p.field, code=p.code, message=p.message, hint=p.hint) for p in refused.problems],
        current=refused.current,
    )
    error_page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    reply: Response
    if error_page is not None and wants_page(request):
        reply = error_page(request, document)
    else:
        reply = JSONResponse(document.model_dump(), refused.status, media_type="application/problem+json")
    if refused.status == 401:
        reply.headers["WWW-Authenticate"] = "Bearer"
    if refused.status == 503:
        reply.headers["Retry-After"] = "2"
    return reply


def wants_page(request: Request) -> bool:
    """Whether the answer is read by a person: a page's address, asked for by something that shows HTML."""
    path = request.scope["path"]
    return not path.startswith(("/api/", "/healthz", "/static/")) and "text/html" in request.headers.get("accept", "")


def of_status(status: int) -> Refused:
    """What the framework's own refusals are called here."""
    return {404: NotFound, 405: WrongMethod, 413: TooLarge}.get(status, Refused)()


def from_database(error: Exception) -> Refused:
    """What a failing database means for whoever asked."""
    said = str(error).lower()
    log.error("database refused", reason=str(getattr(error, "orig", None) or error).strip())
    return NoSpace() if any(word in said for word in ("disk is full", "no space left", "readonly")) else Busy()
