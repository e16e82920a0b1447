"""Top-1 accuracy of classifiers on what was held out from their training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.evaluation import Evaluation, Outputs, Scores, Scoring, has_data
from workers.catalog.evaluations import data
from workers.catalog.metrics import QUALITY_TOP1
from workers.catalog.model import Model, Unsupported
from workers.catalog.technique import ModelKind
from workers.catalog.workload import Bench, Workload

if TYPE_CHECKING:
    import numpy as np

BATCH = 64
"""Samples of a batch, the same in every arm."""
CLASSIFIERS: frozenset[ModelKind] = frozenset({"image", "vector"})


class Accuracy(Evaluation):
    name: Literal["accuracy"] = "accuracy"
    title = "Accuracy"
    summary = "Top-1 accuracy on held-out samples with their right classes."
    kinds = CLASSIFIERS
    scorings = (
        Scoring(QUALITY_TOP1, "share", 0.01, "One sample in a hundred; MLPerf Inference lets a model lose 1 % too."),
    )

    samples: int = Field(10_000, ge=32, le=1_000_000, description="Held-out samples that are classified, at most.")

    def misfit(self, model: Model, workload: Workload) -> str | None:
        return None if has_data(model) else f"{model.title} comes with no labelled samples."

    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """Of each sample the most likely class, ``answer`` [N], and the ``right`` one [N].

        Raises:
            Unsupported: there are no labelled samples.
        """
        import numpy as np
        import torch

        held_out = data.held_out(bench.declared)
        if held_out.labels is None:
            raise Unsupported(f"{bench.declared.label} comes with samples, and without their classes.")
        inputs, labels = held_out.inputs[: self.samples], held_out.labels[: self.samples]
        answers: list[np.ndarray] = []
        training = bench.model.training
        bench.model.eval()
        with torch.inference_mode(), bench.step_context():
            for start in range(0, len(inputs), BATCH):
                batch = data.samples(bench, inputs[start : start + BATCH], labels[start : start + BATCH])
                answers.append(bench.declared.logits(bench.model, batch).argmax(-1).cpu().numpy())
        bench.model.train(training)
        return {"answer": np.concatenate(answers), "right": labels}

    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        old, new = ((each["answer"] == each["right"]).astype("float64") for each in (baseline, candidate))
        return {QUALITY_TOP1.name: Scores(new, old)}
