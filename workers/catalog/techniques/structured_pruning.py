"""Structured pruning: whole units, heads or blocks are taken out, and what is left are smaller tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.compression import shrinking
from workers.catalog.compression.shrinking import Dimension, Saliency
from workers.catalog.model import Model
from workers.catalog.technique import MODEL_WORKLOADS, Evidence, Requires, Technique, Verified

if TYPE_CHECKING:
    from torch import nn


class StructuredPruning(Technique):
    technique: Literal["structured_pruning"] = "structured_pruning"
    title = "Structured pruning"
    summary = "Takes out the units, attention heads or blocks that matter least, without training again: a smaller model that does less work, at a price in quality."
    family = "compression"
    order = 24
    on_fake_tensors = False
    requires = Requires(workloads=MODEL_WORKLOADS, packages=("torch_pruning",))

    amount: float = Field(0.3, gt=0, lt=1, description="Share that is taken out.")
    dimension: Dimension = Field(
        "width",
        description="width: units of feed-forward layers (transformers), channels and units of all layers (others). heads: attention "
        "heads, with their keys and values. depth: whole blocks.",
    )
    saliency: Saliency = Field(
        "weights",
        description="What goes first: what has the smallest weights, or what adds least to the answers on the model's own training "
        "data (seeded inputs where it has none).",
    )

    def unsuited(self, model: Model) -> str | None:
        return shrinking.unsuited(model, self.dimension, self.saliency, self.title)

    def convert(self, declared: Model, model: nn.Module, seed: int) -> nn.Module:
        return shrinking.shrink(
            declared, model, dimension=self.dimension, amount=self.amount, by=self.saliency, seed=seed, title=self.title
        )

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return shrinking.inspected(model, self.dimension, self.title)

    def proof(self, evidence: Evidence) -> Verified:
        if wrong := shrinking.missed(evidence.facts, self.dimension, self.amount):
            return Verified("fell_back", wrong)
        return Verified("as_asked", shrinking.told(evidence.facts, self.dimension))
