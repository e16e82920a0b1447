"""The page for a request that was refused, in place of the API's problem document."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.errors import ProblemDocument
from app.pages.rendering import page
from app.pages.session import is_signed_in

TITLES = {
    403: "Not allowed",
    404: "Nothing is here",
    409: "That is no longer possible",
    422: "That address asks for something impossible",
    500: "Something went wrong here",
    503: "Busy just now",
}


def error_page(request: Request, problem: ProblemDocument) -> Response:
    """Say what went wrong and where to go; somebody who is not signed in learns how to."""
    if problem.status == 401:
        return page("sign_in.html", here="", twin=None, signed_in=False, status=401, refused=False, signed_out=False)
    return page(
        "error.html",
        here="",
        twin=None,
        signed_in=is_signed_in(request),
        status=problem.status,
        title=TITLES.get(problem.status, problem.title),
        detail=problem.detail,
        hint=problem.hint,
        others=problem.errors[1:],
        rest=_rest(request, problem),
        request_id=problem.request_id,
    )


def _rest(request: Request, problem: ProblemDocument) -> str | None:
    """The address without what is wrong in its query; None where something else is wrong as well, or alone."""
    if request.method not in ("GET", "HEAD") or problem.status != 422:
        return None
    asked = request.query_params.multi_items()
    wrong: set[str | None] = {error.field for error in problem.errors} or {problem.field}
    if not wrong <= {name for name, _ in asked}:
        return None
    kept = [(name, value) for name, value in asked if name not in wrong]
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")
