"""The study that would test a claim: its stack turned on against what it is compared with, in the setting it is of."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from app.errors import Invalid
from app.knowledge import claims
from app.knowledge.cases import word_of
from app.knowledge.claims import QUALITY, Statement
from app.ordering.menu import FP32
from app.results.figures import LENGTHS
from workers.catalog.applicability import misjudged, problems
from workers.catalog.declared import Problem
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.models import AnyModel
from workers.catalog.spec import StudySpec
from workers.catalog.technique import DeviceKind
from workers.catalog.techniques import BY_WORD as TECHNIQUES
from workers.catalog.workload import Workload
from workers.catalog.workloads import BY_WORD as WORKLOADS

USUAL = ("prefill", "decode", "generate", "train_step")
"""Workloads to take where a claim names none, the first that its techniques act in."""
SMALL: dict[str, Any] = {"name": "llama", "preset": "tiny"}
TRAINED: dict[str, Any] = {"name": "reference_decoder"}
"""A model that knows something, so that accuracy can be lost."""
SCORES = ("perplexity", "accuracy")
"""Evaluations that bring accuracy or perplexity."""


def study(statement: Statement) -> dict[str, Any]:
    """The smallest study in which a statement could be tested.

    Raises:
        Invalid: the catalogue cannot measure it; says why.
    """
    workload = _workload(statement)
    model = statement.example or (TRAINED if statement.figure in QUALITY else SMALL)
    before = _baseline(statement)
    found = {
        "name": f"Claim: {statement.word.replace('-', ' ').replace('_', ' ')}",
        "model": model,
        "workload": workload.model_dump(mode="json"),
        "evaluation": _evaluation(statement, model, workload),
        "baseline": {"name": "baseline", "stack": before},
        "variants": [{"name": " + ".join(statement.stack), "stack": _variant(statement, before)}],
        "device": _device(statement),
        "effort": "quick",
    }
    if wrong := problems(StudySpec.model_validate(found)):
        raise Invalid(wrong[0].message, problems=wrong)
    return found


def _workload(statement: Statement) -> Workload:
    """The first that the claim names, or that all its techniques act in, of the sizes it names."""
    needs = [TECHNIQUES[word].requires for word in statement.stack]
    fitting = (
        word
        for word in statement.setting.workloads or USUAL
        if all(WORKLOADS[word].phase in need.phases and word in (need.workloads or {word}) for need in needs)
    )
    kind = WORKLOADS[next(fitting, USUAL[0])]
    sizes = {"batch_size": statement.setting.batch_size}
    sizes |= dict.fromkeys(LENGTHS, statement.setting.length)
    return kind(**{name: size for name, size in sizes.items() if size is not None and name in kind.model_fields})


def _device(statement: Statement) -> DeviceKind:
    wanted = statement.setting.device
    runs_anywhere = all("cpu" in TECHNIQUES[word].requires.devices for word in statement.stack)
    return "cuda" if wanted == "cuda" or not runs_anywhere else "cpu"


def _evaluation(statement: Statement, model: dict[str, Any], workload: Workload) -> dict[str, Any] | None:
    """What brings the claim's figure, where it is one of quality.

    Raises:
        Invalid: the model's quality cannot be scored.
    """
    if statement.figure not in QUALITY:
        return None
    declared = TypeAdapter(AnyModel).validate_python(model)
    offered = (each for each in EVALUATIONS if each.word in SCORES and declared.kind in each.kinds)
    reasons = {each.word: misjudged(each(), declared, workload) for each in offered}
    fitting = next((word for word, reason in reasons.items() if reason is None), None)
    if fitting is None:
        message = " ".join(reason for reason in reasons.values() if reason)
        raise Invalid.of(
            [Problem("evaluation", "evaluation_does_not_fit", message, "Take a trained model from a hub.")]
        )
    return {"name": fitting}


def _baseline(statement: Statement) -> list[dict[str, Any]]:
    """What the claim is compared with: what it names, what stands for a technique that is off, and else fp32."""
    setting = statement.setting
    found = [_technique(part) for part in (*setting.baseline[:1], *setting.also)]
    for word in statement.stack:
        known = claims.contrast(word)
        if known is not None and all(one["technique"] != word for one in found):
            found.append(_technique(known.against[-1]))
    if all(one["technique"] != FP32["technique"] for one in found):
        found.insert(0, dict(FP32))
    return found


def _variant(statement: Statement, before: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The baseline's stack with the claim's techniques turned on."""
    named = {word_of(part): part for part in statement.setting.variant}
    turned: list[dict[str, Any]] = []
    for word in statement.stack:
        known = claims.contrast(word)
        turned.append(_technique(named.get(word) or (known.variant[0] if known else word)))
    return [*(one for one in before if one["technique"] not in statement.stack), *turned]


def _technique(part: str) -> dict[str, Any]:
    """A technique as a study names it, from the beginning of its label: its word and what one parameter is."""
    word, _, value = part.partition(" ")
    fields = TECHNIQUES[word].model_json_schema()["properties"]
    chosen = {name: value for name, field in fields.items() if value and value in field.get("enum", ())}
    return {"technique": word, **chosen}
