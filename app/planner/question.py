"""What the planner is asked: a model, what is done with it, with which settings, on which device. Strict: nothing is guessed.

The page's address, the body of ``POST /api/v1/plan`` and the options of ``tradespace plan`` are this, field by field.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, JsonValue, ValidationError

from app.errors import Invalid
from app.planner import machines
from app.planner.machines import Machine
from app.planner.memory import mixtures
from app.planner.memory.activations import Loss
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.inference import CACHE_BITS, Inference, Loading
from app.planner.memory.states import BY_WORD as OPTIMIZERS
from app.planner.memory.states import Sharding
from app.planner.memory.training import Training
from app.planner.models import families, gguf, known
from app.planner.models.anatomy import Anatomy
from app.study.amounts import amount, example
from workers.catalog.declared import Exact, Problem, closest
from workers.catalog.strictjson import Malformed, Unfit, read
from workers.catalog.validation import explain

Phase = Literal["inference", "training", "lora", "qlora"]
PHASES: dict[Phase, str] = {
    "inference": "Inference",
    "training": "Full fine-tuning",
    "lora": "LoRA",
    "qlora": "QLoRA",
}
Computing = Literal["bf16", "fp16", "fp32"]
MOST_SEQUENCES = 100_000
MOST_TOKENS = 10_000_000
OF_QLORA = "nf4_double"
"""Format of the frozen weights of QLoRA where nothing is said."""
OF_TRAINING = frozenset(
    {"optimizer", "master", "accumulating", "fused", "checkpointing", "loss", "rank", "upcast", "sharding"}
)
OF_INFERENCE = frozenset({"generated", "cache", "chunk", "loading", "stored_bytes"})
OF_ADAPTERS = frozenset({"rank"})
OF_QUANTISED = frozenset({"upcast"})
OF_FULL = frozenset({"master"})


FROZEN = tuple(word for word, one in FORMATS.items() if one.is_quantised and one.mixture is None)
"""Formats of weights that adapters are trained upon."""


class Question(Exact):
    """One question; what is left out is as usual, and the answer says what that was."""

    model: Annotated[str | None, AfterValidator(known.proper)] = Field(
        None, max_length=200, description="Name of a well-known model, for example Llama-3.1-8B."
    )
    config: dict[str, JsonValue] | None = Field(
        None, description="Instead of a name: the model's config.json, or its fields that matter."
    )
    phase: Phase = Field("inference", description="What is done with the model.")
    batch: int = Field(1, ge=1, le=MOST_SEQUENCES, description="Sequences that a device takes at a time.")
    sequence: int = Field(
        2_048, ge=1, le=MOST_TOKENS, description="Tokens of each sequence; in inference, of each prompt."
    )
    generated: int = Field(256, ge=0, le=MOST_TOKENS, description="Tokens of each answer.")
    weights: str | None = Field(
        None, description="Format of the layers' weights; left out, that in which is computed, for QLoRA nf4_double."
    )
    computing: Computing = Field("bf16", description="Format in which is computed, and of what is not quantised.")
    optimizer: str | None = Field(
        None,
        description="Optimizer; left out, AdamW with moments in the format of what is trained, as torch keeps them.",
    )
    master: bool = Field(False, description="Mixed precision: float32 weights and gradients besides.")
    accumulating: bool = Field(
        False, description="Several batches make up one update: gradients of the earlier ones lie there already."
    )
    fused: bool = Field(
        False,
        description="Whether the optimizer's step is one kernel; torch's own takes a temporary list of tensors on a GPU.",
    )
    checkpointing: bool | None = Field(
        None,
        description="Keep the layers' inputs alone and compute the rest again; left out, as recipes of LoRA and QLoRA do.",
    )
    flash: bool = Field(True, description="Attention that never keeps its scores (flash, or memory-efficient).")
    loss: Loss = Field("naive", description="How cross-entropy is computed: naive, in_place, or chunked.")
    upcast: bool = Field(
        False,
        description="QLoRA: all that is not quantised in float32, as PEFT's prepare_model_for_kbit_training makes it.",
    )
    rank: int = Field(16, ge=1, le=65_536, description="Of the adapters on all linear layers.")
    cache: str | None = Field(None, description="Format of the KV cache; left out, that in which is computed.")
    chunk: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="Tokens of prompts computed at a time; left out, all."
    )
    loading: Loading | None = Field(
        None, description="How quantised weights come to be there; left out, as is usual for the format."
    )
    stored_bytes: int | None = Field(
        None,
        ge=1,
        le=2**60,
        description="Bytes of all weights, as the header of a GGUF file says them; of no other question.",
    )
    sharding: Sharding = Field("none", description="How several devices share the states of training.")
    devices: int = Field(
        1,
        ge=1,
        le=65_536,
        description="Devices that work on it together; in inference each has its share of every matrix (tensor parallel).",
    )
    device: str | None = Field(None, max_length=200, description="Title of a datasheet, for example GeForce RTX 4060.")
    memory: int | None = Field(
        None,
        ge=2**20,
        le=2**60,
        description="Bytes that are free on each device, or 7.6 GiB; left out, all that it has.",
    )

    @property
    def recomputes(self) -> bool:
        """Whether layers are computed again in the backward pass."""
        return self.phase in ("lora", "qlora") if self.checkpointing is None else self.checkpointing

    @property
    def kept_optimizer(self) -> str:
        """The optimizer; torch's own keeps moments in the format of the weights, and adapters and master copies are float32."""
        short = self.phase == "training" and not self.master and self.kept_weights in ("bf16", "fp16")
        return self.optimizer or ("adamw_bf16" if short else "adamw")

    @property
    def kept_cache(self) -> str:
        """Format of the KV cache."""
        return self.cache or self.computing

    @property
    def kept_weights(self) -> str:
        """Format of the layers' weights."""
        return self.weights or (OF_QLORA if self.phase == "qlora" else self.computing)


class Read(NamedTuple):
    """A question that can be answered, and what it is about."""

    question: Question
    name: str
    """Of the model."""
    source: str | None
    """Where its configuration stands; None for one that was given."""
    anatomy: Anatomy
    machine: Machine | None
    own: Sequence[Machine]
    """The team's devices, which the answer is also about."""
    header_bytes: int | None = None
    """Of a GGUF file, before its tensors."""


def of_body(question: Question, own: Sequence[Machine] = ()) -> Read:
    """Check what single fields do not show.

    Args:
        question: as it was given.
        own: the team's devices, which may be named too.

    Raises:
        Invalid: every field that is wrong, with what would do.
    """
    problems = [*_models(question), *_contradictions(question), *_words(question)]
    if question.stored_bytes is not None:
        problems.append(
            Problem("stored_bytes", "does_not_apply", "is what a GGUF file's header says.", "Ask about the file.")
        )
    question, machine, wrong = _placed(question, own)
    if problems := [*problems, *wrong]:
        raise Invalid.of(problems)
    if question.config is not None:
        try:
            config, anatomy = known.essential(question.config)
        except Invalid as refused:
            inside = [one._replace(field=f"config.{one.field}") for one in refused.problems]
            raise Invalid.of(inside) from None
        question = question.model_copy(update={"config": config})
        return _shareable(Read(question, f"a {anatomy.family} model", None, anatomy, machine, own))
    assert question.model is not None
    found = known.find(question.model)
    assert found is not None  # Its words were looked at.
    return _shareable(Read(question, found.name, found.url, families.read(found.config), machine, own))


def of_header(question: Question, header: bytes, own: Sequence[Machine] = ()) -> Read:
    """A question about the model of a GGUF file, whose weights are as large as its header says.

    Args:
        question: without model and config.
        header: the beginning of the file.
        own: the team's devices.

    Raises:
        Invalid: every field that is wrong, with what would do; or the header cannot be read.
    """
    given = [name for name in ("model", "config", "weights", "stored_bytes") if getattr(question, name) is not None]
    problems = [Problem(name, "contradiction", "stands in the file.", "Leave it out.") for name in given]
    if question.phase != "inference":
        problems.append(
            Problem("phase", "contradiction", f"is {question.phase}; a GGUF file is for inference.", "inference.")
        )
    question, machine, wrong = _placed(question, own)
    if problems := [*problems, *_contradictions(question), *_words(question), *wrong]:
        raise Invalid.of(problems)
    found = gguf.read(header)
    most = mixtures.of_tensors(next(iter(found.weights)))
    question = question.model_copy(update={"stored_bytes": found.weight_bytes, "weights": most})
    name = found.name or f"a {found.architecture} model"
    return _shareable(Read(question, name, None, found.anatomy, machine, own, found.header_bytes))


def _shareable(read: Read) -> Read:
    """Refuse more devices than there are heads, which tensor parallelism deals out whole.

    Raises:
        Invalid: there are more.
    """
    devices, heads = read.question.devices, read.anatomy.heads
    if read.question.phase == "inference" and devices > heads:
        said = f"is {devices:,}, and the model has {heads:,} heads to share."
        raise Invalid.of([Problem("devices", "contradiction", said, "At most as many devices as heads.")])
    return read


def _placed(question: Question, own: Sequence[Machine]) -> tuple[Question, Machine | None, list[Problem]]:
    """The device that a question names, under its full title."""
    if question.device is None:
        return question, None, []
    try:
        machine = machines.of_title(question.device, question.memory, own)
    except Invalid as refused:
        return question, None, list(refused.problems)
    wrong = []
    if question.memory is not None and question.memory > machine.memory:
        said = f"is {question.memory:,} bytes, and {machine.title} has {machine.memory:,}."
        wrong.append(Problem("memory", "contradiction", said, "At most what the device has; or no device."))
    return question.model_copy(update={"device": machine.title}), machine, wrong


def of_address(given: Mapping[str, str], own: Sequence[Machine] = (), header: bytes | None = None) -> Read:
    """A question as an address has it: every value is text, and an empty one was not given; memory may be "24 GiB".

    Args:
        given: names and values.
        own: the team's devices.
        header: the beginning of a GGUF file, if the question is about one.

    Raises:
        Invalid: every field that is wrong, with what would do.
    """
    said: dict[str, Any] = dict(filled(given, Question))
    config = said.pop("config", None)
    if "memory" in said:
        said["memory"] = f"{amount_of('memory', said['memory'], 'B'):.0f}"
    try:
        question = Question.model_validate_strings(said)
    except ValidationError as error:
        raise Invalid.of(explain(error.errors(), said, Question)) from None
    if config is not None:
        try:
            held = read(config.encode())
        except (Malformed, Unfit) as error:
            raise Invalid.of([Problem("config", "malformed_json", f"{error}", "The content of config.json.")]) from None
        if not isinstance(held, dict):
            raise Invalid.of([Problem("config", "dict_type", "must be a JSON object.", "The content of config.json.")])
        question = Question.model_validate({**question.model_dump(exclude_unset=True), "config": held})
    return of_body(question, own) if header is None else of_header(question, header, own)


def filled(given: Mapping[str, str], model: type[BaseModel]) -> Mapping[str, str]:
    """What was given: a field that may be left out was, where it is empty, as forms send it."""
    fields = model.model_fields
    return {
        name: value
        for name, value in given.items()
        if value.strip() or name not in fields or fields[name].default is not None
    }


def amount_of(field: str, text: str, unit: str) -> float:
    """An amount as a person writes it, in base units.

    Raises:
        Invalid: it is none.
    """
    found = amount(text, unit)
    if found is None:
        raise Invalid.of([Problem(field, "invalid_amount", f"{text[:80]!r} is no amount.", example(unit))])
    return found


def once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The names and values of an address.

    Raises:
        Invalid: a name is given twice.
    """
    names = [name for name, _ in pairs]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise Invalid.of(
            [Problem(name[:80], "duplicate_key", "is given twice.", "Give each field once.") for name in twice]
        )
    return dict(pairs)


def training(question: Question, on_gpu: bool = True) -> Training:
    """The training step of a question."""
    return Training(
        batch=question.batch, sequence=question.sequence, weights=question.kept_weights, computing=question.computing,
        master=question.master, optimizer=question.kept_optimizer, accumulating=question.accumulating, fused=question.fused, foreach=on_gpu, checkpointing=question.recomputes,
        flash=question.flash, loss=question.loss, upcast=question.upcast, rank=question.rank if question.phase in ("lora", "qlora") else None,
        sharding=question.sharding, devices=question.devices, on_gpu=on_gpu,
    )  # fmt: skip


def inference(question: Question, on_gpu: bool = True) -> Inference:
    """The inference of a question."""
    return Inference(
        batch=question.batch, prompt=question.sequence, generated=question.generated, chunk=question.chunk,
        weights=question.kept_weights, computing=question.computing, cache=question.kept_cache, flash=question.flash,
        loading=question.loading, stored_bytes=question.stored_bytes, devices=question.devices, on_gpu=on_gpu,
    )  # fmt: skip


def foreign(phase: Phase) -> frozenset[str]:
    """Fields that say nothing in a phase."""
    if phase == "inference":
        return OF_TRAINING
    return OF_INFERENCE | {"training": OF_ADAPTERS | OF_QUANTISED, "lora": OF_FULL | OF_QUANTISED}.get(phase, OF_FULL)


def _models(question: Question) -> Iterable[Problem]:
    if (question.model is None) == (question.config is None):
        both = "cannot stand beside config." if question.model else "or config is missing."
        yield Problem("model", "missing", both, f"One of {', '.join(known.by_name())}; or config instead.")


def _contradictions(question: Question) -> Iterable[Problem]:
    said = question.model_fields_set
    for field in sorted(said & foreign(question.phase)):
        if getattr(question, field) not in (Question.model_fields[field].default, False):
            yield Problem(
                field, "does_not_apply", f"says nothing in phase {question.phase}.", "Leave it out, or choose another phase."
            )  # fmt: skip
    quantised = question.kept_weights in FORMATS and FORMATS[question.kept_weights].is_quantised
    if question.phase in ("training", "lora") and quantised:
        yield Problem(
            "weights", "contradiction", f"{question.weights} is quantised; phase {question.phase} keeps whole weights.",
            "bf16, fp16 or fp32; phase qlora trains adapters on quantised weights.",
        )  # fmt: skip
    if question.phase == "qlora" and question.kept_weights in FORMATS and not quantised:
        yield Problem(
            "weights", "contradiction", f"{question.weights} is not quantised, which QLoRA is about.",
            f"One of {', '.join(FROZEN)}; or phase lora.",
        )  # fmt: skip
    if question.phase == "qlora" and quantised and question.kept_weights not in FROZEN:
        yield Problem(
            "weights", "contradiction", f"{question.weights} cannot be trained upon.", f"One of {', '.join(FROZEN)}."
        )
    if question.phase != "inference":
        if question.sharding == "none" and question.devices > 1:
            yield Problem(
                "sharding", "contradiction", f"is none with {question.devices} devices.", "ddp, zero1, zero2 or zero3."
            )
        if question.sharding != "none" and question.devices == 1:
            yield Problem("devices", "contradiction", f"is 1 with sharding {question.sharding}.", "At least 2.")


def _words(question: Question) -> Iterable[Problem]:
    if question.model is not None and known.find(question.model) is None:
        yield _unknown("model", question.model, known.by_name(), "; or its config.json as config.")
    if question.kept_weights not in FORMATS:
        yield _unknown("weights", question.kept_weights, FORMATS)
    if question.kept_optimizer not in OPTIMIZERS:
        yield _unknown("optimizer", question.kept_optimizer, OPTIMIZERS)
    if question.kept_cache not in CACHE_BITS:
        yield _unknown("cache", question.kept_cache, CACHE_BITS)


def _unknown(field: str, given: str, choices: Iterable[str], more: str = ".") -> Problem:
    near = closest(given, choices)
    meant = f" Did you mean {near!r}?" if near else ""
    return Problem(
        field,
        "unknown_choice",
        f"{given[:80]!r} is not one of the choices.{meant}",
        f"One of {', '.join(choices)}{more}",
    )
