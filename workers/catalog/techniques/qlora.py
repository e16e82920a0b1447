"""QLoRA: LoRA on a frozen model whose linear layers keep their weights in NF4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import MEMORY_PEAK_ALLOCATED
from workers.catalog.technique import NOTED, TRAINING, Evidence, Expectation, Requires, Technique, Verified, told
from workers.catalog.techniques import adapters, linears, nf4
from workers.catalog.techniques.precision import DTYPES

if TYPE_CHECKING:
    from torch import nn

QLORA = Reference("Dettmers et al. 2023, QLoRA", "https://arxiv.org/abs/2305.14314")


class Qlora(Technique):
    technique: Literal["qlora"] = "qlora"
    title = "QLoRA"
    summary = "Trains low-rank adapters beside linear layers whose frozen weights are in NF4 and are dequantised for each product."
    family = "training"
    order = 35
    on_fake_tensors = False
    requires = Requires(phases=TRAINING, workloads=frozenset({"train_step"}), packages=("peft", "bitsandbytes"))
    # A model of 65 billion parameters: below 48 GB instead of above 780 GB in 16 bits.
    expected = (Expectation(MEMORY_PEAK_ALLOCATED, 0.0615, 0.0615, QLORA),)

    rank: int = Field(16, ge=1, le=1_024, description="Inner dimension of an adapter.")
    alpha: int = Field(32, ge=1, le=4_096, description="An adapter's output is multiplied by alpha over rank.")
    targets: adapters.Targets = Field(
        "all",
        description="Linear layers with adapters: all but the one that gives the scores, or those of attention. All of them are "
        "quantised.",
    )
    compute_dtype: Literal["bf16", "fp16", "fp32"] = Field("bf16", description="Format in which products are computed.")
    double_quantization: bool = Field(True, description="Quantise the scales too: 0.4 bits less per weight.")

    def transform(self, model: nn.Module) -> nn.Module:
        layers = adapters.chosen(model, self.title, self.targets)
        frozen = linears.inner(model, self.title)
        for name, linear in frozen.items():
            layer: Any = nf4.quantised(linear, self.compute_dtype, double=self.double_quantization)
            # The packed CPU kernel has no backward pass, and weights once packed for an evaluation stay so.
            layer.support_avx512bf16_for_cpu = False
            model.set_submodule(name, layer.to(linear.weight.device))
        setattr(model, NOTED, {**getattr(model, NOTED, {}), "quantised_layers": len(frozen)})
        return adapters.attach(model, layers, rank=self.rank, alpha=self.alpha)

    def product_dtypes(self) -> frozenset[str]:
        # Adapters stay in fp32.
        return frozenset({DTYPES[self.compute_dtype], "float32"})

    def proof(self, evidence: Evidence) -> Verified:
        if reason := adapters.wrong(evidence):
            return Verified("fell_back", reason)
        stored = evidence.weight_dtypes.get("uint8", 0)
        # The backward pass dequantises too; products of the forward pass alone say that every layer took part.
        seen = {name: calls for name, calls in evidence.foreign.items() if "4bit" in name and "gem" in name}
        due = int(evidence.facts.get("quantised_layers", 0)) * int(evidence.facts.get("micro_batches", 1))
        if not stored or not due or sum(seen.values()) < due:
            return Verified(
                "fell_back",
                f"Weights in 4 bits: {stored:,} bytes. Products of 4-bit weights in one step: {told(seen)}; {due} calls were due.",
            )
        return Verified(
            "as_asked",
            f"{int(evidence.facts['trained']):,} parameters of adapters are trained beside {stored:,} bytes of weights in 4 bits. "
            f"Their products in one step: {told(seen)}.",
        )
