"""“Measure these”: the experiments of an answer as one study that can be queued as it is."""

from typing import Any

from pydantic import ValidationError

from app.guide.advice import Advice
from app.guide.question import of_catalogue
from app.guide.situation import Situation
from app.planner.models import known
from app.planner.predicted import anatomy_of
from workers.catalog.applicability import problems
from workers.catalog.declared import Problem
from workers.catalog.spec import StudySpec
from workers.catalog.validation import explain

LONGEST_NAME = 120


class NotMeasurable(Exception):
    """No study can be made of it; the message says why, for a reader."""


def of_advice(advice: Advice) -> dict[str, Any]:
    """The study that measures the experiments which the catalogue has, against the stack there is now.

    Raises:
        NotMeasurable: the catalogue cannot build the model, or has none of the experiments.
    """
    situation = advice.situation
    able = [one for one in advice.experiments if one.variant is not None and one.baseline is not None]
    if not able:
        lacking = list(dict.fromkeys(title for one in advice.experiments for title in one.missing))
        said = (
            f"Nothing measures {', '.join(lacking)} here yet."
            if lacking
            else "Nothing is left that measuring would tell."
        )
        raise NotMeasurable(said)
    asked: list[dict[str, Any]] = [
        {"name": " + ".join(one.titles)[:LONGEST_NAME], "stack": list(one.variant or ())} for one in able
    ]
    study: dict[str, Any] = {
        "name": f"Guide: {situation.model.name}, {situation.task}"[:LONGEST_NAME],
        "model": _model(situation),
        "workload": _workload(situation),
        "baseline": {"name": "as it is now", "stack": list(able[0].baseline or ())},
        "variants": asked,
        "device": situation.device.kind,
        "effort": "standard",
    }
    if situation.model.kind == "decoder":
        study["evaluation"] = {"name": "divergence" if situation.phase == "inference" else "loss_trajectory"}
    kept, refused = [], []
    for one in asked:
        # One at a time, so that one that the catalogue refuses does not take the others with it.
        wrong = _wrong({**study, "variants": [one]})
        if wrong:
            refused.append(wrong[0]._replace(field=wrong[0].field.replace("variants.0", one["name"])))
        else:
            kept.append(one)
    study["variants"] = kept
    refused += _wrong(study) if kept else []
    if not kept or _wrong(study):
        raise NotMeasurable(f"The catalogue refuses it: {refused[-1].field} {refused[-1].message} {refused[-1].hint}")
    return study


def _wrong(study: dict[str, Any]) -> list[Problem]:
    """Everything that the catalogue refuses about a study."""
    try:
        return problems(StudySpec.model_validate(study))
    except ValidationError as error:
        return explain(error.errors(), study, StudySpec)


def _model(situation: Situation) -> dict[str, Any]:
    """The model in the catalogue's words.

    Raises:
        NotMeasurable: the catalogue cannot build it.
    """
    model = situation.model
    found = of_catalogue().get(model.name)
    if found is None and model.kind == "decoder":
        found = next((one for one in of_catalogue().values() if _alike(one, model.name)), None)
    if found is None:
        raise NotMeasurable(
            f"The catalogue cannot build {model.name} from a seed; put its checkpoint into the worker's folder of models "
            "and order the study there."
        )
    dumped: dict[str, Any] = found.model_dump(mode="json")
    return dumped


def _alike(one: Any, name: str) -> bool:
    """Whether a preset has the published model's parameters, so that seeded weights take as long."""
    return name in known.by_name() and anatomy_of(one).parameters == known.by_name()[name].parameters


def _workload(situation: Situation) -> dict[str, Any]:
    if situation.phase == "training":
        return {"name": "train_step", "batch_size": situation.batch, "sequence_length": situation.sequence}
    if situation.task == "prefill":
        return {"name": "prefill", "batch_size": situation.batch, "sequence_length": situation.sequence}
    return {
        "name": "generate",
        "batch_size": situation.batch,
        "prompt_length": situation.sequence,
        "new_tokens": situation.generated,
    }
