"""The API's description for people: every call with its parameters, body and answers, made from the OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.errors import ProblemDocument
from app.pages.rendering import page
from app.pages.reproduce import quoted

router = APIRouter()
Schema = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


class Parameter(NamedTuple):
    """One value that a call takes."""

    name: str
    place: str
    """path, query, header or body."""
    shape: str
    required: bool
    description: str


class Call(NamedTuple):
    """One method of one address."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[Parameter]
    answers: list[tuple[str, str, str]]
    """Status, shape of the body, in words."""
    example: str


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request, q: Annotated[str, Query(max_length=100)] = "") -> HTMLResponse:
    document = request.app.openapi()
    found = [call for call in calls(document, str(request.base_url)) if matches(call, q)]
    groups: dict[str, list[Call]] = {}
    for call in found:
        groups.setdefault(call.path.split("/")[3], []).append(call)
    return page("docs.html", here="docs", twin="/api/v1/openapi.json", groups=groups, q=q)


def matches(call: Call, words: str) -> bool:
    """Whether every word stands in a call's method, address or description."""
    text = f"{call.method} {call.path} {call.summary} {call.description}".lower()
    return all(word in text for word in words.lower().split())


def calls(document: Schema, server: str) -> Iterator[Call]:
    """Every call of an OpenAPI document.

    Args:
        document: the document.
        server: address of this server, ending in a slash; examples ask it.
    """
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _call(document, path, method, methods[method], server)


def shape(schema: Schema) -> str:
    """A JSON schema in a few words, for example ``integer 1 to 200`` or ``list of Measurement``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " or ".join(f'"{choice}"' for choice in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(shape(choice) for choice in choices))
    if schema.get("type") == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"{shape(schema['additionalProperties'])} by name"
    name = str(schema.get("type", "any value"))
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if name == "string" and (low is not None or high is not None) else ""
    if low is not None and high is not None:
        return f"{name}, {low:,} to {high:,}{unit}"
    if high is not None:
        return f"{name}, at most {high:,}{unit}"
    return name if low is None else f"{name}, at least {low:,}{unit}"


def _call(document: Schema, path: str, method: str, found: Schema, server: str) -> Call:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Call(
        method.upper(),
        path,
        found.get("summary", ""),
        found.get("description", ""),
        [*_given(found), *(_fields(document, body) if body else [])],
        list(_answers(found)),
        _example(method, path, body is not None, server),
    )


def _given(found: Schema) -> Iterator[Parameter]:
    for one in found.get("parameters", []):
        yield Parameter(
            one["name"], one["in"], shape(one["schema"]), one.get("required", False), one.get("description", "")
        )


def _fields(document: Schema, body: Schema) -> Iterator[Parameter]:
    """The fields of a body; a body that is not an object is one value without a name."""
    schema = document["components"]["schemas"][shape(body)] if "$ref" in body else body
    required = schema.get("required", [])
    if "properties" not in schema:
        yield Parameter("", "body", shape(schema), True, schema.get("description", ""))
    for name, field in schema.get("properties", {}).items():
        yield Parameter(name, "body", shape(field), name in required, field.get("description", ""))


def _answers(found: Schema) -> Iterator[tuple[str, str, str]]:
    """Every answer; the refusals, which all look alike, as one."""
    refusals = []
    for status, answer in found.get("responses", {}).items():
        content = answer.get("content", {})
        kinds = [shape(one["schema"]) for one in content.values() if one.get("schema")] or list(content)
        if kinds == [ProblemDocument.__name__]:
            refusals.append(status)
        else:
            yield status, ", ".join(dict.fromkeys(kinds)), answer.get("description", "")
    if refusals:
        yield ", ".join(refusals), ProblemDocument.__name__, "Refused; its code, field and hint say why."


def _example(method: str, path: str, has_body: bool, server: str) -> str:
    words = [f"curl {quoted(server.rstrip('/') + path)}", '-H "Authorization: Bearer $TRADESPACE_TOKEN"']
    if method != "get":
        words.insert(1, f"-X {method.upper()}")
    if has_body:
        words += ["-H 'Content-Type: application/json'", "-d @body.json"]
    return " \\\n  ".join(words)
