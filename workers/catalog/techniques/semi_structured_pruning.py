"""2:4 pruning: of every four weights in a row the two smallest become zero, a pattern that sparse tensor cores can skip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.catalog.compression import zeros
from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.model import Unsupported
from workers.catalog.technique import FORWARD_WORKLOADS, INFERENCE, Evidence, Expectation, Requires, Technique, Verified
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    import torch
    from torch import nn

MODELOPT = Reference("NVIDIA Model Optimizer, Llama-2-70B on an H100", "https://github.com/NVIDIA/Model-Optimizer")

GROUP, LEFT = 4, 2
"""Weights of a group, and how many of them stay."""
CAPABILITY = (8, 0)
"""Sparse tensor cores came with Ampere."""
ROWS, COLUMNS = 32, 64
"""A weight must come in multiples of these, for either of torch's kernels."""
KERNELS = ("_cslt_sparse_mm", "_sparse_semi_structured")
"""How torch's operators are called that multiply by a 2:4 weight (cuSPARSELt, CUTLASS)."""
GROUPS, SPARSE = "groups_with_zeros", "sparse_layers"
"""Facts about a converted model: groups of four that have their zeros, of how many; layers stored in the sparse format."""


class SemiStructuredPruning(Technique):
    technique: Literal["semi_structured_pruning"] = "semi_structured_pruning"
    title = "2:4 pruning"
    summary = "Sets two of every four weights to zero; sparse tensor cores (CUDA from 8.0, 16-bit weights) skip them, elsewhere only the quality is shown."
    family = "compression"
    order = 26
    on_fake_tensors = False
    conflicts = frozenset({"unstructured_pruning"})
    requires = Requires(phases=INFERENCE, workloads=FORWARD_WORKLOADS)

    # Against dense FP8, 1.3 to 1.62 times the speed.
    expected = (Expectation(LATENCY, 0.62, 0.77, MODELOPT),)

    def clashes(self, other: Technique) -> str | None:
        if other.family == "quantization":
            return f"{other.title} and {self.title} both decide how weights are stored."
        return None

    def transform(self, model: nn.Module) -> nn.Module:
        from torch.sparse import to_sparse_semi_structured

        inner = linears.inner(model, self.title)
        layers: dict[str, Any] = {name: each for name, each in inner.items() if each.in_features % GROUP == 0}
        if not layers:
            raise Unsupported(
                f"{self.title} takes weights in groups of {GROUP}, and no layer has a multiple of {GROUP} inputs."
            )
        for layer in layers.values():
            pruned = two_of_four(layer.weight.detach())
            if _runs_sparse(pruned):
                pruned = to_sparse_semi_structured(pruned)
            layer.weight = _parameter(pruned, layer.weight.requires_grad and not _is_sparse(pruned))
        setattr(model, zeros.PRUNED, tuple(layers))
        return model

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        full = groups = sparse = 0
        for name in getattr(model, zeros.PRUNED, ()):
            weight: Any = model.get_submodule(name).weight
            sparse += _is_sparse(weight)
            dense = weight.to_dense() if _is_sparse(weight) else weight
            counted = (dense.detach().unflatten(1, (-1, GROUP)) == 0).sum(-1)
            full += int((counted >= GROUP - LEFT).sum())
            groups += counted.numel()
        return {GROUPS: (full, groups), SPARSE: sparse, zeros.ZEROS: len(getattr(model, zeros.PRUNED, ()))}

    def proof(self, evidence: Evidence) -> Verified:
        full, groups = evidence.facts.get(GROUPS, (0, 0))
        if not groups or full < groups:
            return Verified(
                "fell_back", f"Of {groups:,} groups of {GROUP} weights, {full:,} have {GROUP - LEFT} zeros."
            )
        pattern = f"All {groups:,} groups of {GROUP} weights have {GROUP - LEFT} zeros"
        sparse, layers = int(evidence.facts.get(SPARSE, 0)), int(evidence.facts.get(zeros.ZEROS, 0))
        if not sparse:
            return Verified(
                "emulated", f"{pattern}. Sparse tensor cores did not take part. {zeros.DENSE}", simulated=True
            )
        ran = sum(calls for name, calls in evidence.operators.items() if any(kernel in name for kernel in KERNELS))
        if ran < sparse:
            return Verified("fell_back", f"{pattern}, and sparse products ran {ran} times for {sparse} sparse layers.")
        dense = f" {layers - sparse} layers stay dense by their shapes." if sparse < layers else ""
        return Verified("as_asked", f"{pattern}; sparse products ran {ran} times for {sparse} sparse layers.{dense}")


def two_of_four(weight: torch.Tensor) -> torch.Tensor:
    """The weight [N, K] with the two smallest of every four in a row at zero."""
    import torch

    groups = weight.view(weight.shape[0], -1, GROUP)
    strongest = groups.abs().topk(LEFT, dim=-1).indices
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, strongest, True)
    pruned: torch.Tensor = (groups * mask).flatten(1)
    return pruned


def _runs_sparse(weight: torch.Tensor) -> bool:
    """Whether torch has a kernel for this weight on its device."""
    import torch

    return (
        weight.is_cuda
        and torch.cuda.get_device_capability(weight.device) >= CAPABILITY
        and weight.dtype in (torch.float16, torch.bfloat16)
        and weight.shape[0] % ROWS == 0
        and weight.shape[1] % COLUMNS == 0
    )


def _is_sparse(weight: torch.Tensor) -> bool:
    from torch.sparse import SparseSemiStructuredTensor

    return isinstance(weight, SparseSemiStructuredTensor)


def _parameter(weight: torch.Tensor, trains: bool) -> nn.Parameter:
    from torch import nn

    return nn.Parameter(weight, requires_grad=trains)
