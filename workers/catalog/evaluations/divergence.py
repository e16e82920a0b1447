"""Divergence: how far the variant's output distributions are from the baseline's. Needs no labels, works for any model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.evaluation import Evaluation, Outputs, Scores, Scoring
from workers.catalog.evaluations import data
from workers.catalog.metrics import QUALITY_AGREEMENT, QUALITY_KL
from workers.catalog.workload import Bench, Workload
from workers.catalog.workloads import caching

if TYPE_CHECKING:
    import numpy as np
    import torch

SEED = 1_000_003
"""Keeps the evaluation's inputs apart from the workload's."""
PROMPT = 32
"""Tokens of a prompt."""
COMPARED = 8
"""Last positions of a prompt that are compared: positions of one prompt are alike, so many prompts say more than long ones."""
BATCH = 8
"""Prompts or samples of a batch, the same in every arm."""


class Divergence(Evaluation):
    name: Literal["divergence"] = "divergence"
    title = "Divergence from the baseline"
    summary = "KL divergence and top-1 agreement between the outputs of variant and baseline on the same inputs."
    scorings = (
        Scoring(QUALITY_KL, "divergence", 0.01, "The perplexity of the baseline's own words rises by 1 % at most."),
        Scoring(QUALITY_AGREEMENT, "agreement", 0.01, "Fewer than one answer in a hundred is another one."),
    )

    items: int = Field(256, ge=8, le=4_096, description="Positions (decoders) or samples (classifiers) compared.")

    @property
    def reach(self) -> int:
        return PROMPT

    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """``log_probabilities`` [N, V] in float32, and the prompt [N] of each."""
        import numpy as np
        import torch

        rows: list[np.ndarray] = []
        training = bench.model.training
        bench.model.eval()
        decoder = bench.declared.kind == "decoder"
        through_cache = caching.lossy(bench.options("generation_options"))
        each = COMPARED if decoder else 1
        with torch.inference_mode(), bench.step_context():
            for batch in self._batches(bench, -(-self.items // each)):
                if through_cache:
                    chosen = caching.logits(bench, batch["input_ids"], PROMPT - COMPARED)
                else:
                    scores = bench.declared.logits(bench.model, batch)
                    chosen = scores[:, -COMPARED:] if decoder else scores
                rows.append(chosen.float().log_softmax(-1).flatten(0, -2).cpu().numpy())
        bench.model.train(training)
        found = np.concatenate(rows)[: self.items]
        return {"log_probabilities": found, "prompt": np.arange(len(found)) // each}

    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        """Per item: KL(baseline || candidate) in nats, and 1 where the most likely output is the same, else 0."""
        import numpy as np

        old, new = baseline["log_probabilities"], candidate["log_probabilities"]
        kl = (np.exp(old) * (old - new)).sum(-1, dtype=np.float64)
        agree = (old.argmax(-1) == new.argmax(-1)).astype(np.float64)
        # Not negative but for rounding.
        found = {QUALITY_KL.name: np.maximum(kl, 0.0), QUALITY_AGREEMENT.name: agree}
        return {name: Scores(values, clusters=baseline["prompt"]) for name, values in found.items()}

    def _batches(self, bench: Bench, count: int) -> Iterator[dict[str, torch.Tensor]]:
        """So many prompts or samples in batches: of the model's held-out data, each once, where it has some; else random."""
        import numpy as np

        real = bench.declared.labelled("test")
        if real is None:
            for start in range(0, count, BATCH):
                seed = bench.seed + SEED + start // BATCH
                yield bench.declared.inputs(bench.model, batch_size=BATCH, length=PROMPT, seed=seed)
            return
        decoder = bench.declared.kind == "decoder"
        there = len(real.inputs) // PROMPT if decoder else len(real.inputs)
        chosen = np.random.default_rng(bench.seed + SEED).permutation(there)[:count]
        for start in range(0, len(chosen), BATCH):
            some = chosen[start : start + BATCH]
            if decoder:
                yield data.tokens(bench, real.inputs[some[:, None] * PROMPT + np.arange(PROMPT)])
            else:
                yield data.samples(bench, real.inputs[some])
