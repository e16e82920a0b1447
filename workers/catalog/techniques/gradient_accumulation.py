"""Gradient accumulation: a batch is taken in micro-batches whose gradients add up before one update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.technique import TRAINING, Evidence, Requires, Technique, Verified

if TYPE_CHECKING:
    from workers.catalog.workload import Workload


class GradientAccumulation(Technique):
    technique: Literal["gradient_accumulation"] = "gradient_accumulation"
    title = "Gradient accumulation"
    summary = "Splits the batch into micro-batches and updates once: activations of one micro-batch at a time, the same gradient."
    family = "training"
    order = 45
    requires = Requires(phases=TRAINING, workloads=frozenset({"train_step"}))

    steps: int = Field(2, ge=2, le=1_024, description="Micro-batches per update; the batch size stays what it is.")

    def misfit(self, workload: Workload) -> str | None:
        batch_size = getattr(workload, "batch_size", 0)
        if batch_size < self.steps:
            return f"A batch of {batch_size} cannot be split into {self.steps} micro-batches."
        return None

    def training_options(self) -> dict[str, Any]:
        return {"micro_batches": self.steps}

    def proof(self, evidence: Evidence) -> Verified:
        taken = int(evidence.facts.get("micro_batches", 1))
        if taken != self.steps:
            return Verified("fell_back", f"The batch was taken in {taken} micro-batches, not {self.steps}.")
        detail = f"The batch was taken in {taken} micro-batches with one update after them."
        if any("BatchNorm" in name for name in evidence.modules):
            detail += " Batch norm sees one micro-batch at a time, so the gradient is not the whole batch's."
        return Verified("as_asked", detail)
