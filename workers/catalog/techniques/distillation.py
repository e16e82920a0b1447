"""Distillation: a smaller model of the same architecture is trained to answer as the loaded one does, and takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.compression import distilling, shrinking
from workers.catalog.compression.distilling import Course
from workers.catalog.compression.shrinking import Dimension
from workers.catalog.declared import Reference
from workers.catalog.evaluation import has_data
from workers.catalog.metrics import LATENCY, MEMORY_WEIGHTS
from workers.catalog.model import Model
from workers.catalog.technique import (
    FORWARD_WORKLOADS,
    INFERENCE,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
)

if TYPE_CHECKING:
    from torch import nn

DISTILBERT = Reference("Sanh et al. 2019, DistilBERT", "https://arxiv.org/abs/1910.01108")

DISTILLED = "distilled"
"""Attribute of the student, and the fact that follows from it: how its training went."""


class Distillation(Technique):
    technique: Literal["distillation"] = "distillation"
    title = "Distillation"
    summary = "Cuts a student out of the model and trains it, on the data the model was trained on, to answer alike: a smaller model that keeps more of the quality."
    family = "compression"
    order = 22
    on_fake_tensors = False
    conflicts = frozenset({"structured_pruning"})
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS, packages=("torch_pruning",))
    expected = (
        # Half of BERT's layers: 66 of 110 million parameters, and 60 % faster.
        Expectation(MEMORY_WEIGHTS, 0.60, 0.60, DISTILBERT),
        Expectation(LATENCY, 0.62, 0.63, DISTILBERT),
    )

    share: float = Field(0.5, gt=0, lt=1, description="How much the student keeps of the dimension.")
    dimension: Dimension = Field(
        "depth",
        description="Where the student is smaller. depth: fewer blocks; heads: fewer attention heads; width: fewer units of "
        "feed-forward layers (transformers), fewer channels and units of all layers (others).",
    )
    temperature: float = Field(
        2.0,
        ge=1,
        le=100,
        description="Softens the teacher's answers, so that unlikely ones tell the student something.",
    )
    alpha: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Weight of the teacher's answers; the right ones have the rest. 0 trains the student without a teacher.",
    )
    steps: int = Field(
        200, ge=1, le=1_000_000, description="Training steps: 8 windows of 128 tokens each, or 64 samples."
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest learning rate of the student's AdamW.")

    def unsuited(self, model: Model) -> str | None:
        if not has_data(model):
            return f"{self.title} trains on the data a model was trained on; {model.title} comes with none."
        return shrinking.unsuited(model, self.dimension, "weights", self.title)

    def convert(self, declared: Model, model: nn.Module, seed: int) -> nn.Module:
        import copy

        student = shrinking.shrink(
            declared,
            copy.deepcopy(model),
            dimension=self.dimension,
            amount=1 - self.share,
            by="activations" if declared.attends else "weights",
            seed=seed,
            title=self.title,
        )
        course = Course(self.steps, self.learning_rate, self.temperature, self.alpha, seed)
        setattr(student, DISTILLED, distilling.distil(declared, model, student, course))
        return student

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return {
            DISTILLED: getattr(model, DISTILLED, None),
            **shrinking.inspected(model, self.dimension, self.title),
        }

    def proof(self, evidence: Evidence) -> Verified:
        if wrong := shrinking.missed(evidence.facts, self.dimension, 1 - self.share):
            return Verified("fell_back", wrong)
        trained = evidence.facts.get(DISTILLED)
        if trained is None or trained.steps < self.steps or trained.taught != (self.alpha > 0):
            return Verified("fell_back", f"The student was not trained as asked: {trained or 'not at all'}.")
        course = f"from {trained.first:.3f} to {trained.last:.3f} nats in {trained.steps:,} steps"
        if not trained.last < trained.first:
            return Verified("fell_back", f"The student learnt nothing: its loss went {course}.")
        teacher = "by a teacher" if trained.taught else "without a teacher"
        return Verified(
            "as_asked",
            f"{shrinking.told(evidence.facts, self.dimension)} Trained {teacher}, the loss going {course}.",
        )
