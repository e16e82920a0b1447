"""What pydantic found wrong, for a person: a dotted path, a reason, and what would be right."""

import re
import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from workers.catalog.declared import Declared, Problem, closest

MAX_PROBLEMS = 50
NUMBERS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def explain(errors: Iterable[ErrorDetails], body: Any, model: Any) -> list[Problem]:
    """Problems of a body that did not fit its model.

    Args:
        errors: what pydantic said, with paths that begin below the body.
        body: what was sent.
        model: what it should have been: a pydantic model or another annotation.
    """
    return [_problem(error, body, model) for error in list(errors)[:MAX_PROBLEMS]]


def _problem(error: ErrorDetails, body: Any, model: Any) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    path, holder, field = _follow(error["loc"], body, model, missing=kind == "missing")
    name = path[-1] if path else ""
    given = _shown(error.get("input"))
    message, hint = f"{error['msg'][:1].lower()}{error['msg'][1:300]}", ""
    if kind in ("union_tag_invalid", "literal_error"):
        choices = _quoted(str(context.get("expected_tags") or context.get("expected")))
        if kind == "union_tag_invalid":
            path = [*path, _quoted(str(context["discriminator"]))[0]]
            given = _shown(str(context["tag"]))
        message, hint = _unknown(given, choices)
        kind = "unknown_choice"
    elif kind == "union_tag_not_found":
        path = [*path, _quoted(str(context["discriminator"]))[0]]
        message, hint, kind = "is missing.", "Name one of the menu; GET /api/v1 lists them.", "missing"
    elif kind == "missing":
        message, hint = "is missing.", _meaning(field)
    elif kind == "extra_forbidden":
        known = [key for key in holder.model_fields if key not in body] if holder and isinstance(body, dict) else []
        known = known or (list(holder.model_fields) if holder else [])
        near = closest(name, holder.model_fields) if holder else None
        message = "is not a field here." + (f" Did you mean {near!r}?" if near else "")
        hint, kind = f"Fields: {', '.join(holder.model_fields) if holder else ', '.join(known)}.", "unknown_field"
    elif kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        hint, kind = _range(field), "out_of_range"
        message = f"{given} is not possible.".lstrip()
    elif kind in NUMBERS:
        message, hint = f"{given} is not {NUMBERS[kind]}.".lstrip(), _meaning(field)
    elif kind == "string_pattern_mismatch":
        message, hint = f"{given} has not the form that is needed.".lstrip(), _meaning(field)
    elif kind in ("too_long", "too_short"):
        limits = {"max_length": "at most", "min_length": "at least"}
        message = f"has {context.get('actual_length', 'too many')} entries."
        hint = " ".join(f"Allowed: {words} {context[name]}." for name, words in limits.items() if name in context)
    elif kind in ("model_type", "model_attributes_type", "dict_type", "dataclass_type"):
        message, hint = "must be a JSON object.", _meaning(field)
    elif field is not None:
        hint = _meaning(field)
    return Problem(".".join(path), kind, message, hint)


def _follow(
    loc: Sequence[int | str], body: Any, model: Any, *, missing: bool
) -> tuple[list[str], type[BaseModel] | None, FieldInfo | None]:
    """The path without pydantic's union tags, the model that holds its end, and the field at its end."""
    path: list[str] = []
    here: Any = body
    holder = _model(model)
    field: FieldInfo | None = None
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(part, str) and not (missing and last) and (entry := _tagged(part, model)):
            holder, model = entry, None
            continue
        path.append(str(part)[:100])
        if isinstance(part, int):
            here = here[part] if isinstance(here, list | tuple) and part < len(here) else None
            model = _inner(model)
            holder = _model(model) or holder
            continue
        here = here.get(part) if isinstance(here, dict) else None
        fields = holder.model_fields if holder else {}
        field = fields.get(part)
        model = field.annotation if field is not None else _inner(model)
        if not last:
            holder = _model(model)
    return path, holder, field


def _tagged(part: str, model: Any) -> type[Declared] | None:
    """The entry of a menu that pydantic's path names right after entering the menu; None when this is no menu."""
    menu = [each for each in _parts(model) if isinstance(each, type) and issubclass(each, Declared)]
    return next((entry for entry in menu if entry.word == part), None) if len(menu) > 1 else None


def _model(model: Any) -> type[BaseModel] | None:
    """The one pydantic model of an annotation; None when it is a menu or something else."""
    found = [part for part in _parts(model) if isinstance(part, type) and issubclass(part, BaseModel)]
    return found[0] if len(found) == 1 else None


def _parts(model: Any) -> list[Any]:
    """Every alternative of an annotation."""
    if get_origin(model) is Annotated:
        return _parts(get_args(model)[0])
    if get_origin(model) in (Union, types.UnionType):
        return [inner for part in get_args(model) for inner in _parts(part)]
    return [model]


def _inner(model: Any) -> Any:
    """What a list, tuple or mapping holds."""
    for part in _parts(model):
        arguments = [argument for argument in get_args(part) if argument is not Ellipsis]
        if arguments:
            return arguments[-1]
    return None


def _unknown(given: str, choices: Sequence[str]) -> tuple[str, str]:
    near = closest(given.strip("'"), choices)
    meant = f" Did you mean {near!r}?" if near else ""
    return f"{given} is not one of the choices.{meant}".lstrip(), f"Choices: {', '.join(choices)}."


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _shown(value: Any) -> str:
    """A value short enough to repeat; of what is large or nested nothing."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else f"{value[:80]}…")
    if isinstance(value, bool | float) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**20 else ""
    return ""


def _range(field: FieldInfo | None) -> str:
    if field is None:
        return ""
    low: Any = None
    high: Any = None
    for limit in field.metadata:
        if isinstance(limit, annotated_types.Ge | annotated_types.Gt):
            low = getattr(limit, "ge", getattr(limit, "gt", None))
        elif isinstance(limit, annotated_types.Le | annotated_types.Lt):
            high = getattr(limit, "le", getattr(limit, "lt", None))
    if low is not None and high is not None:
        return f"Allowed: {low:,} to {high:,}."
    return f"Allowed: at least {low:,}." if low is not None else f"Allowed: at most {high:,}." if high else ""


def _meaning(field: FieldInfo | None) -> str:
    if field is None:
        return ""
    return " ".join(part for part in (field.description, _range(field)) if part)
