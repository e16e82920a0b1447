"""The page for a request that was refused, in place of the API's problem document."""

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
        request_id=problem.request_id,
    )
