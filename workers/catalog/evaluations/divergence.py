"""Divergence: how far the variant's output distributions are from the baseline's. Needs no labels, works for any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.evaluation import Evaluation
from workers.catalog.metrics import QUALITY_AGREEMENT, QUALITY_KL
from workers.catalog.workload import Bench

if TYPE_CHECKING:
    import numpy as np

SEED = 1_000_003
"""Keeps the evaluation's inputs apart from the workload's."""


class Divergence(Evaluation):
    name: Literal["divergence"] = "divergence"
    title = "Divergence from the baseline"
    summary = "KL divergence and top-1 agreement between the outputs of variant and baseline on the same inputs."
    metrics = (QUALITY_KL, QUALITY_AGREEMENT)

    items: int = Field(256, ge=8, le=4_096, description="Positions (decoders) or samples (classifiers) compared.")

    def outputs(self, bench: Bench) -> np.ndarray:
        """Log-probabilities [N, V] on fixed inputs, in float32."""
        import numpy as np
        import torch

        rows: list[np.ndarray] = []
        training = bench.model.training
        bench.model.eval()
        length = min(64, self.items)
        per_batch = length if bench.declared.kind == "decoder" else 8
        with torch.inference_mode(), bench.step_context():
            for index in range(-(-self.items // per_batch)):
                batch = bench.declared.inputs(
                    bench.model,
                    batch_size=1 if bench.declared.kind == "decoder" else per_batch,
                    length=length,
                    seed=bench.seed + SEED + index,
                )
                scores = bench.declared.logits(bench.model, batch).float().log_softmax(-1)
                rows.append(scores.flatten(0, -2).cpu().numpy())
        bench.model.train(training)
        return np.concatenate(rows)[: self.items]

    def score(self, baseline: np.ndarray, candidate: np.ndarray) -> Mapping[str, np.ndarray]:
        """Per item: KL(baseline || candidate) in nats, and 1 where the most likely output is the same, else 0."""
        import numpy as np

        kl = (np.exp(baseline) * (baseline - candidate)).sum(-1, dtype=np.float64)
        agree = (baseline.argmax(-1) == candidate.argmax(-1)).astype(np.float64)
        return {QUALITY_KL.name: kl, QUALITY_AGREEMENT.name: agree}
