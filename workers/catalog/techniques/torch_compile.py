"""torch.compile: the model is traced into graphs, and fused kernels are generated for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import (
    MODEL_WORKLOADS,
    DeviceFacts,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
)
from workers.catalog.techniques.kv_cache import KvCache

if TYPE_CHECKING:
    from torch import nn

PYTORCH_2 = Reference("Ansel et al. 2024, PyTorch 2", "https://doi.org/10.1145/3620665.3640366")
ML_ENGINEERING = Reference("Bekman, Machine Learning Engineering", "https://github.com/stas00/ml-engineering")

DYNAMIC: dict[str, bool | None] = {"auto": None, "always": True, "never": False}


class TorchCompile(Technique):
    technique: Literal["torch_compile"] = "torch_compile"
    title = "torch.compile"
    summary = "Traces the model into graphs and generates fused kernels for them. Costs seconds to minutes once, before the first call."
    family = "compile"
    order = 90
    on_fake_tensors = False
    requires = Requires(workloads=MODEL_WORKLOADS)
    expected = (
        # Geometric means over 180+ models on an A100: 2.27 times faster in inference, 1.41 times in training.
        Expectation(LATENCY, 0.44, 0.71, PYTORCH_2),
        # B200: 2.4 to 4.2 times faster where small kernels leave the GPU idle, 2 to 6 % slower where it is busy.
        Expectation(LATENCY, 0.24, 1.06, ML_ENGINEERING),
    )

    mode: Literal["default", "reduce-overhead", "max-autotune"] = Field(
        "default",
        description="reduce-overhead replays CUDA graphs (GPU only); max-autotune also times several kernels for each "
        "product and keeps the fastest, which takes much longer to compile.",
    )
    fullgraph: bool = Field(False, description="Refuse to run when the model cannot be traced into one single graph.")
    dynamic: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether sizes are kept symbolic: auto does so from the second size on that it meets."
    )

    def clashes(self, other: Technique) -> str | None:
        if self.mode == "reduce-overhead" and isinstance(other, KvCache) and other.grows:
            return "A replayed CUDA graph overwrites what a growing cache still holds; take a static cache with reduce-overhead."
        return None

    def refuses(self, device: DeviceFacts) -> str | None:
        if device.kind == "cuda":
            from torch.utils._triton import has_triton

            if not has_triton():
                return "torch.compile generates Triton kernels on a GPU, and the package triton does not work here."
            return None
        if self.mode == "reduce-overhead":
            return "reduce-overhead works through CUDA graphs, which a CPU does not have; default and max-autotune run."
        return _missing_compiler()

    def compile(self, model: nn.Module) -> nn.Module:
        import warnings

        import torch._dynamo.config
        import torch._inductor.config

        # torch's stored graphs do not know which attention kernels were allowed, so that a graph compiled for one backend
        # would be handed to another; and a compile time is only one when it is paid.
        torch._inductor.config.force_disable_caches = True
        warnings.filterwarnings("ignore", message="dynamo_pgo force disabled")
        # Past the limit torch would run the model eagerly with no more than a warning.
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        model.compile(mode=self.mode, fullgraph=self.fullgraph, dynamic=DYNAMIC[self.dynamic])
        return model

    def proof(self, evidence: Evidence) -> Verified:
        if evidence.graphs == 0:
            return Verified("fell_back", "No graph was compiled; the model ran eagerly.")
        detail = f"{evidence.graphs} graphs compiled, {evidence.graph_breaks} graph breaks."
        if evidence.graph_breaks:
            return Verified("fell_back", f"{detail} What lies between the graphs ran eagerly.")
        if evidence.graph_calls == 0:
            return Verified("fell_back", f"{detail} None was called in the observed step, which ran eagerly.")
        if self.mode == "reduce-overhead" and (reason := not_replayed(evidence)):
            return Verified("fell_back", f"{detail} {reason}")
        return Verified("as_asked", detail)


def not_replayed(evidence: Evidence) -> str | None:
    """Why graphs were called one kernel at a time; None when all were replayed as CUDA graphs."""
    growing = evidence.facts.get("cache") == "DynamicCache"
    advice = " A cache that grows has another address at every token; take a static one." if growing else ""
    if evidence.replays_refused:
        return f"{evidence.replays_refused} of them could not be replayed as CUDA graphs.{advice}"
    if not any("GraphLaunch" in name for name in (*evidence.operators, *evidence.kernels)):
        return f"No CUDA graph was launched.{advice}"
    return None


def _missing_compiler() -> str | None:
    """What is missing to build the generated C++; None when a compiler and Python's headers are there."""
    import sysconfig
    from pathlib import Path

    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "torch.compile builds C++ on a CPU, and no C++ compiler was found; install g++ or clang."
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "torch.compile builds C++ on a CPU, and Python's headers (Python.h) are missing; install python3-dev."
    return None
