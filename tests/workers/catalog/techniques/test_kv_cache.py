"""KV cache: the cache in use is the one that was asked for, and off really computes everything again."""

import pytest

from tests.workers.catalog.observed import bench, evidence, proven
from workers.catalog.models.llama import Llama
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workload import Workload
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate

WORKLOADS = (Generate(prompt_length=8, new_tokens=4), Decode(context_length=8))
IMPLEMENTATIONS = ("off", "dynamic", "static")


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.word)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_it_runs_as_asked(implementation: str, workload: Workload) -> None:
    assert proven(KvCache.model_validate({"implementation": implementation}), workload, Llama()).ran == "as_asked"


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.word)
def test_another_cache_is_a_fall_back(workload: Workload) -> None:
    dynamic = evidence(workload, bench(Llama()))
    assert KvCache(implementation="dynamic").proof(dynamic).ran == "as_asked"
    assert KvCache(implementation="static").proof(dynamic).ran == "fell_back"
    assert KvCache(implementation="off").proof(dynamic).ran == "fell_back"


def test_without_facts_nothing_is_proven() -> None:
    from workers.catalog.technique import DeviceFacts, Evidence

    assert KvCache().proof(Evidence(DeviceFacts("cpu", "a CPU"))).ran == "fell_back"
