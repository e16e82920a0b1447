"""Bodies of requests, read strictly (``workers.catalog.strictjson``); what is wrong with one is the request's refusal."""

from pydantic import JsonValue

from app.errors import Invalid, MalformedJson
from workers.catalog import strictjson

_MOST_PROBLEMS = 20


def strict_json(body: bytes, *, nul: bool = False) -> JsonValue:
    """Read a body.

    Args:
        body: UTF-8.
        nul: whether text may hold NUL, as a program's output can.

    Raises:
        MalformedJson: it is no JSON, no UTF-8, or nested too deeply.
        Invalid: it holds numbers that are not finite or too large, a key twice, or text that is no Unicode.
    """
    try:
        return strictjson.read(body, nul=nul)
    except strictjson.Malformed as error:
        raise MalformedJson(f"The body {error}") from None
    except strictjson.Unfit as error:
        first = error.problems[0]
        said = f"{first.field or 'The body'} {first.message}"
        raise Invalid(said, problems=error.problems[:_MOST_PROBLEMS]) from None
