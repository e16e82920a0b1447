"""What helps to order a study: presets, the ablation of a stack, and studies written as JSON or YAML. Nothing is stored."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from app.api.calls import REFUSALS, Reader, StrictRoute
from app.errors import FieldError, Invalid
from app.ordering import ablation, presets
from workers.catalog import written
from workers.catalog.declared import Exact, Paper, Problem
from workers.catalog.models import AnyModel
from workers.catalog.spec import StudySpec
from workers.catalog.strictjson import Malformed, Unfit
from workers.catalog.strictyaml import MAX_BYTES
from workers.catalog.technique import DeviceKind
from workers.catalog.workloads import AnyWorkload

router = APIRouter(tags=["ordering"], route_class=StrictRoute, responses=REFUSALS)


class PresetOrder(Exact):
    """What presets are wanted for."""

    model: AnyModel
    workload: AnyWorkload
    device: DeviceKind = "cpu"


class ShownPreset(BaseModel):
    """A preset, with its study or why there is none."""

    word: str
    title: str
    summary: str
    study: dict[str, Any] | None
    reason: str | None
    """Why it is not offered; null when it is."""
    runs: int | None


class Presets(BaseModel):
    """Every preset for one model, workload and kind of device."""

    items: list[ShownPreset]
    next: None = None


class AblationOrder(Exact):
    """Which stack to take apart."""

    study: StudySpec
    variant: str
    """Name of one of its variants."""


class Ordered(BaseModel):
    """A study that can be posted."""

    study: dict[str, Any]
    runs: int
    problems: list[FieldError]
    """What keeps it from being measured as it stands; empty when nothing does."""


def _short_enough(text: str) -> str:
    if len(text.encode()) > MAX_BYTES:
        raise PydanticCustomError("too_large", f"must have at most {MAX_BYTES:,} bytes")
    return text


class WrittenOrder(Paper):
    """A study as somebody wrote it."""

    text: Annotated[str, AfterValidator(_short_enough)]
    form: written.Form | None = Field(None, description="Left out: JSON when it begins with a bracket, else YAML.")


@router.post("/presets")
def read_presets(order: PresetOrder, caller: Reader) -> Presets:
    """Whole studies for a model, a workload and a kind of device; what is not offered says why."""
    offers = presets.offers(order.model, order.workload, order.device)
    return Presets(items=[ShownPreset(**offer._asdict()) for offer in offers])


@router.post("/presets/ablation")
def read_ablation(order: AblationOrder, caller: Reader) -> Ordered:
    """The study that measures a stack whole, without each of its techniques, and each of them alone."""
    found = next((each for each in order.study.variants if each.name == order.variant), None)
    if found is None:
        names = ", ".join(each.name for each in order.study.variants) or "none"
        message = f"{order.variant[:80]!r} is not one of the study's variants."
        raise Invalid.of([Problem("variant", "unknown_choice", message, f"Variants: {names}.")])
    try:
        study = ablation.ablation(order.study, found)
    except presets.NotOffered as error:
        raise Invalid(str(error), field="variant") from None
    return Ordered(study=study, runs=StudySpec.model_validate(study).size, problems=[])


@router.post("/imports")
def read_written(order: WrittenOrder, caller: Reader) -> Ordered:
    """Read a study from JSON or YAML; what is wrong is told by field and line."""
    try:
        spec, problems = written.read_study(order.text.encode(), order.form or written.form_of_text(order.text))
    except Malformed as error:
        raise Invalid(f"text {error}", field="text") from None
    except Unfit as error:
        raise Invalid.of([one if one.field else one._replace(field="text") for one in error.problems]) from None
    shown = [FieldError(field=one.field, code=one.code, message=one.message, hint=one.hint) for one in problems]
    return Ordered(study=spec.model_dump(mode="json"), runs=spec.size, problems=shown)
