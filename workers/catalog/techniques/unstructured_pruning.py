"""Unstructured pruning: the smallest weights are set to zero, wherever they are; shapes stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.compression import zeros
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Requires, Technique, Verified

if TYPE_CHECKING:
    from torch import nn

READABLE = frozenset({"int8_weight_only"})
"""Quantisations after which zeros are still zeros that can be counted."""


class UnstructuredPruning(Technique):
    technique: Literal["unstructured_pruning"] = "unstructured_pruning"
    title = "Unstructured pruning"
    summary = "Sets the smallest weights to zero without training again; says what that costs in quality, and brings no speed with dense kernels."
    family = "compression"
    order = 26
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS)

    amount: float = Field(0.5, gt=0, lt=1, description="Share of the weights that become zero.")
    scope: Literal["layer", "global"] = Field(
        "layer",
        description="Whether each layer loses this share, or all together, so that layers with small weights lose more.",
    )

    def clashes(self, other: Technique) -> str | None:
        if other.family == "quantization" and other.word not in READABLE:
            return f"{other.title} packs weights so that the zeros of {self.title.lower()} can no longer be counted."
        return None

    def transform(self, model: nn.Module) -> nn.Module:
        from torch.nn.utils import prune

        layers = zeros.layers(model, self.title)
        weights = [(layer, "weight") for layer in layers.values()]
        if self.scope == "global":
            prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=self.amount)
        else:
            for layer, name in weights:
                prune.l1_unstructured(layer, name, amount=self.amount)  # type: ignore[no-untyped-call]
        for layer, name in weights:
            prune.remove(layer, name)  # type: ignore[no-untyped-call]
        setattr(model, zeros.PRUNED, tuple(layers))
        return model

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        return {zeros.ZEROS: zeros.count(model)}

    def proof(self, evidence: Evidence) -> Verified:
        layers: dict[str, zeros.Zeros] = evidence.facts.get(zeros.ZEROS, {})
        seen = zeros.total(layers)
        counted = [seen] if self.scope == "global" else list(layers.values())
        short = [each for each in counted if each.zeros < round(self.amount * each.weights)]
        if short or not layers:
            where = (
                ""
                if self.scope == "global" or not layers
                else f" Layers with fewer than asked: {len(short)} of {len(layers)}."
            )
            return Verified(
                "fell_back", f"{seen.zeros:,} of {seen.weights:,} weights are zero; {self.amount:.0%} was asked.{where}"
            )
        return Verified(
            "as_asked",
            f"{seen.zeros:,} of {seen.weights:,} weights in {len(layers)} layers are zero ({seen.zeros / seen.weights:.1%}). {zeros.DENSE}",
        )
