"""A study as somebody wrote it, in JSON or YAML: read, judged, and every problem told with its field and line."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Literal, NamedTuple

from pydantic import ValidationError

from workers.catalog import strictjson, strictyaml
from workers.catalog.applicability import problems
from workers.catalog.declared import Problem
from workers.catalog.spec import StudySpec
from workers.catalog.strictjson import Malformed, Unfit
from workers.catalog.validation import explain

Form = Literal["json", "yaml"]
SUFFIXES = (".yaml", ".yml")


class WrittenStudy(NamedTuple):
    """A study that can be read."""

    spec: StudySpec
    problems: Sequence[Problem]
    """What keeps it from being measured as it stands; empty when nothing does."""


def form_of_file(name: str) -> Form:
    """What a file of this name holds."""
    return "yaml" if PurePath(name).suffix.lower() in SUFFIXES else "json"


def form_of_text(text: str) -> Form:
    """What a text that came without a name is: JSON begins with a bracket."""
    return "json" if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else "yaml"


def read_study(body: bytes, form: Form) -> WrittenStudy:
    """A study from a text.

    Raises:
        Malformed: it is not what ``form`` says.
        Unfit: it is, but no study; names each field, its line and the valid choices.
    """
    lines: Mapping[str, int] = {}
    try:
        if form == "yaml":
            value, lines = strictyaml.read(body)
        else:
            value = strictjson.read(body)
        if not isinstance(value, dict):
            message = "must be a mapping of fields such as name, model and workload."
            hint = f"Fields: {', '.join(StudySpec.model_fields)}."
            raise Unfit([Problem("", "not_a_study", message, hint)])
        spec = StudySpec.model_validate(value)
    except ValidationError as error:
        wrong = explain(error.errors(include_url=False), value, StudySpec)
        raise Unfit(strictyaml.placed(wrong, lines or _lines_of_json(body))) from None
    except Unfit as error:
        raise (error if form == "yaml" else Unfit(strictyaml.placed(error.problems, _lines_of_json(body)))) from None
    found = problems(spec)
    return WrittenStudy(spec, strictyaml.placed(found, lines or _lines_of_json(body)) if found else ())


def _lines_of_json(body: bytes) -> Mapping[str, int]:
    """Lines of the fields of a JSON text; none where all stand in one line.

    JSON is YAML but for tabs, which cannot stand inside JSON's text, so they may become spaces.
    """
    if b"\n" not in body.strip():
        return {}
    try:
        return strictyaml.read(body.replace(b"\t", b" ")).lines
    except (Malformed, Unfit):
        return {}
