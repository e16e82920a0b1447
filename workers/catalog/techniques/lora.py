"""LoRA: the model is frozen, and low-rank adapters beside its linear layers are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_PEAK_ALLOCATED
from workers.catalog.technique import TRAINING, Evidence, Expectation, Requires, Technique, Verified
from workers.catalog.techniques import adapters

if TYPE_CHECKING:
    from torch import nn

LORA = Reference("Hu et al. 2021, LoRA", "https://arxiv.org/abs/2106.09685")


class Lora(Technique):
    technique: Literal["lora"] = "lora"
    title = "LoRA"
    summary = "Freezes the model and trains low-rank adapters beside its linear layers: gradients and optimizer states of those alone."
    family = "training"
    order = 35
    requires = Requires(phases=TRAINING, workloads=frozenset({"train_step"}), packages=("peft",))
    conflicts = frozenset({"qlora"})
    expected = (
        # GPT-3 175B with Adam, rank 4: 350 GB instead of 1.2 TB (up to two thirds less is the general statement), 25 % faster.
        Expectation(MEMORY_PEAK_ALLOCATED, 0.29, 0.34, LORA),
        Expectation(LATENCY, 0.80, 0.80, LORA),
    )

    rank: int = Field(16, ge=1, le=1_024, description="Inner dimension of an adapter.")
    alpha: int = Field(32, ge=1, le=4_096, description="An adapter's output is multiplied by alpha over rank.")
    targets: adapters.Targets = Field(
        "all", description="Linear layers with adapters: all but the one that gives the scores, or those of attention."
    )

    def transform(self, model: nn.Module) -> nn.Module:
        layers = adapters.chosen(model, self.title, self.targets)
        return adapters.attach(model, layers, rank=self.rank, alpha=self.alpha)

    def product_dtypes(self) -> frozenset[str]:
        # Adapters stay in fp32 beside shorter weights.
        return frozenset({"float32"})

    def proof(self, evidence: Evidence) -> Verified:
        if reason := adapters.wrong(evidence):
            return Verified("fell_back", reason)
        trained = int(evidence.facts["trained"])
        return Verified("as_asked", f"{trained:,} parameters of adapters are trained, and nothing else has a gradient.")
