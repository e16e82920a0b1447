"""Specs as they were stored, which a newer catalogue may no longer know."""

from pydantic import ValidationError

from app.db.tables import Run, Study
from app.errors import Outdated
from workers.catalog.spec import RunSpec, StudySpec


def study_spec(study: Study) -> StudySpec:
    """What a study asked for.

    Raises:
        Outdated: the catalogue no longer knows something in it.
    """
    try:
        return StudySpec.model_validate(study.spec)
    except ValidationError as error:
        raise _outdated("study", error) from error


def run_spec(run: Run) -> RunSpec:
    """What a run measures.

    Raises:
        Outdated: the catalogue no longer knows something in it.
    """
    try:
        return RunSpec.model_validate(run.spec)
    except ValidationError as error:
        raise _outdated("run", error) from error


def _outdated(what: str, error: ValidationError) -> Outdated:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return Outdated(
        f"The {what} was ordered from a catalogue with entries that this version does not have: {field}: {first['msg']}.",
        field=field,
    )
