"""How the guide is asked: a short form, which is the page's address, the body of ``POST /api/v1/guide`` and the words of
``tradespace guide``. Strict: nothing is guessed, and what is taken as usual is said in the answer.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from app.errors import Invalid
from app.guide.situation import ANSWER, PHASES, TOLERANCE, AnyModel, Decoder, Effort, ImageModel, Situation, Task
from app.guide.techniques import techniques
from app.planner import machines
from app.planner.learnt import decoders
from app.planner.machines import Machine
from app.planner.models import families, known
from app.planner.predicted import anatomy_of
from app.planner.question import amount_of, filled
from app.study.amounts import amount
from workers.catalog.declared import Exact, Problem, closest
from workers.catalog.model import Model
from workers.catalog.strictjson import Malformed, Unfit, read
from workers.catalog.validation import explain

IMAGES = Path(__file__).parent / "images.json"
Found = TypeVar("Found")


class GuideQuestion(Exact):
    """One question to the guide."""

    task: Task = Field("chat", description="What is done with the model.")
    model: Annotated[str | None, AfterValidator(known.proper)] = Field(
        None, max_length=200, description="Name of a model, for example Llama-3.1-8B."
    )
    config: dict[str, JsonValue] | None = Field(None, description="Instead of a name: the model's config.json.")
    device: str = Field(max_length=200, description="A device of the team's, or one with a datasheet: RTX 4060.")
    memory: int | None = Field(
        None,
        ge=2**20,
        le=2**60,
        description="Bytes that are free on each device, or 7.6 GiB; left out, as much as usual.",
    )
    devices: int = Field(1, ge=1, le=65_536, description="Devices of this kind that may work together.")
    batch: int = Field(
        1, ge=1, le=100_000, description="Sequences or images at a time; in training, of one update of all devices."
    )
    sequence: int = Field(2_048, ge=1, le=10_000_000, description="Tokens of each sequence or prompt.")
    generated: int | None = Field(
        None, ge=0, le=10_000_000, description=f"Tokens of each answer, for chat; left out, {ANSWER}."
    )
    tolerance: float = Field(
        TOLERANCE, ge=0, le=1, description="Relative loss of quality that is allowed: 0.02, or 2 %."
    )
    latency: float | None = Field(
        None, gt=0, le=1e9, description="Seconds that a request, an update or a batch may take; left out, any."
    )
    effort: Effort = Field("medium", description="Most effort that is tolerated.")
    stack: tuple[str, ...] = Field((), max_length=24, description="Techniques in use, or asked about.")


def of_body(question: GuideQuestion, own: Sequence[Machine] = ()) -> Situation:
    """The situation that is asked about.

    Args:
        question: as it was given.
        own: the team's devices.

    Raises:
        Invalid: every field that is wrong, with what would do.
    """
    problems: list[Problem] = []
    model = _collected(problems, lambda: _model(question))
    device = _collected(problems, lambda: _device(question, own))
    words = [one.word for one in techniques()]
    for place, word in enumerate(question.stack):
        if word not in words:
            near = closest(word, words)
            said = f"{word[:80]!r} is no technique here." + (f" Did you mean {near!r}?" if near else "")
            problems.append(Problem(f"stack.{place}", "unknown_choice", said, f"One of {', '.join(words)}."))
    if problems or model is None or device is None:
        raise Invalid.of(problems)
    # What was left out stays left out, so that the answer can say how it was taken.
    left = {"model", "config", "device", "memory"}
    given = {
        name: value
        for name, value in question.model_dump(exclude=left, exclude_unset=True).items()
        if value is not None
    }
    return Situation.model_validate({**given, "model": model, "device": device, "budget": question.memory})


def of_address(given: Mapping[str, str], own: Sequence[Machine] = ()) -> Situation:
    """A question as an address has it: text throughout, memory as "24 GiB", latency as "50 ms", tolerance as "1 %", stack by commas.

    Raises:
        Invalid: every field that is wrong, with what would do.
    """
    return of_body(asked(given), own)


def asked(given: Mapping[str, str]) -> GuideQuestion:
    """The question of an address.

    Raises:
        Invalid: fields that cannot be read, with what would do.
    """
    said: dict[str, Any] = {
        name: value for name, value in filled(given, GuideQuestion).items() if name != "stack" or value
    }
    if "memory" in said:
        said["memory"] = f"{amount_of('memory', said['memory'], 'B'):.0f}"
    if "latency" in said:
        said["latency"] = repr(amount_of("latency", said["latency"], "s"))
    if said.get("tolerance", "").rstrip().endswith("%"):
        percent = amount(said["tolerance"].rstrip().removesuffix("%"), "1")
        said["tolerance"] = repr(percent / 100) if percent is not None else said["tolerance"]
    config, stack = said.pop("config", None), said.pop("stack", None)
    try:
        question = GuideQuestion.model_validate_strings(said)
    except ValidationError as error:
        raise Invalid.of(explain(error.errors(), said, GuideQuestion)) from None
    more: dict[str, Any] = {}
    if stack is not None:
        more["stack"] = tuple(word.strip() for word in stack.split(",") if word.strip())
    if config is not None:
        more["config"] = _object(config)
    return GuideQuestion.model_validate({**question.model_dump(exclude_unset=True), **more}) if more else question


@cache
def image_models() -> tuple[ImageModel, ...]:
    """Networks over images with known sizes; parameters and operations as torchvision has them, activations as arXiv 2003.13678."""
    held = json.loads(IMAGES.read_text(encoding="utf-8"))
    return tuple(ImageModel.model_validate(one) for one in held["models"])


@cache
def of_catalogue() -> dict[str, Model]:
    """Decoders that can be measured here as they are, by their labels."""
    return decoders()


def names(task: Task | None = None) -> tuple[str, ...]:
    """Models that can be asked about, those for a task alone."""
    decoders = (*(one.name for one in known.models()), *of_catalogue())
    images = tuple(one.name for one in image_models())
    if task is None or PHASES[task] == "training":
        return (*decoders, *images)
    return images if task == "classify" else decoders


def _model(question: GuideQuestion) -> AnyModel:
    if (question.model is None) == (question.config is None):
        both = "cannot stand beside config." if question.model else "or config is missing."
        raise Invalid.of([Problem("model", "missing", both, f"One of {', '.join(names())}; or config instead.")])
    if question.config is not None:
        try:
            _, anatomy = known.essential(question.config)
        except Invalid as wrong:
            raise Invalid.of([one._replace(field=f"config.{one.field}") for one in wrong.problems]) from None
        return Decoder(name=f"a {anatomy.family} model", anatomy=anatomy)
    name = question.model or ""
    published = known.find(name)
    if published is not None:
        return Decoder(name=published.name, anatomy=families.read(published.config))
    if name in of_catalogue():
        return Decoder(name=name, anatomy=anatomy_of(of_catalogue()[name]))
    for one in image_models():
        if one.name == name:
            return one
    near = closest(name, names())
    said = f"{name[:80]!r} is not known here." + (f" Did you mean {near!r}?" if near else "")
    raise Invalid.of([Problem("model", "unknown_choice", said, f"One of {', '.join(names())}; or config instead.")])


def _device(question: GuideQuestion, own: Sequence[Machine]) -> Machine:
    # Machines of some classes of processors differ in memory, so that it is the question's.
    return machines.machine(question.device, own) or machines.of_title(question.device, question.memory)


def _collected(problems: list[Problem], find: Callable[[], Found]) -> Found | None:
    """What is found; what is refused joins the other problems."""
    try:
        return find()
    except Invalid as refused:
        problems.extend(refused.problems)
        return None


def _object(text: str) -> dict[str, JsonValue]:
    hint = "The content of config.json."
    try:
        held = read(text.encode())
    except (Malformed, Unfit) as error:
        raise Invalid.of([Problem("config", "malformed_json", f"{error}", hint)]) from None
    if not isinstance(held, dict):
        raise Invalid.of([Problem("config", "dict_type", "must be a JSON object.", hint)])
    return held


def listed(own: Iterable[Machine]) -> list[str]:
    """Devices that can be asked about, the team's own first."""
    mine = [one.title for one in own]
    return [*mine, *(title for title in machines.titles() if title not in mine)]
