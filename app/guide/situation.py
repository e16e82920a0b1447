"""What the guide is asked: a model, what is done with it, on what, within which limits. Strict: what contradicts is refused."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from app.errors import Invalid
from app.frozen import Frozen
from app.planner.machines import Machine
from app.planner.models.anatomy import Anatomy
from workers.catalog.declared import Problem
from workers.catalog.technique import Phase

Task = Literal["train", "finetune", "chat", "prefill", "classify"]
TASKS: dict[Task, str] = {
    "train": "train from scratch",
    "finetune": "fine-tune",
    "chat": "answer prompts token by token",
    "prefill": "read prompts, without answers",
    "classify": "classify images",
}
PHASES: dict[Task, Phase] = {
    "train": "training", "finetune": "training", "chat": "inference", "prefill": "inference", "classify": "inference",
}  # fmt: skip
Effort = Literal["one_line", "low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("one_line", "low", "medium", "high")
"""The least first: a line of code; an afternoon; some days with data for calibration or another engine; training anew."""
ANSWER = 256
"""Tokens of an answer in chat where nothing is said."""
TOLERANCE = 0.02
"""Relative loss of quality that is allowed where nothing is said; the answer says so."""


class Decoder(Frozen):
    """A language model."""

    kind: Literal["decoder"] = "decoder"
    name: str
    anatomy: Anatomy

    @property
    def parameters(self) -> float:
        """All elements."""
        return self.anatomy.parameters

    @property
    def published(self) -> str:
        """Format of the published weights; the usual one where its configuration is silent."""
        return {"float16": "fp16", "float32": "fp32"}.get(self.anatomy.dtype or "bfloat16", "bf16")


class ImageModel(Frozen):
    """A network over images, by its sizes; its float32 weights are what is published."""

    kind: Literal["image"] = "image"
    name: str
    parameters: float = Field(gt=0)
    flops: float = Field(gt=0)
    """Of one image forward, a multiply-add counted as two."""
    activations: float = Field(gt=0)
    """Elements that its convolutions and products put out for one image (as in arXiv 2003.13678)."""
    operators: int = Field(gt=0)
    """Operators called forward."""
    depthwise: bool = False
    """Whether most of what it moves goes through depthwise convolutions, which have no products to speed up."""

    @property
    def published(self) -> str:
        """Format of the published weights."""
        return "fp32"


AnyModel = Annotated[Decoder | ImageModel, Field(discriminator="kind")]


class Weights(Frozen):
    """How much each goal counts in the ranking, relative to the others."""

    time: float = Field(1.0, ge=0, le=10)
    memory: float = Field(0.5, ge=0, le=10)
    quality: float = Field(1.0, ge=0, le=10)
    effort: float = Field(0.3, ge=0, le=10)


class Situation(Frozen):
    """One question to the guide; sizes in base units. What is left out is taken as usual, and the answer says so."""

    task: Task = "chat"
    model: AnyModel
    device: Machine
    devices: int = Field(1, ge=1, le=65_536)
    """Devices of this kind that may work together."""
    batch: int = Field(1, ge=1, le=100_000)
    """Sequences or images at a time; in training, of one update of all devices, which share it."""
    sequence: int = Field(2_048, ge=1, le=10_000_000)
    """Tokens of each sequence or prompt."""
    generated: int = Field(
        default_factory=lambda said: ANSWER if said.get("task") == "chat" else 0, ge=0, le=10_000_000
    )
    """Tokens of each answer; for chat alone."""
    budget: float | None = Field(None, gt=0)
    """Bytes that are free on each device; None for what is usually free."""
    tolerance: float = Field(TOLERANCE, ge=0, le=1)
    """Relative loss of quality that is allowed; 0.01 for a hundredth. Left out, it is assumed, and what exceeds it may still do."""
    latency: float | None = Field(None, gt=0)
    """Seconds that a request, an update or a batch of images may take."""
    effort: Effort = "medium"
    """Most effort that is tolerated."""
    stack: tuple[str, ...] = ()
    """Words of techniques that are in use or asked about; the answer begins from them."""
    weights: Weights = Weights()

    @property
    def phase(self) -> Phase:
        """Training or inference."""
        return PHASES[self.task]

    @property
    def assumes_tolerance(self) -> bool:
        """Whether nobody said what loss of quality is allowed."""
        return "tolerance" not in self.model_fields_set

    @property
    def free(self) -> float:
        """Bytes that may be used on each device."""
        return self.budget if self.budget is not None else self.device.free

    @property
    def tokens(self) -> int:
        """Tokens, or images, that a step reads."""
        return self.batch * (self.sequence if self.model.kind == "decoder" else 1)


def check(situation: Situation) -> None:
    """Refuse a situation whose parts contradict each other.

    Raises:
        Invalid: every contradiction, naming the fields and what would do.
    """
    found = list(_contradictions(situation))
    if found:
        raise Invalid.of(found)


def _contradictions(situation: Situation) -> Iterable[Problem]:
    model, task = situation.model, situation.task
    fitting = [word for word in TASKS if _suits(word, model.kind)]
    if task not in fitting:
        yield Problem(
            "task", "contradiction", f"is {task}, and {model.name} is {'an image' if model.kind == 'image' else 'a language'} model.",
            f"One of {', '.join(fitting)}.",
        )  # fmt: skip
    elif task == "chat" and not situation.generated:
        yield Problem(
            "generated", "missing", "is 0, and chat is about generated tokens.", "At least 1; or task prefill."
        )
    elif task != "chat" and situation.generated:
        yield Problem("generated", "does_not_apply", f"says nothing in task {task}.", "Leave it out; or task chat.")
    if model.kind == "image" and "sequence" in situation.model_fields_set:
        yield Problem(
            "sequence", "does_not_apply", f"says nothing of {model.name}, which reads images.", "Leave it out."
        )
    if situation.budget is not None and situation.budget > situation.device.memory:
        yield Problem(
            "memory", "contradiction", f"is {situation.budget:,.0f} bytes, and {situation.device.title} has {situation.device.memory:,}.",
            "At most what the device has; or a device with more memory.",
        )  # fmt: skip
    if "float32" not in situation.device.peaks:
        yield Problem(
            "device", "missing", "has no peak for float32.", "Operations per second by format, float32 among them."
        )


def _suits(task: Task, kind: str) -> bool:
    return task in ("train", "finetune") or (task == "classify") == (kind == "image")
