"""CUDA graphs: refused on a CPU with the reason, and graphs that were recorded and not launched are a fall-back."""

from collections.abc import Iterator

import pytest
import torch._dynamo

from tests.workers.catalog.observed import bench, evidence, without
from workers.catalog.applicability import clash, unfit
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.technique import DeviceFacts, Evidence
from workers.catalog.techniques.cuda_graphs import CudaGraphs
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill

REPLAYED = Evidence(
    DeviceFacts("cuda", "H100", (9, 0)), operators={"cudaGraphLaunch": 1}, kernels={"sgemm": 12}, graphs=1
)


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=False):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


def test_replayed_graphs_are_what_was_asked() -> None:
    assert CudaGraphs().proof(REPLAYED).ran == "as_asked"


@pytest.mark.parametrize(
    "changes",
    [{"operators": {"cudaLaunchKernel": 12}}, {"graphs": 0}, {"graph_breaks": 1}, {"replays_refused": 1}],
    ids=str,
)
def test_what_is_launched_one_at_a_time_is_a_fall_back(changes: dict[str, object]) -> None:
    assert CudaGraphs().proof(without(REPLAYED, **changes)).ran == "fell_back"


def test_torch_itself_replays_nothing_on_a_cpu() -> None:
    """The same code traces the model there, and the evidence says that no graph was launched."""
    seen = evidence(Classify(batch_size=2), bench(Mlp(width=64, layers=2), (CudaGraphs(),)))
    assert seen.graphs == 1
    assert CudaGraphs().proof(seen).ran == "fell_back"


def test_it_is_refused_where_it_cannot_run() -> None:
    assert "not on cpu" in str(unfit(CudaGraphs, Llama(), Prefill(), "cpu"))
    assert unfit(CudaGraphs, Llama(), Prefill(), "cuda") is None
    assert "do not combine" in str(clash(CudaGraphs(), TorchCompile()))
    assert "static" in str(clash(CudaGraphs(), KvCache(implementation="dynamic")))
    assert clash(CudaGraphs(), KvCache(implementation="static")) is None
