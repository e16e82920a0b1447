"""CUDA graphs: the kernels of a step are recorded once and launched together, without other kernels being made for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.catalog.technique import MODEL_WORKLOADS, Evidence, Requires, Technique, Verified
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.torch_compile import not_replayed

if TYPE_CHECKING:
    from torch import nn


class CudaGraphs(Technique):
    technique: Literal["cuda_graphs"] = "cuda_graphs"
    title = "CUDA graphs"
    summary = "Replays torch's own kernels with one launch for all of them; helps where the processor cannot launch small kernels fast enough."
    family = "compile"
    order = 90
    on_fake_tensors = False
    requires = Requires(devices=frozenset({"cuda"}), workloads=MODEL_WORKLOADS)
    conflicts = frozenset({"torch_compile"})

    def clashes(self, other: Technique) -> str | None:
        if isinstance(other, KvCache) and other.grows:
            return "A replayed CUDA graph overwrites what a growing cache still holds; take a static cache."
        return None

    def compile(self, model: nn.Module) -> nn.Module:
        import torch._dynamo.config

        # Past the limit torch would run the model eagerly with no more than a warning.
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        # A graph has one size; for another one another graph is recorded.
        model.compile(backend="cudagraphs", dynamic=False)
        return model

    def proof(self, evidence: Evidence) -> Verified:
        if evidence.graphs == 0:
            return Verified("fell_back", "No graph was recorded; kernels were launched one at a time.")
        detail = f"{evidence.graphs} graphs recorded, {evidence.graph_breaks} graph breaks."
        if evidence.graph_breaks:
            return Verified("fell_back", f"{detail} What lies between the graphs was launched one kernel at a time.")
        if reason := not_replayed(evidence):
            return Verified("fell_back", f"{detail} {reason}")
        return Verified("as_asked", detail)
